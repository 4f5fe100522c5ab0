//! One guarded call, which comes to its end and is counted even if its caller stops waiting.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tasker_cache_core::{Backend, Entry, Error, Fill, Lease, Lookup, Result};
use tokio::runtime::Handle;

use crate::{Guarded, Permit};

/// What the guard has to know about an answer.
pub(crate) trait Answer: Send + 'static {
    /// Tells whether the backend must be well to have given it. A refusal need not have left this
    /// process.
    fn is_proof(&self) -> bool {
        true
    }

    /// Returns the lease that nobody uses if the caller has gone.
    fn into_lease(self) -> Option<Lease>
    where
        Self: Sized,
    {
        None
    }
}

impl Answer for () {}
impl Answer for bool {}
impl Answer for u64 {}
impl Answer for Option<Entry> {}
impl Answer for Vec<Option<Entry>> {}

impl Answer for Fill {
    fn is_proof(&self) -> bool {
        matches!(self, Self::Stored)
    }
}

impl Answer for Lookup {
    fn is_proof(&self) -> bool {
        !matches!(self, Self::Unleased)
    }

    fn into_lease(self) -> Option<Lease> {
        match self {
            Self::Leased(lease) => Some(lease),
            Self::Hit(_) | Self::Held(_) | Self::Unleased => None,
        }
    }
}

/// The operation itself: ends within its limit, if it has one, or with the error that goes with
/// it, and reports to the breaker.
pub(crate) async fn perform<T: Answer>(
    operation: impl Future<Output = Result<T>>,
    limit: Option<(Duration, Error)>,
    permit: Permit<'static>,
) -> Result<T> {
    let result = match limit {
        None => operation.await,
        Some((limit, elapsed)) => {
            tokio::time::timeout(limit, operation).await.unwrap_or(Err(elapsed))
        }
    };
    report(permit, &result);
    result
}

fn report<T: Answer>(permit: Permit<'_>, result: &Result<T>) {
    match result {
        Ok(answer) if answer.is_proof() => permit.success(),
        Err(error) if error.kind().is_failure() => permit.failure(),
        Ok(_) | Err(_) => permit.neutral(),
    }
}

/// The caller's side of an operation. Dropped early, it leaves the operation to the runtime.
pub(crate) struct Call<'a, B: Backend + ?Sized, T: Answer> {
    guarded: &'a Guarded<B>,
    performing: Option<Performing<T>>,
}

type Performing<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

impl<'a, B: Backend + ?Sized, T: Answer> Call<'a, B, T> {
    pub(crate) fn new(
        guarded: &'a Guarded<B>,
        performing: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Self {
        Self { guarded, performing: Some(Box::pin(performing)) }
    }
}

impl<B: Backend + ?Sized, T: Answer> Future for Call<'_, B, T> {
    type Output = Result<T>;

    #[expect(clippy::expect_used, reason = "the message states the invariant")]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Taken out meanwhile: one that panics must not be handed on by `drop`.
        let mut performing = self.performing.take().expect("a future is not polled after its end");
        let polled = performing.as_mut().poll(context);
        if polled.is_pending() {
            self.performing = Some(performing);
        }
        polled
    }
}

impl<B: Backend + ?Sized, T: Answer> Drop for Call<'_, B, T> {
    fn drop(&mut self) {
        let Some(performing) = self.performing.take() else {
            return;
        };
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let guarded = self.guarded.clone();
        runtime.spawn(async move {
            if let Ok(answer) = performing.await
                && let Some(lease) = answer.into_lease()
            {
                // One that can't be given back expires.
                let _ = guarded.release(lease).await;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tasker_cache_core::{ErrorKind, KeyBuilder, Nonce, Operation, Refusal};

    use super::*;
    use crate::{BreakerSettings, CircuitBreaker, CircuitState};

    /// What one report did to a half-open circuit that one success closes.
    fn after<T: Answer>(result: &Result<T>) -> CircuitState {
        let breaker =
            Arc::new(CircuitBreaker::new_open(BreakerSettings::default().success_threshold(1)));
        report(breaker.try_acquire().expect("due at once"), result);
        breaker.state()
    }

    fn lookup(lookup: Lookup) -> CircuitState {
        after(&Ok(lookup))
    }

    #[test]
    fn an_answer_that_took_a_round_trip_is_a_success() {
        let lease = Lease::new(KeyBuilder::raw("p").segment("k").key(), [0; 32]);

        assert_eq!(after(&Ok(())), CircuitState::Closed);
        assert_eq!(after(&Ok(false)), CircuitState::Closed);
        assert_eq!(after(&Ok(0_u64)), CircuitState::Closed);
        assert_eq!(after(&Ok(None::<Entry>)), CircuitState::Closed);
        assert_eq!(after(&Ok(vec![None::<Entry>])), CircuitState::Closed);
        assert_eq!(after(&Ok(Fill::Stored)), CircuitState::Closed);
        assert_eq!(lookup(Lookup::Hit(Entry::new("v"))), CircuitState::Closed);
        assert_eq!(lookup(Lookup::Held(Nonce::new([0; 16]))), CircuitState::Closed);
        assert_eq!(lookup(Lookup::Leased(lease)), CircuitState::Closed);
    }

    #[test]
    fn a_refusal_is_neutral() {
        let refusals =
            [Refusal::Revoked, Refusal::TooLarge, Refusal::OutOfMemory, Refusal::Unsupported];
        for refusal in refusals {
            assert_eq!(after(&Ok(Fill::Refused(refusal))), CircuitState::HalfOpen, "{refusal:?}");
        }
        assert_eq!(lookup(Lookup::Unleased), CircuitState::HalfOpen);
    }

    #[test]
    fn an_error_counts_by_its_kind() {
        for &kind in ErrorKind::ALL {
            let result = Err::<(), _>(Error::new(kind, Operation::Ping, "fake"));
            let expected =
                if kind.is_failure() { CircuitState::Open } else { CircuitState::HalfOpen };
            assert_eq!(after(&result), expected, "{kind}");
        }
    }
}
