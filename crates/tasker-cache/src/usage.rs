//! What a region demands of the cache.

use std::time::Duration;

/// How much a region's readers rely on invalidations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// Every process must see an invalidation, so a store inside one process won't do: on a
    /// local backend the region is disabled, and loads every time.
    Shared,
    /// Each process may have its own copy for as long as the TTL lasts.
    Local,
}

/// What a region demands of a backend, and how long its entries live.
///
/// ```
/// use std::time::Duration;
/// use tasker_cache::{Consistency, Usage};
///
/// let usage = Usage::new("session")
///     .consistency(Consistency::Shared)
///     .ttl(Duration::from_secs(600));
/// assert_eq!(usage.path(), "session");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    pub(crate) path: String,
    pub(crate) consistency: Consistency,
    pub(crate) ttl: Option<Duration>,
    pub(crate) version: u32,
    pub(crate) jitter: f64,
    pub(crate) hold: Duration,
    pub(crate) max_concurrent_loads: usize,
}

impl Usage {
    /// The default of [`hold`](Usage::hold).
    pub const DEFAULT_HOLD: Duration = Duration::from_secs(30);

    /// The default of [`max_concurrent_loads`](Usage::max_concurrent_loads).
    pub const DEFAULT_MAX_CONCURRENT_LOADS: usize = 64;

    /// Describes the region at `path`; `:` separates the parts of a path.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            consistency: Consistency::Shared,
            ttl: None,
            version: 0,
            jitter: 0.0,
            hold: Self::DEFAULT_HOLD,
            max_concurrent_loads: Self::DEFAULT_MAX_CONCURRENT_LOADS,
        }
    }

    /// Returns the region's path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Sets how much readers rely on invalidations; [`Consistency::Shared`] unless set.
    #[must_use]
    pub fn consistency(mut self, consistency: Consistency) -> Self {
        self.consistency = consistency;
        self
    }

    /// Sets how long an entry lives; the cache's default TTL unless set. Zero stores nothing.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Sets the version of the values' shape; 0 unless set.
    ///
    /// Bump it when the type changes: processes of the old and the new version then don't read
    /// each other's entries. Nor do they invalidate them: during a roll-out an invalidation
    /// reaches the entries of its own version only, and the TTL bounds the rest.
    #[must_use]
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// Sets by which fraction, 0 to 1, a TTL is shortened at random; 0 unless set.
    ///
    /// Entries that were filled together then don't expire together. An entry never lives longer
    /// than its TTL. Values outside of the range are clamped to it.
    #[must_use]
    pub fn jitter(mut self, fraction: f64) -> Self {
        self.jitter = if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) };
        self
    }

    /// Sets how long a load may take and still fill, and the longest that a reader waits for
    /// somebody else's load; 30 s unless set, 1 ms to a day.
    #[must_use]
    pub fn hold(mut self, hold: Duration) -> Self {
        self.hold = hold.clamp(Duration::from_millis(1), Duration::from_secs(86_400));
        self
    }

    /// Sets how many loads of this region run at a time in this process; 64 unless set, at
    /// least 1.
    ///
    /// A load waits at most [`hold`](Usage::hold) for its turn. A load within a load doesn't
    /// wait at all, so loaders may read the cache themselves.
    #[must_use]
    pub fn max_concurrent_loads(mut self, loads: usize) -> Self {
        self.max_concurrent_loads = loads.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        self
    }
}
