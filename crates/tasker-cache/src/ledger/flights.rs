//! The loads that are running in this process, and who waits for them.
//!
//! A pure state machine: no I/O, no clock. Every method is one step of the protocol and is called
//! within the ledger's critical section.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

use tasker_cache_core::Key;
use tokio::sync::oneshot;

use super::journal::Target;

/// A loaded value of any type; the flight's `TypeId` says which.
pub(crate) type Value = Arc<dyn Any + Send + Sync>;

/// Names one flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FlightId(u64);

/// How many flights a reader waits for before it loads for itself.
pub(crate) const MAX_ROUNDS: u32 = 2;

/// What a follower is told. `L` is the right to lead, whatever its owner makes of it.
#[derive(Debug)]
pub(crate) enum Verdict<L> {
    /// The flight's value is fresh enough for this follower.
    Value(Value),
    /// The follower leads the next flight, for itself and for the others who waited.
    Lead(L),
    /// The value has been stored meanwhile: read again.
    Retry,
    /// Load for yourself.
    Alone,
}

pub(crate) type Reply<L> = oneshot::Sender<Verdict<L>>;

/// A follower whose wait is over.
#[derive(Debug)]
pub(crate) struct Waiter<L> {
    reply: Reply<L>,
    /// How many followers had arrived before this one.
    ticket: u64,
    /// How many flights it has waited for before this one.
    rounds: u32,
}

#[derive(Debug)]
struct Flight<L> {
    id: FlightId,
    /// The type of its value: regions of one path and different types don't share flights.
    value: TypeId,
    /// Whether readers may still join; a superseded flight keeps those it has.
    open: bool,
    arrived: u64,
    /// How many followers had arrived when the load, or the read that answered it, began.
    began: u64,
    /// How many had arrived when the fill was sent.
    sent: Option<u64>,
    /// Whether the leader of the flight before this one failed to load.
    retried: bool,
    waiters: Vec<Waiter<L>>,
}

/// What a reader finds when it arrives.
#[derive(Debug)]
pub(crate) enum Arrival<L> {
    /// Nobody is loading: lead.
    Lead(FlightId),
    /// Somebody is.
    Follow(FlightId, oneshot::Receiver<Verdict<L>>),
    /// The load that runs waits for this very reader.
    Within,
}

/// What to tell whom, once the critical section is left.
#[derive(Debug)]
#[must_use]
pub(crate) struct Outcome<L> {
    pub(crate) verdicts: Vec<(Reply<L>, Verdict<L>)>,
    /// Who leads the next flight of which key.
    pub(crate) leaders: Vec<(Key, FlightId, Reply<L>)>,
}

impl<L> Default for Outcome<L> {
    fn default() -> Self {
        Self { verdicts: Vec::new(), leaders: Vec::new() }
    }
}

#[derive(Debug)]
pub(crate) struct Flights<L> {
    last: u64,
    by_key: HashMap<Key, Vec<Flight<L>>>,
}

impl<L> Default for Flights<L> {
    fn default() -> Self {
        Self { last: 0, by_key: HashMap::new() }
    }
}

impl<L> Flights<L> {
    /// Returns how many flights there are.
    pub(crate) fn len(&self) -> usize {
        self.by_key.values().map(Vec::len).sum()
    }

    /// Joins the flight of this key, or starts one. `within` are the flights whose loaders are
    /// running around this reader.
    pub(crate) fn arrive(
        &mut self,
        key: &Key,
        value: TypeId,
        within: &[FlightId],
        rounds: u32,
    ) -> Arrival<L> {
        let open = self.by_key.get_mut(key).and_then(|flights| {
            flights.iter_mut().find(|flight| flight.open && flight.value == value)
        });
        let Some(flight) = open else {
            return Arrival::Lead(self.start(key, Flight::of(value)));
        };
        if within.contains(&flight.id) {
            return Arrival::Within;
        }
        if flight.waiters.len() == flight.waiters.capacity() {
            flight.waiters.retain(|waiter| !waiter.reply.is_closed());
        }
        let (reply, verdict) = oneshot::channel();
        flight.waiters.push(Waiter { reply, ticket: flight.arrived, rounds });
        flight.arrived += 1;
        Arrival::Follow(flight.id, verdict)
    }

    /// Starts a flight for a reader that holds a lease. A flight that runs without one began
    /// before that lease was granted, so it can't use it: it keeps its followers and gets no more.
    pub(crate) fn supersede(&mut self, key: &Key, value: TypeId) -> FlightId {
        for flight in self.by_key.get_mut(key).into_iter().flatten() {
            flight.open &= flight.value != value;
        }
        self.start(key, Flight::of(value))
    }

    /// Notes that the leader begins to load, or sends the read that may answer the flight.
    pub(crate) fn begin(&mut self, key: &Key, id: FlightId) {
        if let Some(flight) = self.find(key, id) {
            flight.began = flight.arrived;
        }
    }

    /// Notes that the fill is about to be sent; false when the flight is sealed and must not fill.
    pub(crate) fn send(&mut self, key: &Key, id: FlightId) -> bool {
        let Some(flight) = self.find(key, id) else {
            return false;
        };
        flight.sent = Some(flight.arrived);
        true
    }

