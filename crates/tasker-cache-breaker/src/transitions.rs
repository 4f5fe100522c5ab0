//! What happens once per transition: one log line, one count.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::CircuitState;

/// The target of log lines and spans, which stays as it is.
pub(crate) const TARGET: &str = "tasker_cache_breaker";

/// How often a circuit went into each state since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transitions {
    /// Times it opened, from closed or from half-open.
    pub opened: u64,
    /// Times it began to be tested.
    pub half_opened: u64,
    /// Times it closed again.
    pub closed: u64,
}

/// Counts and logs transitions.
///
/// Its counters are no part of the circuit's state, so loom need not interleave them.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    /// What the circuit leads to, for the log lines.
    pub(crate) name: Option<Box<str>>,
    opened: AtomicU64,
    half_opened: AtomicU64,
    closed: AtomicU64,
}

impl Recorder {
    /// Records that the circuit went into another state.
    #[cold]
    pub(crate) fn record(&self, entered: CircuitState) {
        // A field without a value is left out.
        let circuit = self.name.as_deref();
        let count = match entered {
            CircuitState::Open => {
                tracing::error!(target: TARGET, circuit, "Circuit breaker opened (failing fast)");
                &self.opened
            }
            CircuitState::HalfOpen => {
                tracing::info!(target: TARGET, circuit, "Circuit breaker half-open (testing recovery)");
                &self.half_opened
            }
            CircuitState::Closed => {
                tracing::info!(target: TARGET, circuit, "Circuit breaker closed (recovered)");
                &self.closed
            }
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Transitions {
        Transitions {
            opened: self.opened.load(Ordering::Relaxed),
            half_opened: self.half_opened.load(Ordering::Relaxed),
            closed: self.closed.load(Ordering::Relaxed),
        }
    }
}
