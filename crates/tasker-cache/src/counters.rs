//! What is counted, and nothing counted as something else.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::telemetry::{Count, Loads, RegionSeries};

/// Why the cache was not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bypass {
    /// The cache is disabled, or what was configured could not be had.
    Disabled,
    /// The usage rule disabled the region.
    Usage,
    /// The operator's switch, [`Cache::bypass`](crate::Cache::bypass), is on.
    Operator,
    /// The circuit is not closed.
    Circuit,
    /// An invalidation of the key is not yet applied.
    Pending,
}

impl Bypass {
    /// Returns the reason as it stands in a log line or a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Usage => "usage",
            Self::Operator => "operator",
            Self::Circuit => "circuit",
            Self::Pending => "pending",
        }
    }
}

impl fmt::Display for Bypass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Declares the counters once: the atomic ones, and their snapshot.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// Counts since the cache was made. Only grows.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)+
        }

        #[derive(Debug)]
        pub(crate) struct Counting {
            $(pub(crate) $name: Counter,)+
            /// How long the loads take.
            pub(crate) durations: Loads,
        }

        impl Counting {
            pub(crate) fn new(series: &RegionSeries) -> Self {
                Self {
                    $($name: Counter::new(series.count(stringify!($name))),)+
                    durations: series.loads(),
                }
            }

            pub(crate) fn snapshot(&self) -> Counters {
                Counters { $($name: self.$name.get(),)+ }
            }
        }

        impl std::ops::AddAssign for Counters {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)+
            }
        }
    };
}

counters! {
    /// Reads that the cache answered.
    hits,
    /// Reads that the cache had no answer for.
    misses,
    /// Reads that the cache failed to answer: a fault of the backend.
    failed_reads,
    /// Reads that didn't ask, because the cache is disabled.
    bypassed_disabled,
    /// Reads that didn't ask, because the usage rule disabled the region.
    bypassed_usage,
    /// Reads that didn't ask, because of the operator's switch.
    bypassed_operator,
    /// Reads that didn't ask, because the circuit is not closed.
    bypassed_circuit,
    /// Reads that didn't ask, because an invalidation is not yet applied.
    bypassed_pending,
    /// Loaders that were run.
    loads,
    /// Reads that took the value of somebody else's load.
    coalesced,
    /// Values stored.
    fills,
    /// Values not stored, because the lease was revoked or the flight was sealed meanwhile.
    fills_refused,
    /// Values not stored, because they are over a size limit.
    too_large,
    /// Values not stored, because the backend failed.
    failed_fills,
    /// Values that did not decode.
    undecodable,
    /// Invalidations, of keys and of prefixes.
    invalidations,
    /// Invalidations that were deferred.
    deferred,
}

impl Counters {
    /// Returns how many reads did not ask the cache, for whatever reason.
    #[must_use]
    pub const fn bypassed(&self) -> u64 {
        self.bypassed_disabled
            + self.bypassed_usage
            + self.bypassed_operator
            + self.bypassed_circuit
            + self.bypassed_pending
    }

    /// Returns how many of the reads that asked were answered, 0 to 1; `None` before the first.
    #[must_use]
    pub fn hit_ratio(&self) -> Option<f64> {
        let asked = self.hits + self.misses + self.failed_reads;
        #[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
        (asked > 0).then(|| self.hits as f64 / asked as f64)
    }
}

impl Counting {
    pub(crate) fn bypassed(&self, reason: Bypass) -> &Counter {
        match reason {
            Bypass::Disabled => &self.bypassed_disabled,
            Bypass::Usage => &self.bypassed_usage,
            Bypass::Operator => &self.bypassed_operator,
            Bypass::Circuit => &self.bypassed_circuit,
            Bypass::Pending => &self.bypassed_pending,
        }
    }
}

/// A number that only grows, here and in a series of the metrics.
#[derive(Debug)]
pub(crate) struct Counter {
    count: AtomicU64,
    series: Count,
}

impl Counter {
    fn new(series: Count) -> Self {
        Self { count: AtomicU64::new(0), series }
    }

    pub(crate) fn add(&self, count: u64) {
        self.count.fetch_add(count, Ordering::Relaxed);
        self.series.add(count);
    }

    pub(crate) fn increment(&self) {
        self.add(1);
    }

    fn get(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}
