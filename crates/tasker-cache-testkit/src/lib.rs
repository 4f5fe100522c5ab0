//! Conformance suite, fault injection and log recording for tasker-cache backends.
#![doc = include_str!("../README.md")]

pub mod conformance;
mod faulty;
pub mod proxy;
mod recorder;
pub mod server;

pub use self::faulty::{Fault, Faulty, Odds};
pub use self::recorder::{Recorded, Recorder};
