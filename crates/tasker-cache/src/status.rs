//! What a cache tells about itself.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;

use serde::{Serialize, Serializer};
use tasker_cache_breaker::CircuitState;
use tasker_cache_core::{Backend, Scope};

use crate::inner::Inner;
use crate::{Bypass, Counters};

/// A snapshot of one cache: for people by `Display`, for machines by `Serialize`.
#[derive(Clone, Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, read by name")]
#[non_exhaustive]
pub struct Status {
    /// The backend's configured name; `noop` when there is none.
    pub backend: &'static str,
    /// Whether other processes see what it stores.
    pub is_distributed: bool,
    /// Whether anything is stored at all.
    pub is_enabled: bool,
    /// Whether the cache stands in for a backend that was configured and could not be had.
    pub is_stand_in: bool,
    /// Whether the operator's switch is on.
    pub is_bypassed: bool,
    /// The circuit's state; `None` where there is no breaker.
    #[serde(serialize_with = "circuit")]
    pub circuit: Option<CircuitState>,
    /// The circuits of the backend's servers by address, where each has its own; otherwise empty.
    #[serde(serialize_with = "circuits")]
    pub circuits: BTreeMap<String, CircuitState>,
    /// Invalidations that are not yet applied.
    pub pending: Pending,
    /// Live entries of a local backend.
    pub entries: Option<u64>,
    /// Bytes of encoded payload in a local backend that weighs its entries.
    pub bytes: Option<u64>,
    /// Loads that are running for more than their own caller.
    pub flights: usize,
    /// The sum over all regions and the raw operations.
    pub counters: Counters,
    /// The regions by path.
    pub regions: BTreeMap<String, RegionStatus>,
}

/// What is pending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Pending {
    /// Keys.
    pub keys: usize,
    /// Prefixes and whole regions.
    pub prefixes: usize,
}

/// A snapshot of one region.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RegionStatus {
    /// Whether the region may use the cache; false when the usage rule disabled it.
    pub is_enabled: bool,
    /// What was counted.
    pub counters: Counters,
}

impl Status {
    pub(crate) fn of(cache: &Inner) -> Self {
        let (keys, prefixes) = cache.ledger.pending();
        let occupancy = cache.bare.occupancy();
        let mut counters = cache.raw.snapshot();
        let mut regions = BTreeMap::new();
        for region in cache.regions.all() {
            let counted = region.counters.snapshot();
            counters += counted;
            let status = RegionStatus { is_enabled: !region.disabled, counters: counted };
            regions.insert(region.usage.path().to_owned(), status);
        }
        Self {
            backend: cache.identity.name,
            is_distributed: cache.profile.stores && cache.profile.scope == Scope::Shared,
            is_enabled: cache.profile.stores,
            is_stand_in: cache.identity.stand_in,
            is_bypassed: cache.switched_off.load(Ordering::Relaxed),
            circuit: cache.circuit(),
            circuits: cache.circuits.iter().flat_map(|circuits| circuits()).collect(),
            pending: Pending { keys, prefixes },
            entries: occupancy.map(|occupancy| occupancy.entries),
            bytes: occupancy.and_then(|occupancy| occupancy.bytes),
            flights: cache.ledger.flights(),
            counters,
            regions,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reach = match (self.is_enabled, self.is_distributed) {
            (false, _) if self.is_stand_in => "stands in for a backend that could not be had",
            (false, _) => "disabled",
            (true, true) => "shared between processes",
            (true, false) => "local to this process",
        };
        write!(f, "{} ({reach})", self.backend)?;
        if self.is_bypassed {
            write!(f, ", bypassed by the operator")?;
        }
        if let Some(circuit) = self.circuit {
            write!(f, ", circuit {circuit}")?;
        }
        for (server, circuit) in &self.circuits {
            if *circuit != CircuitState::Closed {
                write!(f, ", that of {server} {circuit}")?;
            }
        }
        if let Some(entries) = self.entries {
            write!(f, ", {}", counted(entries, "entry", "entries"))?;
        }
        if let Some(bytes) = self.bytes {
            write!(f, " of {}", counted(bytes, "byte", "bytes"))?;
        }
        let Pending { keys, prefixes } = self.pending;
        if keys + prefixes > 0 {
            write!(f, ", pending invalidations: {}", targets(keys, prefixes))?;
        }
        let Counters { hits, misses, failed_reads, loads, coalesced, .. } = self.counters;
        let hits = counted(hits, "hit", "hits");
        let misses = counted(misses, "miss", "misses");
        write!(f, "; {hits}, {misses}, {failed_reads} failed, ")?;
        self.counters.fmt_bypassed(f)?;
        write!(f, "; {}, {coalesced} coalesced", counted(loads, "load", "loads"))?;
        for (path, region) in &self.regions {
            if !region.is_enabled {
                write!(f, "; region '{path}' disabled by the usage rule")?;
            }
        }
        Ok(())
    }
}

impl Counters {
    /// Writes how many reads did not ask, and why: the reasons that there were.
    fn fmt_bypassed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bypassed", self.bypassed())?;
        let reasons: Vec<String> = [
            (self.bypassed_disabled, Bypass::Disabled),
            (self.bypassed_usage, Bypass::Usage),
            (self.bypassed_operator, Bypass::Operator),
            (self.bypassed_circuit, Bypass::Circuit),
            (self.bypassed_pending, Bypass::Pending),
        ]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, reason)| format!("{reason} {count}"))
        .collect();
        if reasons.is_empty() { Ok(()) } else { write!(f, " ({})", reasons.join(", ")) }
    }
}

/// Words how many keys and prefixes there are.
pub(crate) fn targets(keys: usize, prefixes: usize) -> String {
    let keys = counted(keys, "key", "keys");
    format!("{keys} and {}", counted(prefixes, "prefix", "prefixes"))
}

fn counted<N: Copy + PartialEq + From<u8> + fmt::Display>(
    count: N,
    one: &str,
    more: &str,
) -> String {
    let noun = if count == N::from(1) { one } else { more };
    format!("{count} {noun}")
}

#[expect(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
fn circuit<S: Serializer>(state: &Option<CircuitState>, serializer: S) -> Result<S::Ok, S::Error> {
    state.map(CircuitState::as_str).serialize(serializer)
}

fn circuits<S: Serializer>(
    states: &BTreeMap<String, CircuitState>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(states.iter().map(|(server, state)| (server, state.as_str())))
}
