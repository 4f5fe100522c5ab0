//! A circuit breaker on one atomic word, and a guard that puts it in front of a cache backend.
#![doc = include_str!("../README.md")]

mod breaker;
#[cfg(all(feature = "guarded", not(loom)))]
mod call;
mod clock;
#[cfg(all(feature = "guarded", not(loom)))]
mod guarded;
#[cfg(all(test, loom))]
mod loom_tests;
mod permit;
mod settings;
mod state;
mod transitions;
mod word;

pub use self::breaker::CircuitBreaker;
#[cfg(all(feature = "guarded", not(loom)))]
pub use self::guarded::Guarded;
pub use self::permit::Permit;
pub use self::settings::{BreakerSettings, Probe};
pub use self::state::CircuitState;
pub use self::transitions::Transitions;
