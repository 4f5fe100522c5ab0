//! The steps of a reader: looks, joins or leads a flight, loads, fills, and ends.

use super::rules::{Join, Journal, Numbers};
use super::search::Steps;
use super::state::{Actor, Answer, At, Doing, Flight, Lease, State};

pub(super) fn steps(state: &State, steps: &mut Steps<'_>) {
    for number in 0..state.readers.len() {
        let actor = Actor::Reader(number);
        match state.readers[number].at {
            At::Idle => {
                let mut next = *state;
                let reader = &mut next.readers[number];
                let process = &state.processes[usize::from(reader.process)];
                reader.floor = state.applied.max(process.deferred);
                look(&mut next, number, steps);
                steps.push_version(actor, "begins", next.readers[number].floor, next);
            }
            At::Retries => {
                let mut next = *state;
                look(&mut next, number, steps);
                steps.push(actor, "asks again", next);
            }
            At::Asks => ask(state, number, steps),
            At::Leased(lease) => {
                let mut next = *state;
                let lease = Some(lease).filter(|_| may_use_store(state, number, steps));
                enter(&mut next, number, lease, steps);
                steps.push(actor, "enters with its lease", next);
            }
            At::Leads(flight, doing) => {
                lead(state, number, flight, doing, steps);
                abandon(state, number, flight, doing, steps);
            }
            At::Waits { .. } | At::Done => {}
        }
    }
}

/// Tells whether the reader may ask the store and fill.
fn may_use_store(state: &State, number: usize, steps: &Steps<'_>) -> bool {
    let process = &state.processes[usize::from(state.readers[number].process)];
    steps.protocol.journal != Journal::Bypass || !process.pending()
}

fn look(state: &mut State, number: usize, steps: &Steps<'_>) {
    if may_use_store(state, number, steps) {
        state.readers[number].at = At::Asks;
    } else {
        enter(state, number, None, steps);
    }
}

fn ask(state: &State, number: usize, steps: &mut Steps<'_>) {
    let actor = Actor::Reader(number);
    let mut next = *state;
    match next.store.look(steps.protocol) {
        Answer::Hit(version) => {
            returns(&mut next, number, version);
            steps.push_version(actor, "returns what it finds", version, next);
        }
        Answer::Leased(lease) => {
            next.readers[number].at = At::Leased(lease);
            steps.push(actor, "is granted a lease", next);
        }
        Answer::Held | Answer::Nothing => {
            let is_held = enter(&mut next, number, None, steps) && next.store.reachable;
            steps.push(actor, "finds nothing, and no lease to be had", next);
            if is_held {
                let flight = Flight { lease: None, sealed: false };
                next.readers[number].at = At::Leads(flight, Doing::Looks);
                steps.push(actor, "waits for the holder of another lease", next);
            }
        }
    }
}

/// The critical section: a lease leads, everybody else joins or leads without. Tells who leads.
fn enter(state: &mut State, number: usize, lease: Option<Lease>, steps: &Steps<'_>) -> bool {
    let process = usize::from(state.readers[number].process);
    let joins = steps.protocol.join != Join::Never;
    if let (None, Some(leader), true) = (lease, state.processes[process].flight, joins) {
        state.readers[number].at = At::Waits { leader, before_load: false, before_fill: false };
        return false;
    }
    let flight = Flight { lease, sealed: false };
    state.readers[number].at = At::Leads(flight, Doing::Begins);
    if joins {
        state.processes[process].flight = u8::try_from(number).ok();
    }
    true
}

fn lead(state: &State, number: usize, flight: Flight, doing: Doing, steps: &mut Steps<'_>) {
    let actor = Actor::Reader(number);
    let mut next = *state;
    match doing {
        Doing::Looks => look_again(state, number, flight, steps),
        Doing::Begins => {
            note(&mut next, number, |before_load, _| *before_load = true);
            next.readers[number].at = At::Leads(flight, Doing::Loaded(state.database));
            steps.push_version(actor, "loads", state.database, next);
        }
        Doing::Loaded(version) => send(state, number, flight, version, steps),
        Doing::Fills(version, lease) => fill(state, number, flight, version, lease, steps),
        Doing::Filled(version, stored) => {
            finish(&mut next, number, version, stored, steps);
            steps.push(actor, "returns what it has loaded", next);
        }
    }
}

/// Looks for all who wait.
fn look_again(state: &State, number: usize, flight: Flight, steps: &mut Steps<'_>) {
    let actor = Actor::Reader(number);
    let mut next = *state;
    note(&mut next, number, |before_load, _| *before_load = true);
    let may = may_use_store(state, number, steps);
    let answer = if may { next.store.look(steps.protocol) } else { Answer::Nothing };
    let lease = match answer {
        Answer::Hit(version) => {
            finish(&mut next, number, version, false, steps);
            steps.push_version(actor, "finds a value for all who wait", version, next);
            return;
        }
        Answer::Held => {
            steps.push(actor, "looks again in vain", next);
            None
        }
        Answer::Leased(lease) => Some(lease),
        Answer::Nothing => None,
    };
    next.readers[number].at = At::Leads(Flight { lease, ..flight }, Doing::Begins);
    steps.push(actor, "looks again, and is to load", next);
}

