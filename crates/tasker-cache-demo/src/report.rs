//! What the comparison found, as one JSON object.

mod table;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::shim::{Cache, Status, tasker};

use crate::drive::{Load, Route};
use crate::latencies::Latencies;

/// Both halves of a comparison, side by side.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    setting: Setting,
    /// The name of the backend that the second half used.
    backend: &'static str,
    without_cache: Run,
    with_cache: Run,
    /// What the usage rule made of each kind of data.
    usage: Vec<RegionUse>,
}

/// What both halves had in common.
#[derive(Debug, Serialize)]
pub(crate) struct Setting {
    pub(crate) database: PathBuf,
    pub(crate) templates: i64,
    pub(crate) executions: i64,
    pub(crate) clients: u16,
}

/// One half of a comparison.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    seconds: f64,
    requests: u64,
    requests_per_second: f64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    /// Statements that the service sent to the database.
    database_queries: u64,
    queries_per_100_requests: Option<f64>,
    /// The part of the reads that asked the cache and were answered by it, 0 to 1.
    hit_ratio: Option<f64>,
    hits: u64,
    misses: u64,
    /// Reads that did not ask the cache, by the usage rule or because it was not to be had.
    bypassed: u64,
    /// Answers older than a write that was acknowledged before they were asked for.
    stale_answers: u64,
    errors: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_error: Option<String>,
    routes: Vec<RouteRun>,
}

/// How one route did in one half.
#[derive(Debug, Serialize)]
struct RouteRun {
    route: &'static str,
    requests: usize,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
}

/// Whether one kind of data is cached, and why.
#[derive(Debug, Serialize)]
struct RegionUse {
    region: &'static str,
    cached: bool,
    reason: String,
}

impl Report {
    /// Puts the two halves together; the second one used this cache.
    pub(crate) fn new(setting: Setting, without: Run, with: Run, cache: &Cache) -> Self {
        Self {
            setting,
            backend: cache.backend_name(),
            without_cache: without,
            with_cache: with,
            usage: usage(cache),
        }
    }

    /// Tells whether every answer was good and none was stale.
    pub(crate) fn is_clean(&self) -> bool {
        [&self.without_cache, &self.with_cache]
            .iter()
            .all(|run| run.errors == 0 && run.stale_answers == 0)
    }
}

impl Run {
    /// Sums up one half: what the clients saw, the database was asked and the cache counted.
    pub(crate) fn new(load: &Load, database_queries: u64, status: &Status) -> Self {
        let mut all = Latencies::default();
        for latencies in &load.latencies {
            all.append(latencies.clone());
        }
        let requests = all.count() as u64;
        Self {
            seconds: rounded(load.elapsed.as_secs_f64()),
            requests,
            requests_per_second: rounded(float(requests) / load.elapsed.as_secs_f64()),
            p50_ms: milliseconds(all.percentile(50)),
            p99_ms: milliseconds(all.percentile(99)),
            database_queries,
            queries_per_100_requests: (requests > 0)
                .then(|| rounded(100.0 * float(database_queries) / float(requests))),
            hit_ratio: status.counters.hit_ratio().map(rounded),
            hits: status.counters.hits,
            misses: status.counters.misses + status.counters.failed_reads,
            bypassed: status.counters.bypassed(),
            stale_answers: load.stale,
            errors: load.errors,
            first_error: load.first_error.clone(),
            routes: Route::ALL
                .iter()
                .zip(&load.latencies)
                .map(|(route, latencies)| RouteRun {
                    route: route.title(),
                    requests: latencies.count(),
                    p50_ms: milliseconds(latencies.percentile(50)),
                    p99_ms: milliseconds(latencies.percentile(99)),
                })
                .collect(),
        }
    }
}

fn usage(cache: &Cache) -> Vec<RegionUse> {
    let backend = cache.backend_name();
    let region = |region, enabled, why_so: String| RegionUse {
        region,
        cached: cache.is_enabled() && enabled,
        reason: if cache.is_enabled() {
            why_so
        } else {
            "the cache is disabled".to_owned()
        },
    };
    let templates = tasker::templates::<()>(cache).is_enabled();
    let analytics = tasker::performance_metrics::<()>(cache).is_enabled();
    vec![
        region(
            "templates",
            templates,
            if templates {
                format!("{backend} is shared between processes, so all of them see a registration")
            } else {
                format!(
                    "{backend} is not shared between processes, so a registration elsewhere would go unseen"
                )
            },
        ),
        region(
            "analytics",
            analytics,
            "a minute old is fine, so any backend will do".to_owned(),
        ),
    ]
}

fn milliseconds(duration: Option<Duration>) -> Option<f64> {
    duration.map(|duration| rounded(duration.as_secs_f64() * 1000.0))
}

/// Rounds to three digits behind the point: the measurement has no more to say.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a run stay far below 2^52"
)]
fn float(count: u64) -> f64 {
    count as f64
}
