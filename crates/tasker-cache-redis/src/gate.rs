//! How much may be in flight: a full one is an error, never a stall.

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::cause::Cause;

/// The most requests in flight; a batch of reads is one.
pub(crate) const MAX_REQUESTS: usize = 1024;

/// The most bytes of values in flight.
pub(crate) const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Bytes are counted in these.
const UNIT: usize = 1024;

/// Bounds what the client holds. Its own bound leaks, and then stalls a healthy connection.
#[derive(Debug)]
pub(crate) struct Gate {
    requests: Semaphore,
    units: Semaphore,
}

/// The room that a request takes, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Room<'a> {
    _request: SemaphorePermit<'a>,
    _units: Option<SemaphorePermit<'a>>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { requests: Semaphore::new(MAX_REQUESTS), units: Semaphore::new(MAX_BYTES / UNIT) }
    }

    /// Takes the room for a request with a value of so many bytes, waiting for it until the
    /// deadline.
    pub(crate) async fn enter(&self, bytes: usize, deadline: Instant) -> Result<Room<'_>, Cause> {
        let request = take(&self.requests, 1, deadline).await?;
        let units = u32::try_from(bytes.min(MAX_BYTES) / UNIT).unwrap_or(u32::MAX);
        let units = match units {
            0 => None,
            units => Some(take(&self.units, units, deadline).await?),
        };
        Ok(Room { _request: request, _units: units })
    }
}

async fn take(
    from: &Semaphore,
    count: u32,
    deadline: Instant,
) -> Result<SemaphorePermit<'_>, Cause> {
    if let Ok(permit) = from.try_acquire_many(count) {
        return Ok(permit);
    }
    let waiting = from.acquire_many(count);
    match timeout_at(deadline, waiting).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) | Err(_) => Err(Cause::Crowded),
    }
}

#[cfg(test)]
mod tests {
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
}
