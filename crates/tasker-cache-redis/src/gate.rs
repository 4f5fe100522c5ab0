//! How much may be in flight: a full one is an error, never a stall.

use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::cause::Cause;

/// The most requests in flight; a batch of reads is one.
pub(crate) const MAX_REQUESTS: usize = 1024;

/// The most bytes of keys and values in flight; as many may wait for that.
pub(crate) const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Bytes are counted in these.
const UNIT: usize = 1024;

/// Bounds what the client holds. Its own bound leaks, and then stalls a healthy connection.
#[derive(Debug)]
pub(crate) struct Gate {
    requests: Semaphore,
    units: Semaphore,
    /// For those that wait: a write does so without its caller.
    waiting: Semaphore,
}

/// The room that a request takes, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Room<'a> {
    _request: SemaphorePermit<'a>,
    _units: SemaphorePermit<'a>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self {
            requests: Semaphore::new(MAX_REQUESTS),
            units: Semaphore::new(MAX_BYTES / UNIT),
            waiting: Semaphore::new(MAX_BYTES / UNIT),
        }
    }

    /// Takes the room for a request with keys and a value of so many bytes, waiting for it until
    /// the deadline, if there is room to wait in.
    pub(crate) async fn enter(&self, bytes: usize, deadline: Instant) -> Result<Room<'_>, Cause> {
        let units = u32::try_from(bytes.min(MAX_BYTES) / UNIT).unwrap_or(u32::MAX);
        if let Ok(request) = self.requests.try_acquire()
            && let Ok(units) = self.units.try_acquire_many(units)
        {
            return Ok(Room { _request: request, _units: units });
        }
        let _place = self.waiting.try_acquire_many(units.max(1)).map_err(|_| Cause::Crowded)?;
        let waiting = async {
            let request = self.requests.acquire().await?;
            Ok(Room { _request: request, _units: self.units.acquire_many(units).await? })
        };
        let entered: Result<Result<_, AcquireError>, _> = timeout_at(deadline, waiting).await;
        entered.ok().and_then(Result::ok).ok_or(Cause::Crowded)
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(100)
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_too_many_waits_and_then_is_an_error() {
        let gate = Gate::new();
        let mut inside = Vec::new();
        for _ in 0..MAX_REQUESTS {
            inside.push(gate.enter(0, soon()).await.expect("there is room"));
        }
        let begun = Instant::now();

        assert_eq!(gate.enter(0, soon()).await.err(), Some(Cause::Crowded));
        assert_eq!(begun.elapsed(), Duration::from_millis(100));

        inside.pop();
        assert!(gate.enter(0, soon()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_too_many_wait_and_then_are_an_error() {
        let gate = Gate::new();
        let large = gate.enter(MAX_BYTES - UNIT, soon()).await.expect("there is room");

        assert!(gate.enter(UNIT, soon()).await.is_ok());
        assert_eq!(gate.enter(2 * UNIT, soon()).await.err(), Some(Cause::Crowded));

        drop(large);
        assert!(gate.enter(2 * UNIT, soon()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_requests_wait_and_one_more_is_an_error_at_once() {
        let gate = Gate::new();
        let mut inside = Vec::new();
        for _ in 0..MAX_REQUESTS {
            inside.push(gate.enter(0, soon()).await.expect("there is room"));
        }
        let mut context = Context::from_waker(Waker::noop());
        let enter = || Box::pin(gate.enter(0, soon()));
        let mut waiting: Vec<_> = (0..65_536).map(|_| enter()).collect();
        for one in &mut waiting {
            assert!(one.as_mut().poll(&mut context).is_pending());
        }
        let begun = Instant::now();

        assert_eq!(enter().await.err(), Some(Cause::Crowded));
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_bytes_wait_as_may_be_inside_and_more_are_an_error_at_once() {
        let gate = Gate::new();
        let large = gate.enter(MAX_BYTES, soon()).await.expect("there is room");
        let begun = Instant::now();

        let (waits, refused, small) =
            tokio::join!(gate.enter(MAX_BYTES, soon()), gate.enter(UNIT, soon()), async {
                let entered = gate.enter(0, soon()).await.is_ok();
                drop(large);
                entered
            });

        assert!(waits.is_ok());
        assert_eq!(refused.err(), Some(Cause::Crowded));
        assert!(small);
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
