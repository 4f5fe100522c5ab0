//! What the usage rule made of each kind of data, and why.

use serde::Serialize;
use tasker_cache::{CircuitState, Counters, Status};

/// Whether one kind of data was cached.
#[derive(Debug, Serialize)]
pub(crate) struct RegionUse {
    pub(super) region: &'static str,
    pub(super) cached: bool,
    pub(super) hits: u64,
    pub(super) misses: u64,
    /// Reads that did not ask the cache.
    pub(super) bypassed: u64,
    /// Reads of the database; less than misses and bypasses, as readers of one key share one.
    pub(super) loads: u64,
    pub(super) reason: String,
}

/// Sums up the regions of a cache by what they hold.
pub(super) fn of(status: &Status) -> Vec<RegionUse> {
    let backend = status.backend;
    vec![
        RegionUse::new(
            "templates",
            status,
            "template",
            format!("{backend} is shared between processes: all of them see a registration"),
            format!(
                "{backend} is not shared between processes: a registration in another one would \
                 go unseen"
            ),
        ),
        RegionUse::new(
            "analytics",
            status,
            "analytics:",
            "a minute old is fine, so any backend will do".to_owned(),
            format!("{backend} may not hold them"),
        ),
    ]
}

impl RegionUse {
    /// Returns how often such data was read, from wherever it came.
    pub(super) fn reads(&self) -> u64 {
        self.hits + self.misses + self.bypassed
    }

    /// Sums up the regions whose path begins with `path`.
    fn new(region: &'static str, status: &Status, path: &str, yes: String, no: String) -> Self {
        let of_path = || status.regions.iter().filter(|(known, _)| known.starts_with(path));
        let allowed = of_path().all(|(_, region)| region.is_enabled);
        let sum = |count: fn(&Counters) -> u64| {
            of_path().map(|(_, region)| count(&region.counters)).sum()
        };
        let reason = match status.circuit {
            _ if status.is_stand_in => "the configured backend could not be had".to_owned(),
            _ if !status.is_enabled => "the cache is disabled".to_owned(),
            Some(state) if state != CircuitState::Closed => {
                format!("{} does not answer, so nobody waits for it", status.backend)
            }
            _ if allowed => yes,
            _ => no,
        };
        let reachable = status.circuit.is_none_or(|state| state == CircuitState::Closed);
        Self {
            region,
            cached: status.is_enabled && reachable && allowed,
            hits: sum(|counters| counters.hits),
            misses: sum(|counters| counters.misses + counters.failed_reads),
            bypassed: sum(Counters::bypassed),
            loads: sum(|counters| counters.loads),
            reason,
        }
    }
}
