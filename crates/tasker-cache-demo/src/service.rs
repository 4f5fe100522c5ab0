//! The service: every read goes through the cache, and the one write invalidates.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tasker_cache::{Cache, tasker};

use crate::database::Database;
use crate::error::Error;
use crate::exchange::{Ranking, Registration, Reply, Window};
use crate::model::{Bottlenecks, Performance, Template, TemplateId};

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

/// Reads a template. The only errors are those of the database: the cache has none.
async fn template(
    State(service): State<Service>,
    Path(id): Path<TemplateId>,
) -> Result<Reply<Template>, Error> {
    tasker::templates(&service.cache)
        .get_or_load(&id.key(), || service.database.template(&id))
        .await
        .map(Reply)
}

/// Registers a template: commits first, then invalidates.
async fn register(
    State(service): State<Service>,
    Registration { id, template }: Registration,
) -> Result<Json<Value>, Error> {
    // A task goes on when the client hangs up and its request is dropped.
    let registration = tokio::spawn(async move {
        let registered = service.database.register(&template).await;
        // Also after an error: a commit whose answer was lost has happened all the same.
        let invalidation =
            tasker::templates::<Template>(&service.cache).invalidate(&id.key()).await;
        Ok(Json(json!({ "revision": registered?, "invalidation": invalidation.as_str() })))
    });
    registration.await?
}

/// Sums up the last hours; a summary may be as old as its TTL.
async fn performance(
    State(service): State<Service>,
    Window { hours }: Window,
) -> Result<Reply<Performance>, Error> {
    tasker::performance_metrics(&service.cache)
        .get_or_load(hours, || service.database.performance(hours))
        .await
        .map(Reply)
}

/// Finds the steps that cost the most time; the answer may be as old as its TTL.
async fn bottlenecks(
    State(service): State<Service>,
    Ranking { limit, min_executions }: Ranking,
) -> Result<Reply<Bottlenecks>, Error> {
    tasker::bottlenecks(&service.cache)
        .get_or_load((limit, min_executions), || {
            service.database.bottlenecks(limit, min_executions)
        })
        .await
        .map(Reply)
}

/// Tells how the service is. It is well as long as the database is: without the cache it is slower.
async fn health(State(service): State<Service>) -> (StatusCode, Json<Value>) {
    let database = service.database.ping().await.is_ok();
    let cache = service.cache.health_check().await;
    let status = if database { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let health = json!({
        "ok": database,
        "database": { "healthy": database },
        "cache": { "healthy": cache, "status": service.cache.status() },
    });
    (status, Json(health))
}

#[cfg(test)]
mod tests;
