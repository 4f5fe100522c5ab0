//! Conformance suite, fault injection and log recording for tasker-cache backends.

pub mod proxy;
pub mod server;
