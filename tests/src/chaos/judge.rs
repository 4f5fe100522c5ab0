//! The rule, over everything that the clients have noted.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::clock::Moment;
use super::history::History;
use super::record::{Record, What};
use super::rows::Row;

/// How long a call may take beyond its own loader: twice what a whole prefix may, which is 120
/// operation timeouts; all others end in a few of them.
const STALLED: Duration = Duration::from_secs(60);

/// What one process may know of a row.
type Whose = (Row, Option<usize>);

/// A call that must not have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) why: Why,
    /// Which of the processes made it.
    pub(crate) life: usize,
    pub(crate) record: Record,
}

/// What is wrong with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It returned less than this, whose invalidation had been acknowledged.
    TooOld(Promise),
    /// It returned what was never committed.
    Unknown,
    /// It took too long.
    Stalled,
    /// It is wrong by itself.
    Wrong,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooOld(_) => "it read what was invalidated before",
            Self::Unknown => "it read what was never committed",
            Self::Stalled => "a call took too long",
            Self::Wrong => "a call came to what none may",
        })
    }
}

/// An acknowledged invalidation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Promise {
    pub(crate) at: Moment,
    pub(crate) version: u64,
    pub(crate) life: usize,
    pub(crate) what: What,
}

/// The promises that bind the readers of a row, the highest version so far at each.
#[derive(Debug, Default)]
struct Promises(BTreeMap<Whose, Vec<Promise>>);

impl Promises {
    fn of(lives: &[&History]) -> Self {
        let mut promises = Self::default();
        for (life, one) in lives.iter().enumerate() {
            for record in one.records.iter().filter(|record| record.what.is_promise()) {
                let Record { what, version, end, .. } = *record;
                let whose = (what == What::Deferred).then_some(life);
                let promise = Promise { at: end, version, life, what };
                promises.0.entry((record.row, whose)).or_default().push(promise);
            }
        }
        for promises in promises.0.values_mut() {
            promises.sort_by_key(|promise| promise.at);
            for at in 1..promises.len() {
                if promises[at].version < promises[at - 1].version {
                    let Promise { version, life, what, .. } = promises[at - 1];
                    promises[at] = Promise { at: promises[at].at, version, life, what };
                }
            }
        }
        promises
    }

    /// Returns the promise of the highest version that was made to a process before a moment.
    fn before(&self, row: Row, life: usize, moment: Moment) -> Option<Promise> {
        let last = |whose| {
            let promises: &Vec<Promise> = self.0.get(&(row, whose))?;
            let count = promises.partition_point(|promise| promise.at < moment);
            promises[..count].last().copied()
        };
        let promises = [last(None), last(Some(life))].into_iter().flatten();
        promises.max_by_key(|promise| promise.version)
    }
}

/// Returns every call that must not have been, given the versions that were committed last.
pub(crate) fn judge(lives: &[&History], versions: &[u64]) -> Vec<Violation> {
    let promises = Promises::of(lives);
    let mut violations = Vec::new();
    for (life, one) in lives.iter().enumerate() {
        for record in &one.records {
            let Record { what, row, version, begin, end, spent, .. } = *record;
            let spent = Duration::from_micros(spent.into());
            let last = versions.get(usize::from(row)).copied().unwrap_or_default();
            let why = if what.is_wrong() {
                Some(Why::Wrong)
            } else if what.is_value() && version > last {
                Some(Why::Unknown)
            } else if what == What::Counters {
                None
            } else if end.since(begin) > STALLED + spent && !one.was_paused(begin, end) {
                Some(Why::Stalled)
            } else if what.is_value() {
                let promise = promises.before(row, life, begin);
                promise.filter(|promise| version < promise.version).map(Why::TooOld)
            } else {
                None
            };
            violations.extend(why.map(|why| Violation { why, life, record: *record }));
        }
    }
    violations.sort_by_key(|violation| violation.record.end);
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(what: What, version: u64, begin: u64, end: u64) -> Record {
        let (begin, end) = (Moment(begin), Moment(end));
        Record { what, is_first: true, row: 1, spent: 0, version, begin, end }
    }

    /// Judges two processes in which versions up to 9 were committed of two rows.
    fn violations(one: &[Record], other: &[Record]) -> Vec<Why> {
        let history =
            |records: &[Record]| History { records: records.to_vec(), pauses: Vec::new() };
        let violations = judge(&[&history(one), &history(other)], &[9, 9]);
        violations.into_iter().map(|violation| violation.why).collect()
    }

    fn too_old(version: u64, at: u64, what: What) -> [Why; 1] {
        [Why::TooOld(Promise { at: Moment(at), version, life: 0, what })]
    }

    #[test]
    fn a_read_after_an_applied_invalidation_binds_every_process() {
        let applied = [call(What::Applied, 5, 10, 20)];
        for way in [What::Hit, What::Loaded, What::Shared] {
            let read = [call(way, 4, 21, 30)];
            assert_eq!(violations(&applied, &read), too_old(5, 20, What::Applied));
        }
        assert_eq!(violations(&applied, &[call(What::Hit, 5, 21, 30)]), []);
    }

    #[test]
    fn a_read_that_began_before_the_acknowledgement_is_free() {
        let applied = [call(What::Applied, 5, 10, 20)];
        assert_eq!(violations(&applied, &[call(What::Hit, 4, 20, 30)]), []);
    }

    #[test]
    fn a_deferred_invalidation_binds_its_own_process_only() {
        let (deferred, read) = (call(What::Deferred, 5, 10, 20), call(What::Hit, 4, 21, 30));
        assert_eq!(violations(&[deferred, read], &[]), too_old(5, 20, What::Deferred));
        assert_eq!(violations(&[deferred], &[read]), []);
    }

    #[test]
    fn an_older_version_that_is_acknowledged_later_takes_nothing_back() {
        let applied = [call(What::Applied, 5, 10, 20), call(What::Applied, 3, 10, 25)];
        let read = [call(What::Hit, 4, 30, 31)];
        assert_eq!(violations(&applied, &read), too_old(5, 25, What::Applied));
    }

    #[test]
    fn another_row_is_not_bound() {
        let applied = [Record { row: 0, ..call(What::Applied, 5, 10, 20) }];
        assert_eq!(violations(&applied, &[call(What::Hit, 4, 21, 30)]), []);
    }

    #[test]
    fn what_was_never_committed_is_wrong() {
        assert_eq!(violations(&[call(What::Hit, 10, 1, 2)], &[]), [Why::Unknown]);
    }

    #[test]
    fn a_call_that_takes_too_long_is_wrong_unless_its_process_was_stopped() {
        let stalled = call(What::Miss, 0, 1, 90_000_000_000);
        assert_eq!(violations(&[stalled], &[]), [Why::Stalled]);
        let pauses = vec![(Moment(5), Moment(15_000_000_000))];
        assert_eq!(judge(&[&History { records: vec![stalled], pauses }], &[9, 9]), []);
    }

    #[test]
    fn a_panic_is_wrong() {
        assert_eq!(violations(&[call(What::Panicked, 0, 1, 2)], &[]), [Why::Wrong]);
    }
}
