//! What all handles of one cache share.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tasker_cache_breaker::{CircuitBreaker, CircuitState};
use tasker_cache_core::{Backend, Error, ErrorKind, Profile, Scope};

use crate::counters::{Bypass, Counting};
use crate::faults::FaultLog;
use crate::leading::Leading;
use crate::ledger::Ledger;
use crate::nesting::CacheId;
use crate::recovery::Recovery;
use crate::region::state::RegionState;
use crate::telemetry::Telemetry;
use crate::{Consistency, Usage};

/// One cache: a backend, what is pending on it, and the regions known so far.
pub(crate) struct Inner {
    /// What requests use: behind the circuit breaker where there is one.
    pub(crate) backend: Arc<dyn Backend>,
    /// The same store without the breaker, for recovery.
    pub(crate) bare: Arc<dyn Backend>,
    pub(crate) breaker: Option<Arc<CircuitBreaker>>,
    /// The circuits of a backend's servers, where they have circuits of their own.
    pub(crate) circuits: Option<Circuits>,
    pub(crate) profile: Profile,
    pub(crate) identity: Identity,
    pub(crate) settings: Settings,
    pub(crate) ledger: Ledger<Leading>,
    pub(crate) regions: Regions,
    /// Counts of the raw operations.
    pub(crate) raw: Counting,
    pub(crate) faults: FaultLog,
    pub(crate) recovery: Recovery,
    pub(crate) telemetry: Telemetry,
    /// Whether the backend has not answered yet since the cache was made.
    pub(crate) awaited: AtomicBool,
    pub(crate) switched_off: AtomicBool,
}

/// Returns the state of each server's circuit by the server's address.
pub(crate) type Circuits = Box<dyn Fn() -> Vec<(String, CircuitState)> + Send + Sync>;

/// What the cache is called and what it stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    /// The name that was configured, or the backend's own.
    pub(crate) name: &'static str,
    /// Whether this stands in for a backend that was configured and could not be had, so that
    /// other processes may hold entries that this one can't delete.
    pub(crate) stand_in: bool,
}

/// What was configured, whatever the backend.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) prefix: String,
    pub(crate) default_ttl: Duration,
    pub(crate) template_ttl: Duration,
    pub(crate) analytics_ttl: Duration,
    pub(crate) max_value_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            prefix: "tasker".to_owned(),
            default_ttl: Duration::from_secs(3600),
            template_ttl: Duration::from_secs(3600),
            analytics_ttl: Duration::from_secs(60),
            max_value_bytes: 1024 * 1024,
        }
    }
}

impl Inner {
    pub(crate) fn id(self: &Arc<Self>) -> CacheId {
        CacheId(Arc::as_ptr(self).addr())
    }

    /// Tells why no read may ask the cache, whatever its key.
    pub(crate) fn closed(&self) -> Option<Bypass> {
        if !self.profile.stores {
            Some(Bypass::Disabled)
        } else if self.switched_off.load(Ordering::Relaxed) {
            Some(Bypass::Operator)
        } else if self.circuit().is_some_and(|state| state != CircuitState::Closed) {
            Some(Bypass::Circuit)
        } else {
            None
        }
    }

    pub(crate) fn circuit(&self) -> Option<CircuitState> {
        self.breaker.as_ref().map(|breaker| breaker.state())
    }

    /// Notes a failure of the backend, and sees to its recovery. A refusal by the open circuit is
    /// none: the breaker has logged that once.
    pub(crate) fn note_failure(self: &Arc<Self>, error: &Error) {
        if error.kind() != ErrorKind::CircuitOpen {
            self.faults.note(error);
        }
        self.telemetry.publish(self);
        self.see_to_recovery();
    }

    /// Starts the recovery task if there is something to recover.
    pub(crate) fn see_to_recovery(self: &Arc<Self>) {
        if self.needs_recovery() {
            self.recovery.ensure(self);
        }
    }

    pub(crate) fn needs_recovery(&self) -> bool {
        self.ledger.has_pending()
            || self.circuit().is_some_and(|state| state != CircuitState::Closed)
            || self.awaited.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("identity", &self.identity)
            .field("prefix", &self.settings.prefix)
            .finish_non_exhaustive()
    }
}

/// The regions of one cache by path; a region lives as long as the cache.
#[derive(Debug, Default)]
pub(crate) struct Regions {
    known: Mutex<HashMap<String, Arc<RegionState>>>,
    /// The longest TTL that any entry was given, in whole seconds.
    longest_ttl: AtomicU64,
}

impl Regions {
    /// Returns the region at the usage's path. The first usage of a path wins; `rule` is the
    /// warning for a region that the usage rule disables.
    pub(crate) fn get(
        &self,
        cache: &Inner,
        usage: Usage,
        rule: impl FnOnce(&Profile),
    ) -> Arc<RegionState> {
        let mut known = self.lock();
        if let Some(state) = known.get(&usage.path) {
            state.warn_if_different(&usage);
            return Arc::clone(state);
        }
        let unsafe_here = usage.consistency == Consistency::Shared
            && cache.profile.stores
            && cache.profile.scope == Scope::Local;
        if unsafe_here {
            rule(&cache.profile);
        }
        let state = Arc::new(RegionState::new(cache, usage, unsafe_here, known.len()));
        // A load of another process may store what is old until its lease ends.
        self.note_ttl(state.ttl.saturating_add(state.usage.hold));
        known.insert(state.usage.path.clone(), Arc::clone(&state));
        state
    }

    pub(crate) fn all(&self) -> Vec<Arc<RegionState>> {
        self.lock().values().cloned().collect()
    }

    /// Notes that an entry may live this long.
    pub(crate) fn note_ttl(&self, ttl: Duration) {
        self.longest_ttl.fetch_max(ttl.as_secs().saturating_add(1), Ordering::Relaxed);
    }

    pub(crate) fn longest_ttl(&self) -> Duration {
        Duration::from_secs(self.longest_ttl.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<RegionState>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
