//! The search: breadth first through every state, so that the first violation is a shortest one.

use std::collections::HashSet;
use std::fmt;

use super::rules::{Bounds, Protocol};
use super::state::{Actor, State, Step};
use super::{reader, world, writer};

/// What a search came to.
#[derive(Debug)]
#[must_use]
pub enum Verdict {
    /// Every state was looked at, and none broke the rule.
    Holds {
        /// How many states there are.
        states: usize,
    },
    /// A read returned what it must not.
    Violated {
        /// How many states had been found by then.
        states: usize,
        /// The steps to it; no sequence of steps is shorter.
        trace: Vec<Step>,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Holds { states } => write!(f, "holds in all {states} states"),
            Self::Violated { states, trace } => {
                write!(f, "violated: {} steps, {states} states explored", trace.len())?;
                trace.iter().try_for_each(|step| write!(f, "\n    {step}"))
            }
        }
    }
}

/// Collects the steps out of one state.
pub(super) struct Steps<'a> {
    pub(super) protocol: Protocol,
    pub(super) bounds: &'a Bounds,
    found: Vec<(Step, State)>,
}

impl Steps<'_> {
    pub(super) fn push(&mut self, actor: Actor, does: &'static str, state: State) {
        self.found.push((Step { actor, does, version: None }, state));
    }

    pub(super) fn push_version(
        &mut self,
        actor: Actor,
        does: &'static str,
        version: u8,
        state: State,
    ) {
        self.found.push((Step { actor, does, version: Some(version) }, state));
    }

    fn of(&mut self, state: &State) {
        self.found.clear();
        reader::steps(state, self);
        writer::steps(state, self);
        world::steps(state, self);
    }
}

/// Looks at every state that the protocol can get into within these bounds.
pub fn search(protocol: Protocol, bounds: &Bounds) -> Verdict {
    let initial = State::initial(bounds).canonical(protocol);
    let mut states = vec![initial];
    let mut parents = vec![0_usize];
    let mut known = HashSet::from([initial]);
    let mut steps = Steps { protocol, bounds, found: Vec::new() };
    let mut at = 0;
    while let Some(state) = states.get(at).copied() {
        steps.of(&state);
        for (step, next) in steps.found.drain(..) {
            if next.stale {
                let mut trace = trace_to(at, &states, &parents, protocol, bounds);
                trace.push(step);
                return Verdict::Violated { states: states.len(), trace };
            }
            let next = next.canonical(protocol);
            if known.insert(next) {
                states.push(next);
                parents.push(at);
            }
        }
        at += 1;
    }
    Verdict::Holds { states: states.len() }
}

/// Finds the steps again that led to a state: only its predecessors are kept.
fn trace_to(
    mut at: usize,
    states: &[State],
    parents: &[usize],
    protocol: Protocol,
    bounds: &Bounds,
) -> Vec<Step> {
    let mut trace = Vec::new();
    let mut steps = Steps { protocol, bounds, found: Vec::new() };
    while at > 0 {
        let parent = parents[at];
        steps.of(&states[parent]);
        let step = steps.found.iter().find(|(_, next)| next.canonical(protocol) == states[at]);
        trace.extend(step.map(|(step, _)| *step));
        at = parent;
    }
    trace.reverse();
    trace
}
