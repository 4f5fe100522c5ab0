//! The service: each read goes through the cache, and the one write invalidates.

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use tasker_cache::{Cache, tasker};

use crate::database::Database;
use crate::error::{Error, within};
use crate::model::{Template, TemplateId};
use crate::seed::HISTORY_HOURS;

/// What every request works with. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) database: Database,
    pub(crate) cache: Cache,
}

/// Returns the service's routes.
pub(crate) fn router(service: Service) -> Router {
    Router::new()
        .route("/v1/templates/{namespace}/{name}/{version}", get(template).put(register))
        .route("/v1/analytics/performance", get(performance))
        .route("/v1/analytics/bottlenecks", get(bottlenecks))
        .route("/health", get(health))
        .with_state(service)
}

/// Reads a template. An error of the loader is answered as it is; the cache has none.
async fn template(
    State(service): State<Service>,
    Path(id): Path<TemplateId>,
) -> Result<Response, Error> {
    let template = tasker::templates(&service.cache)
        .get_or_load(&id.key(), || service.database.template(&id))
        .await?;
    Ok(Json(&*template).into_response())
}

/// Registers a template: commit first, then invalidate.
async fn register(
    State(service): State<Service>,
    Path(id): Path<TemplateId>,
    document: Result<Json<Template>, JsonRejection>,
) -> Result<Response, Error> {
    let Json(template) = document?;
    if template.id() != id {
        return Err(Error::BadRequest(format!(
            "{} was sent to the address of {id}",
            template.id()
        )));
    }
    // In a task, which goes on when a client hangs up and its request is dropped: whatever is
    // committed is invalidated too.
    let registration = tokio::spawn(async move {
        let revision = service.database.register(&template).await?;
        let invalidation =
            tasker::templates::<Template>(&service.cache).invalidate(&id.key()).await;
        Ok(Json(json!({ "revision": revision, "invalidation": invalidation.as_str() }))
            .into_response())
    });
    registration.await?
}

#[derive(Deserialize)]
struct Window {
    #[serde(default = "Window::a_day")]
    hours: u32,
}

/// Answers how the last hours went.
async fn performance(
    State(service): State<Service>,
    window: Result<Query<Window>, QueryRejection>,
) -> Result<Response, Error> {
    // Checked, because every value of a parameter is an entry of its own.
    let hours = within("hours", 1..=HISTORY_HOURS, window?.hours)?;
    let performance = tasker::performance_metrics(&service.cache)
        .get_or_load(hours, || service.database.performance(hours))
        .await?;
    Ok(Json(&*performance).into_response())
}

#[derive(Deserialize)]
#[serde(default)]
struct Ranking {
    limit: u32,
    min_executions: u32,
}

/// Answers which steps cost the most time.
async fn bottlenecks(
    State(service): State<Service>,
    ranking: Result<Query<Ranking>, QueryRejection>,
) -> Result<Response, Error> {
    let Query(ranking) = ranking?;
    let limit = within("limit", 1..=100, ranking.limit)?;
    let min = within("min_executions", 1..=10_000, ranking.min_executions)?;
    let bottlenecks = tasker::bottlenecks(&service.cache)
        .get_or_load((limit, min), || service.database.bottlenecks(limit, min))
        .await?;
    Ok(Json(&*bottlenecks).into_response())
}

/// Tells how the service is: a cache fault is shown, but only a database fault makes it unhealthy.
async fn health(State(service): State<Service>) -> Response {
    let database = service.database.ping().await.is_ok();
    let cache = service.cache.health_check().await;
    let status = if database { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let health = json!({
        "ok": database,
        "database": { "healthy": database },
        "cache": { "healthy": cache, "status": service.cache.status() },
    });
    (status, Json(health)).into_response()
}

impl Window {
    fn a_day() -> u32 {
        24
    }
}

impl Default for Ranking {
    fn default() -> Self {
        Self { limit: 10, min_executions: 5 }
    }
}

//cfgtest
//mod tests;
