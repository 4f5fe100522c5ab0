//! What one client process saw, from its start to its end.

use super::clock::Moment;
use super::record::{Record, What};

/// The records of one process, and when it was stopped.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) records: Vec<Record>,
    /// When it was stopped, and when it went on.
    pub(crate) pauses: Vec<(Moment, Moment)>,
}

impl History {
    /// Returns how many calls its cache did not answer, by its counters.
    pub(crate) fn disturbed(&self) -> u64 {
        let last = self.records.iter().rev().find(|record| record.what == What::Counters);
        last.map_or(0, |last| last.version + last.begin.0 + u64::from(last.spent))
    }

    /// Tells whether its circuit was not closed when it was looked at between two moments; `None`
    /// if it was not looked at.
    pub(crate) fn was_open(&self, begin: Moment, end: Moment) -> Option<bool> {
        let looks = self.records.iter().filter(|record| record.what == What::Counters);
        let looks = looks.filter(|look| begin <= look.end && look.end <= end);
        looks.map(|look| look.row != 0).reduce(|one, other| one || other)
    }

    /// Returns when it had its first hit after a moment.
    pub(crate) fn hit_since(&self, moment: Moment) -> Option<Moment> {
        let late = self.records.iter().rev().take_while(|record| record.end > moment);
        late.filter(|record| record.what == What::Hit && record.begin > moment)
            .map(|record| record.end)
            .min()
    }

    /// Tells whether it was stopped at some time between two moments.
    pub(crate) fn was_paused(&self, begin: Moment, end: Moment) -> bool {
        self.pauses.iter().any(|(from, to)| *from <= end && begin <= *to)
    }
}
