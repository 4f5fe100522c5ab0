//! The steps of a writer, which commits and invalidates, and of recovery, which replays.

use super::reader;
use super::rules::{Fill, Full, Journal};
use super::search::Steps;
use super::state::{Actor, At, Cell, PROCESSES, Replay, State, Write};

pub(super) fn steps(state: &State, steps: &mut Steps<'_>) {
    for number in 0..state.writers.len() {
        writer(state, number, steps);
    }
    for process in 0..PROCESSES {
        widen(state, process, steps);
        recovery(state, process, steps);
    }
}

fn writer(state: &State, number: usize, steps: &mut Steps<'_>) {
    let actor = Actor::Writer(number);
    let process = usize::from(state.writers[number].process);
    let mut next = *state;
    match state.writers[number].at {
        Write::Idle => {
            next.database += 1;
            let token = mark(&mut next, process, steps);
            next.writers[number].at = Write::Marked(next.database, token);
            steps.push_version(actor, "commits, marks and seals", next.database, next);
        }
        Write::Marked(version, token) => {
            if state.store.reachable {
                delete(&mut next, steps);
                next.writers[number].at = Write::Deleted(version, token);
                steps.push(actor, "has its delete executed", next);
            } else {
                give_up(&mut next, number, process, version, steps);
                steps.push_version(actor, "can't delete: deferred", version, next);
            }
        }
        Write::Deleted(version, token) => {
            next.applied = next.applied.max(version);
            clear_key(&mut next, process, token, steps);
            next.writers[number].at = Write::Done;
            steps.push_version(actor, "is told that it is applied", version, next);
            if steps.bounds.late {
                let mut next = *state;
                give_up(&mut next, number, process, version, steps);
                steps.push_version(actor, "misses the acknowledgement: deferred", version, next);
            }
        }
        Write::Done => {}
    }
}

/// Marks the key and, in the same critical section, seals the flights of its process.
fn mark(state: &mut State, process: usize, steps: &Steps<'_>) -> u8 {
    let journal = &mut state.processes[process];
    journal.last += 1;
    let token = journal.last;
    journal.key = Some(token);
    if !steps.protocol.seal {
        return token;
    }
    journal.flight = None;
    for leader in 0..state.readers.len() {
        let reader = &mut state.readers[leader];
        if usize::from(reader.process) != process {
            continue;
        }
        if let At::Leads(flight, _) = &mut reader.at {
            if flight.sealed {
                continue;
            }
            flight.sealed = true;
            reader::hand_over(state, leader, None);
        }
    }
    token
}

/// Notes that an invalidation is deferred, or what stands in for that.
fn give_up(state: &mut State, number: usize, process: usize, version: u8, steps: &Steps<'_>) {
    let journal = &mut state.processes[process];
    journal.deferred = journal.deferred.max(version);
    if steps.protocol.journal == Journal::Forget {
        journal.key = None;
    }
    state.writers[number].at = Write::Done;
}

fn delete(state: &mut State, steps: &Steps<'_>) {
    let leaves_tombstone = steps.protocol.fill == Fill::UnlessTombstone;
    state.store.cell = if leaves_tombstone { Cell::Tombstone } else { Cell::Empty };
}

fn clear_key(state: &mut State, process: usize, upto: u8, steps: &Steps<'_>) {
    let mark = &mut state.processes[process].key;
    if !steps.protocol.tokens || mark.is_some_and(|token| token <= upto) {
        *mark = None;
    }
}

/// The journal may be full at any moment; what then becomes of the key's mark.
fn widen(state: &State, process: usize, steps: &mut Steps<'_>) {
    let mut next = *state;
    let journal = &mut next.processes[process];
    if journal.key.is_none() {
        return;
    }
    match steps.protocol.full {
        Full::Never => return,
        Full::Widen => journal.region = Some(journal.last),
        Full::Drop => {}
    }
    journal.key = None;
    steps.push(Actor::Recovery(process), "finds the journal full", next);
}

fn recovery(state: &State, process: usize, steps: &mut Steps<'_>) {
    let actor = Actor::Recovery(process);
    let mut next = *state;
    let journal = state.processes[process];
    match journal.replay {
        Replay::Idle => {
            if journal.pending() && journal.deferred > 0 && state.store.reachable {
                delete(&mut next, steps);
                let region = journal.region.is_some();
                next.processes[process].replay = Replay::Executed(journal.last, region);
                steps.push(actor, "has what is pending deleted", next);
            }
        }
        Replay::Executed(upto, region) => {
            next.processes[process].replay = Replay::Idle;
            clear_key(&mut next, process, upto, steps);
            let mark = &mut next.processes[process].region;
            if region && (!steps.protocol.tokens || mark.is_some_and(|token| token <= upto)) {
                *mark = None;
            }
            steps.push(actor, "clears what it has applied", next);
        }
    }
}
