//! The three states that a circuit shows to the outside.

use std::fmt;

/// The state of a circuit.
///
/// `Display` and [`as_str`](CircuitState::as_str) say `closed`, `open` or `half-open`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CircuitState {
    /// Calls go through.
    Closed,
    /// Calls fail fast.
    Open,
    /// One probe at a time goes through, to test whether calls may again.
    HalfOpen,
}

impl CircuitState {
    /// Returns the wording used in messages and as a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

impl fmt::Display for CircuitState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
