//! Random histories on the breaker and on a plain automaton: they must agree at each step.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tasker_cache_breaker::{BreakerSettings, CircuitBreaker, CircuitState, Permit, Probe};

#[derive(Clone, Copy, Debug)]
enum Step {
    Acquire,
    Probe,
    /// Ends the call at this place in the list of those under way, modulo its length.
    End(usize, End),
    Advance(u64),
    ForceOpen,
    Reset,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Success,
    Failure,
    Neutral,
    Drop,
    Leak,
}

#[derive(Clone, Copy, Debug)]
struct Setup {
    starts_open: bool,
    failure_threshold: u32,
    timeout: u64,
    success_threshold: u32,
    probe_deadline: u64,
    probe: Probe,
}

impl Setup {
    fn breaker(self) -> CircuitBreaker {
        let settings = BreakerSettings::default()
            .failure_threshold(self.failure_threshold)
            .timeout(Duration::from_millis(self.timeout))
            .success_threshold(self.success_threshold)
            .probe_deadline(Duration::from_millis(self.probe_deadline))
            .probe(self.probe);
        if self.starts_open {
            CircuitBreaker::new_open(settings)
        } else {
            CircuitBreaker::new(settings)
        }
    }
}

/// The circuit as one would draw it: times are milliseconds, calls have numbers, and a call
/// counts while it is in `valid`, which every transition clears.
struct Automaton {
    setup: Setup,
    now: u64,
    state: State,
    calls: u64,
    valid: Vec<u64>,
    transitions: [u64; 3],
}

enum State {
    Closed { failures: u32 },
    Open { until: u64 },
    HalfOpen { successes: u32, overdue_at: Option<u64> },
}

impl Automaton {
    fn new(setup: Setup) -> Self {
        let state = if setup.starts_open {
            State::Open { until: 0 }
        } else {
            State::Closed { failures: 0 }
        };
        Self { setup, now: 0, state, calls: 0, valid: Vec::new(), transitions: [0; 3] }
    }

    fn acquire(&mut self) -> Option<u64> {
        match self.state {
            State::Closed { .. } => Some(self.begin()),
            _ if self.setup.probe == Probe::Explicit => None,
            _ => self.probe(),
        }
    }

    fn probe(&mut self) -> Option<u64> {
        let overdue_at = Some(self.now + self.setup.probe_deadline);
        match self.state {
            State::Open { until } if until <= self.now => {
                self.enter(State::HalfOpen { successes: 0, overdue_at });
                Some(self.begin())
            }
            State::HalfOpen { successes, overdue_at: None } => {
                self.state = State::HalfOpen { successes, overdue_at };
                Some(self.begin())
            }
            State::HalfOpen { overdue_at: Some(at), .. } if at <= self.now => {
                self.open();
                None
            }
            _ => None,
        }
    }

    fn begin(&mut self) -> u64 {
        self.calls += 1;
        self.valid.push(self.calls);
        self.calls
    }

    fn end(&mut self, call: u64, end: End) {
        if matches!(end, End::Leak) || !self.valid.contains(&call) {
            return;
        }
        self.valid.retain(|&other| other != call);
        let setup = self.setup;
        match (&mut self.state, end) {
            (State::Closed { failures }, End::Success) => *failures = 0,
            (State::Closed { failures }, End::Failure) => {
                *failures += 1;
                if *failures == setup.failure_threshold {
                    self.open();
                }
            }
            (State::HalfOpen { .. }, End::Failure) => self.open(),
            (State::HalfOpen { successes, overdue_at }, End::Success) => {
                *successes += 1;
                *overdue_at = None;
                if *successes == setup.success_threshold {
                    self.enter(State::Closed { failures: 0 });
                }
            }
            (State::HalfOpen { overdue_at, .. }, _) => *overdue_at = None,
            (State::Closed { .. } | State::Open { .. }, _) => {}
        }
    }

