//! The one critical section in which reads check what is pending and register or join a flight,
//! and in which invalidations mark and seal.

mod flights;
mod journal;
mod recent;

use std::any::TypeId;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tasker_cache_core::{Key, Nonce, Prefix};
use tokio::time::Instant;

use crate::mutants::{Mutant, planted};

use self::flights::Flights;
pub(crate) use self::flights::{
    Arrival, FlightId, FollowerId, MAX_ROUNDS, Outcome, Value, Verdict,
};
use self::journal::Journal;
pub(crate) use self::journal::{Snapshot, Target, Token};
use self::recent::Recent;

/// Pending invalidations and running flights of one cache. `L` is the right to lead a flight.
#[derive(Debug)]
pub(crate) struct Ledger<L> {
    state: Mutex<State<L>>,
    /// How much is pending, so that the usual read need not enter the critical section.
    pending: AtomicUsize,
}

#[derive(Debug)]
struct State<L> {
    journal: Journal,
    flights: Flights<L>,
    /// Other processes' stubs that were waited for in vain; one that is forgotten costs a wait.
    waited: Recent<Nonce>,
    /// Keys whose entry was deleted because it did not decode.
    healed: Recent<()>,
}

impl<L> Ledger<L> {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                journal: Journal::default(),
                flights: Flights::default(),
                waited: Recent::default(),
                healed: Recent::default(),
            }),
            pending: AtomicUsize::new(0),
        }
    }

    /// Tells whether anything at all is pending.
    pub(crate) fn has_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire) > 0
    }

    /// Tells whether an invalidation of this key is pending.
    pub(crate) fn is_pending(&self, key: &Key) -> bool {
        !planted(Mutant::ReadBeforeReplay) && self.has_pending() && self.lock().journal.covers(key)
    }

    /// Returns how many keys and how many prefixes are pending.
    pub(crate) fn pending(&self) -> (usize, usize) {
        let state = self.lock();
        (state.journal.keys(), state.journal.prefixes())
    }

    /// Returns how many flights there are.
    pub(crate) fn flights(&self) -> usize {
        self.lock().flights.len()
    }

    /// Marks a target as pending and seals its flights.
    pub(crate) fn mark(&self, target: &Target) -> (Token, Outcome<L>) {
        let mut state = self.lock();
        let token = state.journal.mark(target);
        self.publish(&state.journal);
        if planted(Mutant::NoSeal) {
            return (token, Outcome::default());
        }
        (token, state.flights.seal(target))
    }

    /// Marks a key that its caller is about to fill; that fill is refused once something else
    /// has sealed the key.
    pub(crate) fn mark_and_reserve(
        &self,
        target: &Target,
        key: &Key,
    ) -> (Token, Outcome<L>, FlightId) {
        let mut state = self.lock();
        let token = state.journal.mark(target);
        self.publish(&state.journal);
        (token, state.flights.seal(target), state.flights.reserve(key))
    }

    /// Seals the flights of a target without marking it.
    pub(crate) fn seal(&self, target: &Target) -> Outcome<L> {
        self.lock().flights.seal(target)
    }

    /// Removes what an acknowledged delete has applied.
    pub(crate) fn clear(&self, target: &Target, upto: Token) {
        self.journal(|journal| journal.clear(target, upto));
    }

    /// Takes back the mark of a prefix that can't be deleted.
    pub(crate) fn withdraw(&self, prefix: &Prefix, token: Token) {
        self.journal(|journal| journal.withdraw(prefix, token));
    }

    /// Leaves a prefix that can't be deleted to time.
    pub(crate) fn expire_at(&self, prefix: &Prefix, upto: Token, expires: Instant) {
        self.journal(|journal| journal.expire_at(prefix, upto, expires));
    }

    /// Returns what a replay has to delete, without what has expired by itself.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.journal(|journal| {
            journal.clear_expired(Instant::now());
            journal.snapshot()
        })
    }

    /// Returns how long until the next prefix expires by itself.
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        self.lock().journal.next_expiry(Instant::now())
    }

    /// Lets a reader lead or follow; tells too whether a leader may fill. With a lease it leads,
    /// unless the key is pending: then it loads as if it had none.
    pub(crate) fn enter(
        &self,
        key: &Key,
        value: TypeId,
        leased: bool,
        within: &[FlightId],
        rounds: u32,
    ) -> (Arrival<L>, bool) {
        let mut state = self.lock();
        let may_fill = leased && !state.journal.covers(key);
        let arrival = if may_fill {
            Arrival::Lead(state.flights.supersede(key, value))
        } else {
            state.flights.arrive(key, value, within, rounds)
        };
        (arrival, may_fill)
    }

    /// Notes that a flight's leader begins to read or load.
    pub(crate) fn begin(&self, key: &Key, id: FlightId) {
        self.lock().flights.begin(key, id);
    }

    /// Notes that a fill is about to be sent; false when it must not be.
    pub(crate) fn send(&self, key: &Key, id: FlightId) -> bool {
        let mut state = self.lock();
        (planted(Mutant::NoSeal) || !state.journal.covers(key)) && state.flights.send(key, id)
    }

    pub(crate) fn finish(
        &self,
        key: &Key,
        id: FlightId,
        value: &Value,
        stored: bool,
    ) -> Outcome<L> {
        self.lock().flights.finish(key, id, value, stored)
    }

    pub(crate) fn fail(&self, key: &Key, id: FlightId) -> Outcome<L> {
        self.lock().flights.fail(key, id)
    }

    pub(crate) fn abandon(&self, key: &Key, id: FlightId) -> Outcome<L> {
        self.lock().flights.abandon(key, id)
    }

    pub(crate) fn give_up(&self, key: &Key, follower: FollowerId) -> Outcome<L> {
        self.lock().flights.give_up(key, follower)
    }

    /// Tells whether this stub has been waited for in vain already.
    pub(crate) fn was_waited_for(&self, key: &Key, nonce: Nonce) -> bool {
        self.lock().waited.get(key) == Some(&nonce)
    }

    /// Notes that a stub has been waited for in vain; it can't outlive `hold`.
    pub(crate) fn note_waited_for(&self, key: &Key, nonce: Nonce, hold: Duration) {
        self.lock().waited.note(key, nonce, hold);
    }

    /// Tells whether an entry that does not decode may be deleted, and notes that it is: once in
    /// `pause` for each key. Of two types that live under one key, each unreadable to the other,
    /// one is then cached instead of none.
    pub(crate) fn may_heal(&self, key: &Key, pause: Duration) -> bool {
        let mut state = self.lock();
        let may = state.healed.get(key).is_none();
        if may {
            state.healed.note(key, (), pause);
        }
        may
    }

    fn journal<T>(&self, change: impl FnOnce(&mut Journal) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state.journal);
        self.publish(&state.journal);
        result
    }

    fn publish(&self, journal: &Journal) {
        self.pending.store(journal.len(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, State<L>> {
        // Nothing in the critical section panics, and every step leaves a whole state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
