//! What the comparison found, as one JSON object.

mod table;
mod usage;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use tasker_cache::Status;

use crate::drive::{Load, Route};
use crate::latencies::Latencies;

pub(crate) use table::grouped;
use usage::RegionUse;

/// Both halves of a comparison, side by side.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    setting: Setting,
    without_cache: Run,
    with_cache: Run,
    /// What the usage rule made of each kind of data in the second half.
    usage: Vec<RegionUse>,
    /// What the cache of the second half tells about itself.
    status: Status,
}

/// What both halves had in common.
#[derive(Debug, Serialize)]
pub(crate) struct Setting {
    pub(crate) database: PathBuf,
    pub(crate) templates: i64,
    pub(crate) step_executions: i64,
    pub(crate) clients: u16,
}

/// One half of a comparison.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    backend: &'static str,
    seconds: f64,
    requests: u64,
    requests_per_second: f64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    /// Statements that the service sent to the database.
    database_queries: u64,
    queries_per_100_requests: Option<f64>,
    /// Reads that the cache answered.
    hits: u64,
    /// The part of the reads that asked the cache and were answered by it, 0 to 1.
    hit_ratio: Option<f64>,
    /// Reads that did not ask the cache: by the usage rule, or because it was not to be had.
    bypassed: u64,
    /// Answers older than a write that was acknowledged before they were asked for.
    stale_answers: u64,
    errors: u64,
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

impl Report {
    /// Puts the two halves together; `status` is that of the second one's cache.
    pub(crate) fn new(setting: Setting, without: Run, with: Run, status: Status) -> Self {
        Self {
            setting,
            without_cache: without,
            with_cache: with,
            usage: usage::of(&status),
            status,
        }
    }

    /// Tells whether every request was answered, and none with what was out of date.
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
            backend: status.backend,
            seconds: rounded(load.elapsed.as_secs_f64()),
            requests,
            requests_per_second: rounded(float(requests) / load.elapsed.as_secs_f64()),
            p50_ms: milliseconds(all.percentile(50)),
            p99_ms: milliseconds(all.percentile(99)),
            database_queries,
            queries_per_100_requests: (requests > 0)
                .then(|| rounded(100.0 * float(database_queries) / float(requests))),
            hits: status.counters.hits,
            hit_ratio: status.counters.hit_ratio().map(rounded),
            bypassed: status.counters.bypassed(),
            stale_answers: load.stale,
            errors: load.errors,
            first_error: load.first_error.clone(),
            routes: Route::ALL
                .iter()
                .zip(&load.latencies)
                .map(|(route, latencies)| RouteRun::new(route.title(), latencies))
                .collect(),
        }
    }
}

impl RouteRun {
    fn new(route: &'static str, latencies: &Latencies) -> Self {
        Self {
            route,
            requests: latencies.count(),
            p50_ms: milliseconds(latencies.percentile(50)),
            p99_ms: milliseconds(latencies.percentile(99)),
        }
    }
}

fn milliseconds(duration: Option<Duration>) -> Option<f64> {
    duration.map(|duration| rounded(duration.as_secs_f64() * 1000.0))
}

/// Rounds to three digits behind the point: a measurement of some seconds has no more to say.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "the counts of a run stay far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}
