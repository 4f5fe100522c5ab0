//! How long things took, and percentiles of that.

use std::time::Duration;

/// A collection of durations, each up to an hour, to the microsecond.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies {
    // Four bytes each: a long run sees tens of millions.
    micros: Vec<u32>,
}

impl Latencies {
    /// Adds one duration.
    pub(crate) fn record(&mut self, duration: Duration) {
        self.micros.push(u32::try_from(duration.as_micros()).unwrap_or(u32::MAX));
    }

    /// Adds all of the other's durations.
    pub(crate) fn append(&mut self, mut other: Latencies) {
        self.micros.append(&mut other.micros);
    }

    /// Returns how many durations there are.
    pub(crate) fn count(&self) -> usize {
        self.micros.len()
    }

    /// Returns the duration that `percent` of all durations don't exceed; `None` if there are none.
    pub(crate) fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut micros = self.micros.clone();
        let rank = (micros.len() * percent).div_ceil(100).saturating_sub(1);
        (rank < micros.len())
            .then(|| Duration::from_micros((*micros.select_nth_unstable(rank).1).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_to(last: u64) -> Latencies {
        let mut latencies = Latencies::default();
        for millis in (1..=last).rev() {
            latencies.record(Duration::from_millis(millis));
        }
        latencies
    }

    #[test]
    fn a_percentile_is_one_of_the_durations() {
        assert_eq!(one_to(100).percentile(50), Some(Duration::from_millis(50)));
        assert_eq!(one_to(100).percentile(99), Some(Duration::from_millis(99)));
        assert_eq!(one_to(3).percentile(50), Some(Duration::from_millis(2)));
        assert_eq!(one_to(3).percentile(99), Some(Duration::from_millis(3)));
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(Latencies::default().percentile(50), None);
    }

    #[test]
    fn appended_durations_count() {
        let mut latencies = one_to(2);
        latencies.append(one_to(3));
        assert_eq!(latencies.count(), 5);
    }
}
