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
use crate::mutants::{Mutant, planted};

/// A loaded value of any type; the flight's `TypeId` says which.
pub(crate) type Value = Arc<dyn Any + Send + Sync>;

/// Names one flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FlightId(u64);

/// Names one follower, whichever flight it has been passed on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FollowerId(u64);

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
    id: FollowerId,
    reply: Reply<L>,
    /// How many followers had arrived before this one.
    ticket: u64,
    /// How many flights it has waited for before this one.
    rounds: u32,
    /// Whether it was passed on by giving up: it then gives no other flight up.
    gave_up: bool,
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
    Follow(FollowerId, oneshot::Receiver<Verdict<L>>),
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
    followed: u64,
    by_key: HashMap<Key, Vec<Flight<L>>>,
}

impl<L> Default for Flights<L> {
    fn default() -> Self {
        Self { last: 0, followed: 0, by_key: HashMap::new() }
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
        self.followed += 1;
        let id = FollowerId(self.followed);
        let ticket = flight.arrived;
        flight.waiters.push(Waiter { id, reply, ticket, rounds, gave_up: false });
        flight.arrived += 1;
        Arrival::Follow(id, verdict)
    }

    /// Starts a flight for a reader that holds a lease. A flight that runs without one began
    /// before that lease was granted, so it can't use it: it keeps its followers and gets no more.
    pub(crate) fn supersede(&mut self, key: &Key, value: TypeId) -> FlightId {
        for flight in self.by_key.get_mut(key).into_iter().flatten() {
            flight.open &= flight.value != value;
        }
        self.start(key, Flight::of(value))
    }