/// The critical section before a fill, which a sealed flight or a pending key does not pass.
fn send(state: &State, number: usize, flight: Flight, version: u8, steps: &mut Steps<'_>) {
    let mut next = *state;
    let is_kept = steps.protocol.seal && !may_use_store(state, number, steps);
    let lease = flight.lease.filter(|_| !flight.sealed && !is_kept);
    if let Some(lease) = lease {
        note(&mut next, number, |_, before_fill| *before_fill = true);
        let flight = Flight { lease: None, ..flight };
        next.readers[number].at = At::Leads(flight, Doing::Fills(version, lease));
        steps.push_version(Actor::Reader(number), "sends its fill", version, next);
    } else {
        finish(&mut next, number, version, false, steps);
        steps.push(Actor::Reader(number), "returns without a fill", next);
    }
}

fn fill(
    state: &State,
    number: usize,
    flight: Flight,
    version: u8,
    lease: Lease,
    steps: &mut Steps<'_>,
) {
    let actor = Actor::Reader(number);
    let mut next = *state;
    let keeps_connection = steps.protocol.numbers == Numbers::Counter { same_connection: true };
    let is_cut_off = keeps_connection && lease.run != state.store.run;
    if !state.store.reachable || is_cut_off {
        finish(&mut next, number, version, false, steps);
        steps.push(actor, "can't fill", next);
        return;
    }
    let stored = next.store.fill(steps.protocol, lease, version);
    next.readers[number].at = At::Leads(flight, Doing::Filled(version, stored));
    let does = if stored { "has its fill stored" } else { "has its fill refused" };
    steps.push_version(actor, does, version, next);
    if steps.bounds.late
        && let Some(free) = state.late.iter().position(Option::is_none)
    {
        let mut next = *state;
        next.late[free] = Some((lease, version));
        finish(&mut next, number, version, false, steps);
        steps.push(actor, "gives its fill up, which is still under way", next);
    }
}

/// Changes what is known of those who wait for this leader.
fn note(state: &mut State, number: usize, change: impl Fn(&mut bool, &mut bool)) {
    for reader in &mut state.readers {
        if let At::Waits { leader, before_load, before_fill } = &mut reader.at
            && usize::from(*leader) == number
        {
            change(before_load, before_fill);
        }
    }
}

/// Ends a flight: some get the value, some read again, and the others form the next flight.
fn finish(state: &mut State, number: usize, version: u8, stored: bool, steps: &Steps<'_>) {
    returns(state, number, version);
    close(state, number);
    for follower in 0..state.readers.len() {
        let At::Waits { leader, before_load, before_fill } = state.readers[follower].at else {
            continue;
        };
        if usize::from(leader) != number {
            continue;
        }
        let in_time = match steps.protocol.join {
            Join::Never => false,
            Join::InTime => before_load || (stored && before_fill),
            Join::IfStored => before_load || stored,
            Join::Always => true,
        };
        if in_time {
            returns(state, follower, version);
        } else if stored {
            state.readers[follower].at = At::Retries;
        }
    }
    hand_over(state, number, None);
}

fn close(state: &mut State, number: usize) {
    let process = &mut state.processes[usize::from(state.readers[number].process)];
    if process.flight.map(usize::from) == Some(number) {
        process.flight = None;
    }
}

/// Makes the first of those who wait for a leader the leader of the others.
pub(super) fn hand_over(state: &mut State, number: usize, lease: Option<Lease>) {
    let is_behind =
        |at: At| matches!(at, At::Waits { leader, .. } if usize::from(leader) == number);
    let Some(heir) = state.readers.iter().position(|reader| is_behind(reader.at)) else {
        return;
    };
    let Ok(leader) = u8::try_from(heir) else {
        return;
    };
    let flight = Flight { lease, sealed: false };
    let doing = if lease.is_some() { Doing::Begins } else { Doing::Looks };
    state.readers[heir].at = At::Leads(flight, doing);
    for reader in &mut state.readers {
        if is_behind(reader.at) {
            reader.at = At::Waits { leader, before_load: false, before_fill: false };
        }
    }
    state.processes[usize::from(state.readers[heir].process)].flight = Some(leader);
}

/// The leader's future is dropped; its lease passes on unless its fill was sent.
fn abandon(state: &State, number: usize, flight: Flight, doing: Doing, steps: &mut Steps<'_>) {
    if state.budget.drops == 0 {
        return;
    }
    let mut next = *state;
    next.budget.drops -= 1;
    next.readers[number].at = At::Done;
    if let Doing::Fills(version, lease) = doing
        && let Some(free) = state.late.iter().position(Option::is_none)
    {
        next.late[free] = Some((lease, version));
    }
    close(&mut next, number);
    if !flight.sealed {
        hand_over(&mut next, number, flight.lease);
    }
    steps.push(Actor::Reader(number), "is dropped", next);
}

fn returns(state: &mut State, number: usize, version: u8) {
    state.stale |= version < state.readers[number].floor;
    state.readers[number].at = At::Done;
}
