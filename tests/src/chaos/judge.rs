//! The rule, over everything that the clients have noted.

use std::collections::BTreeMap;
use std::time::Duration;

use super::clock::Moment;
use super::fleet::Life;
use super::record::{Record, What};
use super::rows::Row;

/// How long a call may take beyond its own loader: an order of magnitude more than the timeouts of
/// all that it consists of.
const STALLED: Duration = Duration::from_secs(10);

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
    fn of(lives: &[Life]) -> Self {
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
pub(crate) fn judge(lives: &[Life], versions: &[u64]) -> Vec<Violation> {
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
