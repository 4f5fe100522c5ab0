//! The monotonic clock: tokio's, so that tests can pause it, and one set by hand under loom.

use std::time::Duration;

#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) struct Clock(tokio::time::Instant);

#[cfg(not(loom))]
impl Clock {
    pub(crate) fn start() -> Self {
        Self(tokio::time::Instant::now())
    }

    /// Returns the time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Moves only while one thread runs, so loom need not interleave it.
#[cfg(loom)]
#[derive(Debug)]
pub(crate) struct Clock(std::sync::atomic::AtomicU64);

#[cfg(loom)]
impl Clock {
    pub(crate) fn start() -> Self {
        Self(std::sync::atomic::AtomicU64::new(0))
    }

    pub(crate) fn now(&self) -> Duration {
        Duration::from_millis(self.0.load(std::sync::atomic::Ordering::Relaxed))
    }

    #[cfg(test)]
    pub(crate) fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).expect("a test's times are small");
        self.0.fetch_add(millis, std::sync::atomic::Ordering::Relaxed);
    }
}
