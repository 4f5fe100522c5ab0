//! When a circuit opens, how long it stays open, and what closes it again.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The settings of a [`CircuitBreaker`](crate::CircuitBreaker).
///
/// Every value is brought into its range: a count outside of it becomes the nearest one inside,
/// and a duration of zero becomes a millisecond.
///
/// ```
/// use std::time::Duration;
/// use tasker_cache_breaker::BreakerSettings;
///
/// let settings = BreakerSettings::default()
///     .failure_threshold(3)
///     .timeout(Duration::from_secs(10));
/// assert_eq!(settings.success_threshold(0), settings.success_threshold(1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    pub(crate) failure_threshold: u32,
    pub(crate) timeout: Duration,
    pub(crate) success_threshold: u32,
    pub(crate) probe_deadline: Duration,
    pub(crate) probe: Probe,
}

/// Who takes the probes that test an open circuit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Probe {
    /// The first caller after the timeout is the probe, for
    /// [`try_acquire`](crate::CircuitBreaker::try_acquire) and `try_probe` alike.
    #[default]
    ByCallers,
    /// Only [`try_probe`](crate::CircuitBreaker::try_probe) takes one: callers fail fast until
    /// whoever owns the recovery has closed the circuit.
    Explicit,
}

impl BreakerSettings {
    /// What [`failure_threshold`](Self::failure_threshold) may be.
    pub const FAILURE_THRESHOLD: RangeInclusive<u32> = 1..=100;
    /// What [`success_threshold`](Self::success_threshold) may be.
    pub const SUCCESS_THRESHOLD: RangeInclusive<u32> = 1..=50;

    /// Sets how many failures in a row open the circuit: 1–100, default 5.
    #[must_use]
    pub fn failure_threshold(mut self, failures: u32) -> Self {
        self.failure_threshold = within(failures, Self::FAILURE_THRESHOLD);
        self
    }

    /// Sets how long the circuit stays open before it is tested: default 15 s.
    ///
    /// Timers run in whole milliseconds and never end early.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = nonzero(timeout);
        self
    }

    /// Sets how many successful probes close the circuit: 1–50, default 2.
    #[must_use]
    pub fn success_threshold(mut self, successes: u32) -> Self {
        self.success_threshold = within(successes, Self::SUCCESS_THRESHOLD);
        self
    }

    /// Sets how long one probe may take: default 30 s.
    ///
    /// A probe that has not reported by then counts as a failure, so that one which hangs for
    /// ever does not keep the circuit half-open for ever. Keep it above the time in which a call
    /// ends by itself.
    #[must_use]
    pub fn probe_deadline(mut self, deadline: Duration) -> Self {
        self.probe_deadline = nonzero(deadline);
        self
    }

    /// Sets who takes the probes: default [`Probe::ByCallers`].
    #[must_use]
    pub fn probe(mut self, probe: Probe) -> Self {
        self.probe = probe;
        self
    }
}

impl Default for BreakerSettings {
    /// 5 failures, 15 s, 2 successes, 30 s a probe, probes by callers.
    fn default() -> Self {
        Self {
            failure_threshold: 5,
            timeout: Duration::from_secs(15),
            success_threshold: 2,
            probe_deadline: Duration::from_secs(30),
            probe: Probe::ByCallers,
        }
    }
}

fn within(count: u32, range: RangeInclusive<u32>) -> u32 {
    count.clamp(*range.start(), *range.end())
}

fn nonzero(duration: Duration) -> Duration {
    duration.max(Duration::from_millis(1))
}
