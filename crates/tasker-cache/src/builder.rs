//! A cache over any backend.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

#[cfg(feature = "memcached")]
use tasker_cache_breaker::CircuitState;
use tasker_cache_breaker::{BreakerSettings, CircuitBreaker, Guarded, Probe};
use tasker_cache_core::{Backend, Scope};

use crate::Cache;
use crate::counters::Counting;
use crate::deadline::Deadline;
use crate::faults::FaultLog;
use crate::inner::{Circuits, Identity, Inner, Regions, Settings};
use crate::ledger::Ledger;
use crate::recovery::Recovery;
use crate::telemetry::Telemetry;

/// How long the recovery task's probe may take before it counts as failed: it replays everything
/// that is pending, and always ends by itself.
const PROBE_DEADLINE: Duration = Duration::from_secs(300);

/// Makes a [`Cache`] over any backend; from [`Cache::builder`].
///
/// ```
/// use std::time::Duration;
/// use tasker_cache::{BreakerSettings, Cache};
/// # use tasker_cache::backend::NoOp as MyBackend;
///
/// let cache = Cache::builder(MyBackend)
///     .prefix("app")
///     .default_ttl(Duration::from_secs(300))
///     .breaker(BreakerSettings::default().failure_threshold(3))
///     .build();
/// assert_eq!(cache.backend_name(), "noop");
/// ```
#[must_use]
pub struct Builder {
    backend: Arc<dyn Backend>,
    name: Option<&'static str>,
    stand_in: bool,
    unreachable: bool,
    settings: Settings,
    breaker: Option<BreakerSettings>,
    operation_timeout: Option<Duration>,
    circuits: Option<Circuits>,
}

impl Builder {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            name: None,
            stand_in: false,
            unreachable: false,
            settings: Settings::default(),
            breaker: Some(BreakerSettings::default()),
            operation_timeout: Some(Duration::from_millis(250)),
            circuits: None,
        }
    }

    /// Sets what every key begins with; `tasker` unless set.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.settings.prefix = prefix.into();
        self
    }

    /// Sets how long entries live in regions that don't say; an hour unless set.
    pub fn default_ttl(mut self, ttl: Duration) -> Self {
        self.settings.default_ttl = ttl;
        self
    }

    /// Sets the largest encoded value that is stored, in bytes; 1 MiB unless set.
    pub fn max_value_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_value_bytes = bytes;
        self
    }

    /// Sets when the circuit opens and closes. A local backend has none.
    pub fn breaker(mut self, settings: BreakerSettings) -> Self {
        self.breaker = Some(settings);
        self
    }

    /// Does without a circuit breaker: while the backend is down, every read waits for it, for as
    /// long as one operation may take.
    pub fn without_breaker(mut self) -> Self {
        self.breaker = None;
        self
    }

    /// Sets how long one operation of a shared backend may take; 250 ms unless set.
    pub fn operation_timeout(mut self, timeout: Duration) -> Self {
        self.operation_timeout = Some(timeout);
        self
    }

    /// Leaves the time of each operation to the backend, which has to end every call by itself.
    pub fn without_operation_timeout(mut self) -> Self {
        self.operation_timeout = None;
        self
    }

    /// Starts as if the backend were down, for one that is known not to be reachable yet.
    ///
    /// Reads miss at once and invalidations are deferred, until a background task has found that
    /// the backend answers and has applied what was deferred; then INFO `Cache backend connected
    /// (recovered)` is logged. The first try is due at once, and no user's request is one. Without
    /// a circuit breaker requests ask the backend all the same.
    pub fn unreachable(mut self) -> Self {
        self.unreachable = true;
        self
    }

    /// Calls the backend by the name that was configured, whatever its profile says.
    #[cfg(any(feature = "redis", feature = "memcached"))]
    pub(crate) fn name(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    pub(crate) fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Tells where to ask for the circuits of a backend's servers.
    #[cfg(feature = "memcached")]
    pub(crate) fn circuits(
        mut self,
        circuits: impl Fn() -> Vec<(String, CircuitState)> + Send + Sync + 'static,
    ) -> Self {
        self.circuits = Some(Box::new(circuits));
        self
    }

    /// Makes the cache one that stands in for the backend that was configured.
    pub(crate) fn stand_in(mut self) -> Self {
        self.stand_in = true;
        self
    }

    /// Makes the cache. Needs no runtime, and spawns nothing but for a backend that is
    /// [`unreachable`](Builder::unreachable).
    #[must_use]
    pub fn build(self) -> Cache {
        let profile = self.backend.profile();
        let guarded = profile.stores && profile.scope == Scope::Shared;
        let name = self.name.unwrap_or(profile.name);
        let telemetry = Telemetry::new(name, &self.settings.prefix);
        let observed = telemetry.observed(self.backend, &profile);
        let bare: Arc<dyn Backend> = match self.operation_timeout.filter(|_| guarded) {
            Some(limit) => Arc::new(Deadline::new(observed, limit)),
            None => observed,
        };
        let breaker = self.breaker.filter(|_| guarded).map(|settings| {
            let settings = settings.probe(Probe::Explicit).probe_deadline(PROBE_DEADLINE);
            Arc::new(if self.unreachable {
                CircuitBreaker::new_open(settings)
            } else {
                CircuitBreaker::new(settings)
            })
        });
        let backend: Arc<dyn Backend> = match &breaker {
            Some(breaker) => Arc::new(Guarded::new(Arc::clone(&bare), Arc::clone(breaker))),
            None => Arc::clone(&bare),
        };
        Cache::new(Inner {
            backend,
            bare,
            breaker,
            circuits: self.circuits,
            identity: Identity { name, stand_in: self.stand_in },
            profile,
            settings: self.settings,
            ledger: Ledger::new(),
            regions: Regions::default(),
            raw: Counting::new(&telemetry.raw()),
            faults: FaultLog::default(),
            recovery: Recovery::default(),
            telemetry,
            awaited: AtomicBool::new(guarded && self.unreachable),
            switched_off: AtomicBool::new(false),
        })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("backend", &self.backend.profile().name)
            .field("settings", &self.settings)
            .field("breaker", &self.breaker)
            .finish_non_exhaustive()
    }
}