    /// Ends a flight with a value. Who arrived in time gets it; the others read again if it was
    /// stored, and else form the next flight.
    pub(crate) fn finish(
        &mut self,
        key: &Key,
        id: FlightId,
        value: &Value,
        stored: bool,
    ) -> Outcome<L> {
        let mut outcome = Outcome::default();
        let Some(mut flight) = self.remove(key, id) else {
            return outcome;
        };
        for waiter in std::mem::take(&mut flight.waiters) {
            let in_time = waiter.ticket < flight.began
                || (stored && flight.sent.is_some_and(|sent| waiter.ticket < sent));
            if in_time {
                outcome.verdicts.push((waiter.reply, Verdict::Value(Arc::clone(value))));
            } else if stored {
                outcome.verdicts.push((waiter.reply, Verdict::Retry));
            } else {
                flight.waiters.push(waiter);
            }
        }
        self.succeed(key, flight, &mut outcome);
        outcome
    }

    /// Ends a flight whose loader failed. Its followers form one new flight, once.
    pub(crate) fn fail(&mut self, key: &Key, id: FlightId) -> Outcome<L> {
        let mut outcome = Outcome::default();
        if let Some(flight) = self.remove(key, id) {
            if flight.retried {
                let alone = |waiter: Waiter<L>| (waiter.reply, Verdict::Alone);
                outcome.verdicts.extend(flight.waiters.into_iter().map(alone));
            } else {
                self.hand_over(key, Flight { retried: true, ..flight }, &mut outcome);
            }
        }
        outcome
    }

    /// Ends a flight whose leader is gone; a follower takes over.
    pub(crate) fn abandon(&mut self, key: &Key, id: FlightId) -> Outcome<L> {
        let mut outcome = Outcome::default();
        if let Some(flight) = self.remove(key, id) {
            self.hand_over(key, flight, &mut outcome);
        }
        outcome
    }

    /// Ends a flight whose leader does not get on; the followers form the next one.
    pub(crate) fn give_up(&mut self, key: &Key, id: FlightId) -> Outcome<L> {
        let mut outcome = Outcome::default();
        if let Some(flight) = self.remove(key, id) {
            self.succeed(key, flight, &mut outcome);
        }
        outcome
    }

    /// Seals every flight that the target covers: a sealed flight serves its own leader, never
    /// fills and never answers anybody else. Its followers form the next one.
    pub(crate) fn seal(&mut self, target: &Target) -> Outcome<L> {
        let mut outcome = Outcome::default();
        if self.by_key.is_empty() {
            return outcome;
        }
        let sealed = match target {
            Target::Key(key) => self.by_key.remove_entry(key).into_iter().collect(),
            Target::Prefix(prefix) => {
                self.by_key.extract_if(|key, _| prefix.covers(key)).collect::<Vec<_>>()
            }
        };
        for (key, flights) in sealed {
            for flight in flights {
                self.succeed(&key, flight, &mut outcome);
            }
        }
        outcome
    }

    /// Forms the next flight from followers who waited in vain; who did so for the last time
    /// loads for itself.
    fn succeed(&mut self, key: &Key, mut flight: Flight<L>, outcome: &mut Outcome<L>) {
        for mut waiter in std::mem::take(&mut flight.waiters) {
            waiter.rounds += 1;
            if waiter.rounds < MAX_ROUNDS {
                flight.waiters.push(waiter);
            } else {
                outcome.verdicts.push((waiter.reply, Verdict::Alone));
            }
        }
        self.hand_over(key, Flight { retried: false, ..flight }, outcome);
    }

    /// Makes one of the followers the leader of a new flight, with the others behind it.
    fn hand_over(&mut self, key: &Key, flight: Flight<L>, outcome: &mut Outcome<L>) {
        let mut waiters = flight.waiters;
        while let Some(leader) = waiters.pop() {
            if leader.reply.is_closed() {
                continue;
            }
            for (ticket, waiter) in (0..).zip(&mut waiters) {
                waiter.ticket = ticket;
            }
            let id = self.start(key, Flight { waiters, ..flight });
            outcome.leaders.push((key.clone(), id, leader.reply));
            return;
        }
    }

    fn start(&mut self, key: &Key, flight: Flight<L>) -> FlightId {
        self.last += 1;
        let id = FlightId(self.last);
        let arrived = flight.waiters.len() as u64;
        let flight = Flight { id, arrived, began: 0, sent: None, ..flight };
        self.by_key.entry(key.clone()).or_default().push(flight);
        id
    }

    fn find(&mut self, key: &Key, id: FlightId) -> Option<&mut Flight<L>> {
        self.by_key.get_mut(key)?.iter_mut().find(|flight| flight.id == id)
    }

    fn remove(&mut self, key: &Key, id: FlightId) -> Option<Flight<L>> {
        let flights = self.by_key.get_mut(key)?;
        let at = flights.iter().position(|flight| flight.id == id)?;
        let flight = flights.swap_remove(at);
        if flights.is_empty() {
            self.by_key.remove(key);
        }
        Some(flight)
    }
}

impl<L> Flight<L> {
    fn of(value: TypeId) -> Self {
        Self {
            id: FlightId(0),
            value,
            open: true,
            arrived: 0,
            began: 0,
            sent: None,
            retried: false,
            waiters: Vec::new(),
        }
    }
}
