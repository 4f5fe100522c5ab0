//! Failures of the backend in the log: a line per 10 s with a count, never one per request.

use std::error::Error as _;
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
            cause = error.source().map(tracing::field::display),
            failures,
            "Cache operations failed"
        );
    }
}

#[cfg(test)]
mod tests {
    use tasker_cache_core::{ErrorKind, Operation};
    use tasker_cache_testkit::Recorder;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_line_tells_the_cause_where_there_is_one_and_how_many_came_before_it() {
        let recorder = Recorder::default();
        let _recording = recorder.install();
        let log = FaultLog::default();
        let plain = || Error::new(ErrorKind::Timeout, Operation::Get, "redis");

        log.note(&plain());
        log.note(&plain());
        tokio::time::advance(INTERVAL).await;
        log.note(&plain().with_source(std::io::Error::other("the cable is out")));

        let lines = recorder.lines();
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].field("cause"), lines[0].field("failures")), (None, Some("1")));
        assert_eq!(lines[1].field("cause"), Some("the cable is out"));
        assert_eq!(lines[1].field("failures"), Some("2"));
    }
}
