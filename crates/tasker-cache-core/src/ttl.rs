//! How long an entry may live.

use std::time::Duration;

use crate::Limits;

/// A time to live: never zero, never "for ever".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ttl(Duration);

impl Ttl {
    /// Creates a time to live; `None` when `duration` is zero.
    #[must_use]
    pub const fn new(duration: Duration) -> Option<Self> {
        if duration.is_zero() { None } else { Some(Self(duration)) }
    }

    /// Returns the time to live as it was asked for.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }

    /// Returns how many of a backend's units the entry lives: rounded up, at least one, and at
    /// most the backend's maximum.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tasker_cache_core::{Limits, Ttl};
    ///
    /// let seconds = Limits::default().ttl_unit(Duration::from_secs(1));
    /// let ttl = Ttl::new(Duration::from_millis(1_001)).expect("not zero");
    /// assert_eq!(ttl.units(&seconds), 2);
    /// ```
    #[must_use]
    pub fn units(self, limits: &Limits) -> u64 {
        let unit = limits.ttl_unit.as_nanos().max(1);
        let longest = (limits.max_ttl.as_nanos() / unit).max(1);
        let units = self.0.as_nanos().div_ceil(unit).min(longest);
        u64::try_from(units).unwrap_or(u64::MAX)
    }

    /// Returns the same as [`units`](Ttl::units) in time.
    #[must_use]
    pub fn fitted(self, limits: &Limits) -> Duration {
        let unit = limits.ttl_unit.max(Duration::from_nanos(1));
        let nanos = u128::from(self.units(limits)).saturating_mul(unit.as_nanos());
        let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
        let rest = u32::try_from(nanos % 1_000_000_000).unwrap_or(0);
        Duration::new(seconds, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ttl(duration: Duration) -> Ttl {
        Ttl::new(duration).expect("not zero")
    }

    #[test]
    fn zero_is_no_ttl() {
        assert_eq!(Ttl::new(Duration::ZERO), None);
    }

    #[test]
    fn it_rounds_up_to_the_unit_and_never_to_zero() {
        let limits = Limits::default().ttl_unit(Duration::from_secs(1));

        assert_eq!(ttl(Duration::from_nanos(1)).units(&limits), 1);
        assert_eq!(ttl(Duration::from_secs(1)).units(&limits), 1);
        assert_eq!(ttl(Duration::from_millis(1_500)).fitted(&limits), Duration::from_secs(2));
    }

    #[test]
    fn it_is_clamped_to_the_maximum_and_never_for_ever() {
        let limits =
            Limits::default().ttl_unit(Duration::from_secs(1)).max_ttl(Duration::from_secs(60));

        assert_eq!(ttl(Duration::MAX).fitted(&limits), Duration::from_secs(60));
        assert_eq!(ttl(Duration::from_secs(61)).units(&limits), 60);
    }

    #[test]
    fn an_unlimited_backend_keeps_it_as_it_is() {
        let odd = Duration::new(3, 7);

        assert_eq!(ttl(odd).fitted(&Limits::default()), odd);
    }
}