    /// Starts a flight that nobody can join: its value is there already, and only its fill is to
    /// be sealed.
    pub(crate) fn reserve(&mut self, key: &Key) -> FlightId {
        self.start(key, Flight { open: false, ..Flight::of(TypeId::of::<()>()) })
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
            let sent = flight.sent.filter(|_| stored);
            let in_time = waiter.ticket < flight.began
                || sent.is_some_and(|sent| waiter.ticket < sent)
                || (stored && planted(Mutant::JoinAfterTheSend))
                || planted(Mutant::JoinAnyFlight);
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

    /// Ends the flight that this follower waits for, because its leader does not get on; the
    /// followers form the next one. They all lose patience at about the same time, so the next one
    /// is given up only by who arrives later.
    pub(crate) fn give_up(&mut self, key: &Key, follower: FollowerId) -> Outcome<L> {
        let mut outcome = Outcome::default();
        let waits = |flight: &&Flight<L>| {
            flight.waiters.iter().any(|waiter| waiter.id == follower && !waiter.gave_up)
        };
        let given_up = self.by_key.get(key).and_then(|flights| flights.iter().find(waits));
        if let Some(id) = given_up.map(|flight| flight.id)
            && let Some(mut flight) = self.remove(key, id)
        {
            for waiter in &mut flight.waiters {
                waiter.gave_up = true;
            }
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
                let below = self.by_key.extract_if(|key, _| prefix.covers(key));
                let mut below = below.collect::<Vec<_>>();
                // In an order that a simulation repeats.
                below.sort_unstable_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
                below
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

#[cfg(test)]
mod tests {
    use tasker_cache_core::KeyBuilder;

    use super::*;

    type Test = Flights<()>;
    type Follower = oneshot::Receiver<Verdict<()>>;

    fn key() -> Key {
        KeyBuilder::region("app", "session", 0).segment("a").key()
    }

    fn value() -> Value {
        Arc::new(7_u64)
    }

    fn lead(flights: &mut Test) -> FlightId {
        match flights.arrive(&key(), TypeId::of::<u64>(), &[], 0) {
            Arrival::Lead(id) => id,
            other => panic!("expected to lead, not {other:?}"),
        }
    }

    fn follow(flights: &mut Test, rounds: u32) -> Follower {
        follow_as(flights, rounds).1
    }

    fn follow_as(flights: &mut Test, rounds: u32) -> (FollowerId, Follower) {
        match flights.arrive(&key(), TypeId::of::<u64>(), &[], rounds) {
            Arrival::Follow(id, verdict) => (id, verdict),
            other => panic!("expected to follow, not {other:?}"),
        }
    }

    /// Tells the followers, and returns which flights have a new leader.
    fn tell(outcome: Outcome<()>) -> Vec<FlightId> {
        for (reply, verdict) in outcome.verdicts {
            reply.send(verdict).expect("the follower waits");
        }
        let mut leading = Vec::new();
        for (_, id, reply) in outcome.leaders {
            reply.send(Verdict::Lead(())).expect("the follower waits");
            leading.push(id);
        }
        leading
    }

    fn verdict(follower: &mut Follower) -> &'static str {
        match follower.try_recv() {
            Ok(Verdict::Value(_)) => "value",
            Ok(Verdict::Lead(())) => "lead",
            Ok(Verdict::Retry) => "retry",
            Ok(Verdict::Alone) => "alone",
            Err(_) => "waits",
        }
    }

    #[test]
    fn who_arrived_before_the_load_began_gets_the_value() {
        let mut flights = Test::default();
        let id = lead(&mut flights);
        let mut early = follow(&mut flights, 0);
        flights.begin(&key(), id);
        let mut late = follow(&mut flights, 0);

        let next = tell(flights.finish(&key(), id, &value(), false));

        assert_eq!((verdict(&mut early), verdict(&mut late)), ("value", "lead"));
        assert_eq!((next.len(), flights.len()), (1, 1));
    }

    #[test]
    fn a_stored_value_also_serves_who_joined_before_the_fill_was_sent() {
        let mut flights = Test::default();
        let id = lead(&mut flights);
        flights.begin(&key(), id);
        let mut before = follow(&mut flights, 0);
        assert!(flights.send(&key(), id));
        let mut after = follow(&mut flights, 0);

        let next = tell(flights.finish(&key(), id, &value(), true));

        assert_eq!((verdict(&mut before), verdict(&mut after)), ("value", "retry"));
        assert_eq!((next.len(), flights.len()), (0, 0));
    }

    #[test]
    fn a_sealed_flight_neither_fills_nor_answers() {
        let mut flights = Test::default();
        let id = lead(&mut flights);
        let mut follower = follow(&mut flights, 0);
        flights.begin(&key(), id);

        let next = tell(flights.seal(&Target::Key(key())));

        assert!(!flights.send(&key(), id));
        assert_eq!(verdict(&mut follower), "lead");
        assert_eq!(next.len(), 1);
        assert!(tell(flights.finish(&key(), id, &value(), true)).is_empty());
        assert_eq!(flights.len(), 1, "the next flight is not the sealed one's to end");
    }

    #[test]
    fn a_prefix_seals_every_flight_below_it_and_no_other() {
        let mut flights = Test::default();
        let below = lead(&mut flights);
        let other = KeyBuilder::region("app", "profile", 0).segment("a").key();
        let Arrival::Lead(beside) = flights.arrive(&other, TypeId::of::<u64>(), &[], 0) else {
            panic!("nobody loads it yet");
        };

        let region = Target::Prefix(KeyBuilder::region("app", "session", 0).prefix());
        assert!(tell(flights.seal(&region)).is_empty());

        assert!(!flights.send(&key(), below));
        assert!(flights.send(&other, beside));
    }

    #[test]
    fn a_failed_load_is_tried_once_more_by_a_follower() {
        let mut flights = Test::default();
        let id = lead(&mut flights);
        let mut followers = [follow(&mut flights, 0), follow(&mut flights, 0)];

        let next = tell(flights.fail(&key(), id));
        let verdicts = followers.each_mut().map(verdict);
        assert_eq!(verdicts, ["waits", "lead"]);

        assert!(tell(flights.fail(&key(), next[0])).is_empty());
        assert_eq!(verdict(&mut followers[0]), "alone");
        assert_eq!(flights.len(), 0);
    }

    #[test]
    fn a_leader_that_is_gone_is_replaced_by_a_follower_that_is_not() {
        let mut flights = Test::default();
        let id = lead(&mut flights);
        let mut alive = follow(&mut flights, 0);
        drop(follow(&mut flights, 0));

        let next = tell(flights.abandon(&key(), id));

        assert_eq!(verdict(&mut alive), "lead");
        assert_eq!(next.len(), 1);
        assert!(tell(flights.abandon(&key(), next[0])).is_empty());
        assert_eq!(flights.len(), 0);
    }

    #[test]
    fn who_waited_in_vain_twice_loads_for_itself() {
        let mut flights = Test::default();
        lead(&mut flights);
        let (id, mut tired) = follow_as(&mut flights, 1);

        assert!(tell(flights.give_up(&key(), id)).is_empty());

        assert_eq!(verdict(&mut tired), "alone");
    }

    #[test]
    fn who_was_passed_on_can_give_up_the_flight_that_it_came_to() {
        let mut flights = Test::default();
        let first = lead(&mut flights);
        let (early, mut verdict_of_early) = follow_as(&mut flights, 0);
        let (other, mut verdict_of_other) = follow_as(&mut flights, 0);
        let mut stuck = follow(&mut flights, 0);
        tell(flights.abandon(&key(), first));
        assert_eq!(verdict(&mut stuck), "lead");

        let next = tell(flights.give_up(&key(), early));
        assert_eq!((next.len(), verdict(&mut verdict_of_other)), (1, "lead"));

        assert!(tell(flights.give_up(&key(), early)).is_empty(), "it has given up once");
        assert!(tell(flights.give_up(&key(), other)).is_empty(), "it leads");
        flights.begin(&key(), next[0]);
        tell(flights.finish(&key(), next[0], &value(), false));
        assert_eq!(verdict(&mut verdict_of_early), "value");
    }

    #[test]
    fn a_loader_does_not_wait_for_itself() {
        let mut flights = Test::default();
        let id = lead(&mut flights);

        let arrival = flights.arrive(&key(), TypeId::of::<u64>(), &[id], 0);

        assert!(matches!(arrival, Arrival::Within));
    }

    #[test]
    fn a_lease_starts_a_flight_of_its_own_beside_one_without() {
        let mut flights = Test::default();
        let without = lead(&mut flights);
        let mut follower = follow(&mut flights, 0);
        flights.begin(&key(), without);

        let with = flights.supersede(&key(), TypeId::of::<u64>());
        let mut newcomer = follow(&mut flights, 0);
        flights.begin(&key(), with);
        assert!(tell(flights.finish(&key(), with, &value(), false)).is_empty());

        assert_eq!((verdict(&mut follower), verdict(&mut newcomer)), ("waits", "value"));
        drop(flights.abandon(&key(), without));
    }

    #[test]
    fn followers_that_left_are_not_kept() {
        let mut flights = Test::default();
        lead(&mut flights);

        for _ in 0..10_000 {
            drop(follow(&mut flights, 0));
        }

        let kept: usize =
            flights.by_key.values().flatten().map(|flight| flight.waiters.len()).sum();
        assert!(kept < 100, "{kept} are kept");
    }
}
