//! What happens to the store by itself: evictions, late arrivals, outages and restarts.

use super::rules::Numbers;
use super::search::Steps;
use super::state::{Actor, Cell, READERS, State};

pub(super) fn steps(state: &State, steps: &mut Steps<'_>) {
    arrivals(state, steps);
    let actor = Actor::Store;
    let budget = state.budget;
    if budget.evictions > 0 && state.store.cell != Cell::Empty {
        let mut next = *state;
        next.store.cell = Cell::Empty;
        next.budget.evictions -= 1;
        steps.push(actor, "evicts the entry, or lets it expire", next);
    }
    if budget.snapshots > 0 && state.store.reachable {
        let mut next = *state;
        next.store.snapshot = Some(state.store.cell);
        next.budget.snapshots -= 1;
        steps.push(actor, "takes a snapshot", next);
    }
    if budget.restarts > 0 {
        steps.push(actor, "is killed and restarts", restarted(state, steps));
    }
    if !state.store.reachable {
        let mut next = *state;
        next.store.reachable = true;
        steps.push(actor, "is reachable again", next);
    } else if budget.outages > 0 {
        let mut next = *state;
        next.store.reachable = false;
        next.budget.outages -= 1;
        steps.push(actor, "becomes unreachable", next);
    }
}

fn arrivals(state: &State, steps: &mut Steps<'_>) {
    for at in 0..READERS {
        let Some((lease, version)) = state.late[at].filter(|_| state.store.reachable) else {
            continue;
        };
        let mut next = *state;
        next.late[at] = None;
        next.store.fill(steps.protocol, lease, version);
        steps.push_version(Actor::Store, "gets a fill that had timed out", version, next);
    }
}

/// A restart ends every connection, so nothing that was under way arrives any more.
fn restarted(state: &State, steps: &Steps<'_>) -> State {
    let mut next = *state;
    next.store.cell = state.store.snapshot.unwrap_or(Cell::Empty);
    next.store.reachable = true;
    if steps.protocol.numbers != Numbers::Random {
        next.store.next = 0;
        next.store.run += 1;
    }
    next.late = [None; READERS];
    next.budget.restarts -= 1;
    next
}
