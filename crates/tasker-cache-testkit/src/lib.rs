//! Conformance suite, fault injection and log recording for tasker-cache backends.
