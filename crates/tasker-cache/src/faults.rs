//! Failures of the backend in the log: a line per 10 s with a count, never one per request.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tasker_cache_core::Error;
use tokio::time::Instant;

use crate::targets;

/// Collects failures between two lines.
#[derive(Debug, Default)]
pub(crate) struct FaultLog(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    failures: u64,
}

const INTERVAL: Duration = Duration::from_secs(10);

impl FaultLog {
    /// Notes a failure, and logs it if the last line is long enough ago.
    pub(crate) fn note(&self, error: &Error) {
        let failures = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.failures += 1;
            let now = Instant::now();
            if state.last.is_some_and(|last| now.duration_since(last) < INTERVAL) {
                return;
            }
            state.last = Some(now);
            std::mem::take(&mut state.failures)
        };
        tracing::warn!(
            target: targets::BACKEND,
            backend = error.backend(),
            operation = error.operation().as_str(),
            error = error.kind().as_str(),
            failures,
            "Cache operations failed"
        );
    }
}