    fn open(&mut self) {
        self.enter(State::Open { until: self.now + self.setup.timeout });
    }

    fn enter(&mut self, state: State) {
        let before = self.state();
        self.state = state;
        self.valid.clear();
        if self.state() != before {
            self.transitions[self.state() as usize] += 1;
        }
    }

    fn state(&self) -> CircuitState {
        match self.state {
            State::Closed { .. } => CircuitState::Closed,
            State::Open { .. } => CircuitState::Open,
            State::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }

    fn until_probe(&self) -> Option<Duration> {
        let at = match self.state {
            State::Closed { .. } => return None,
            State::Open { until } => until,
            State::HalfOpen { overdue_at, .. } => overdue_at.unwrap_or(0),
        };
        Some(Duration::from_millis(at.saturating_sub(self.now)))
    }
}

async fn run(setup: Setup, steps: &[Step]) -> Result<(), TestCaseError> {
    let breaker = setup.breaker();
    let mut automaton = Automaton::new(setup);
    let mut under_way: Vec<(Permit<'_>, u64)> = Vec::new();
    for &step in steps {
        match step {
            Step::Acquire | Step::Probe => {
                let (permit, call) = match step {
                    Step::Acquire => (breaker.try_acquire(), automaton.acquire()),
                    _ => (breaker.try_probe(), automaton.probe()),
                };
                prop_assert_eq!(permit.is_some(), call.is_some(), "{:?}", step);
                under_way.extend(permit.zip(call));
            }
            Step::End(..) if under_way.is_empty() => {}
            Step::End(place, end) => {
                let (permit, call) = under_way.swap_remove(place % under_way.len());
                automaton.end(call, end);
                match end {
                    End::Success => permit.success(),
                    End::Failure => permit.failure(),
                    End::Neutral => permit.neutral(),
                    End::Drop => drop(permit),
                    End::Leak => std::mem::forget(permit),
                }
            }
            Step::Advance(millis) => {
                tokio::time::advance(Duration::from_millis(millis)).await;
                automaton.now += millis;
            }
            Step::ForceOpen => {
                breaker.force_open();
                automaton.open();
            }
            Step::Reset => {
                breaker.reset();
                automaton.enter(State::Closed { failures: 0 });
            }
        }
        let transitions = breaker.transitions();
        let counts = [transitions.closed, transitions.opened, transitions.half_opened];
        prop_assert_eq!(breaker.state(), automaton.state(), "{:?}", step);
        prop_assert_eq!(breaker.until_probe(), automaton.until_probe(), "{:?}", step);
        prop_assert_eq!(counts, automaton.transitions, "{:?}", step);
    }
    Ok(())
}

fn setup() -> impl Strategy<Value = Setup> {
    let probe = prop_oneof![Just(Probe::ByCallers), Just(Probe::Explicit)];
    (any::<bool>(), 1..=4_u32, 1..=20_u64, 1..=4_u32, 1..=20_u64, probe).prop_map(
        |(starts_open, failure_threshold, timeout, success_threshold, probe_deadline, probe)| {
            Setup {
                starts_open,
                failure_threshold,
                timeout,
                success_threshold,
                probe_deadline,
                probe,
            }
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let end = prop_oneof![
        4 => Just(End::Success),
        4 => Just(End::Failure),
        1 => Just(End::Neutral),
        1 => Just(End::Drop),
        1 => Just(End::Leak),
    ];
    prop_oneof![
        12 => Just(Step::Acquire),
        4 => Just(Step::Probe),
        12 => (any::<usize>(), end).prop_map(|(place, end)| Step::End(place, end)),
        6 => (1..=12_u64).prop_map(Step::Advance),
        1 => Just(Step::ForceOpen),
        1 => Just(Step::Reset),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_breaker_does_what_the_automaton_does(setup in setup(), steps in vec(step(), 1..150)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without I/O needs no resources");
        runtime.block_on(run(setup, &steps))?;
    }
}
