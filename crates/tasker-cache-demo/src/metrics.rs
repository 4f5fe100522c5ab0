//! What the service and its cache record, for a Prometheus server to collect.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use tasker_cache::{Cache, telemetry};

/// How often what was recorded is summed up while nobody collects it.
const UPKEEP: Duration = Duration::from_secs(5);

/// Installs the process's recorder, which has to be there before the cache is made.
///
/// # Errors
///
/// If there is one already.
pub(crate) fn install() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new().set_buckets(&telemetry::DURATION_BUCKETS)?.install_recorder()
}

/// Returns the route `/metrics`.
pub(crate) fn router(cache: Cache, recorded: PrometheusHandle) -> Router {
    Router::new().route("/metrics", get(collect)).with_state((cache, recorded))
}

async fn collect(State((cache, recorded)): State<(Cache, PrometheusHandle)>) -> impl IntoResponse {
    // Brings the gauges up to date.
    drop(cache.status());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], recorded.render())
}

/// Keeps what was recorded small, for as long as it is polled.
pub(crate) async fn keep_up(recorded: PrometheusHandle) {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        ticks.tick().await;
        recorded.run_upkeep();
    }
}
