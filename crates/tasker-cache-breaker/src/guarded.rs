//! A circuit breaker, and on demand a deadline, in front of any backend.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tasker_cache_core::{
    Backend, Entry, Error, ErrorKind, Fill, Key, Lease, Lookup, Occupancy, Operation, Prefix,
    Profile, Result, Ttl,
};
use tracing::Instrument;

use crate::call::{Answer, Call, perform};
use crate::transitions::TARGET;
use crate::{CircuitBreaker, Permit};

/// A backend behind a circuit breaker.
///
/// While the circuit is open, every operation fails at once with [`ErrorKind::CircuitOpen`] and
/// the backend is not asked. [`profile`](Backend::profile) and
/// [`occupancy`](Backend::occupancy) do no I/O and always answer.
///
/// # What counts
///
/// An error counts by its kind ([`ErrorKind::is_failure`]). An answer is a success, except those
/// that a backend can give without a round trip: a refused fill and [`Lookup::Unleased`] are
/// neutral. An empty list of keys is answered without the backend and counts nothing.
///
/// # Cancel safety
///
/// An operation belongs to the guard, not to its caller. When the caller drops the future, a task
/// on the current tokio runtime drives the operation to its end and counts the outcome: a write
/// goes on without its caller, and a caller with a short timeout of its own does not hide an
/// outage. A lease granted to a caller that has gone is given back. Outside of a runtime the
/// operation is dropped and counts nothing.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use tasker_cache_breaker::{CircuitBreaker, Guarded};
/// use tasker_cache_core::{Backend, ErrorKind, NoOp};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let breaker = Arc::new(CircuitBreaker::default());
/// let backend = Guarded::new(Arc::new(NoOp), Arc::clone(&breaker));
/// assert!(backend.ping().await.is_ok());
///
/// breaker.force_open();
/// let error = backend.ping().await.expect_err("the circuit is open");
/// assert_eq!(error.kind(), ErrorKind::CircuitOpen);
/// # }
/// ```
pub struct Guarded<B: ?Sized> {
    inner: Arc<B>,
    breaker: Arc<CircuitBreaker>,
    deadline: Option<Duration>,
}

impl<B: Backend + ?Sized> Guarded<B> {
    /// Puts a breaker in front of a backend.
    #[must_use]
    pub fn new(inner: Arc<B>, breaker: Arc<CircuitBreaker>) -> Self {
        Self { inner, breaker, deadline: None }
    }

    /// Sets the time after which an operation is dropped and fails with [`ErrorKind::Timeout`]:
    /// off by default.
    ///
    /// It is for backends that don't end a call by themselves. Where a client would replay a
    /// write that it was made to abandon, let the client keep the time.
    ///
    /// # Panics
    ///
    /// With a deadline the operations need a tokio runtime with its timer enabled, and panic
    /// without.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Returns the backend, to reach it past the breaker.
    #[must_use]
    pub fn inner(&self) -> &Arc<B> {
        &self.inner
    }

    /// Returns the breaker.
    #[must_use]
    pub fn breaker(&self) -> &Arc<CircuitBreaker> {
        &self.breaker
    }

    fn admit(&self, operation: Operation) -> Result<Permit<'static>> {
        self.breaker
            .try_acquire_owned()
            .ok_or_else(|| self.error(ErrorKind::CircuitOpen, operation))
    }

    /// Starts an operation if the breaker lets it through.
    fn start<T, F>(
        &self,
        operation: Operation,
        call: impl FnOnce(Arc<B>) -> F,
    ) -> Result<Call<'_, B, T>>
    where
        T: Answer,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let permit = self.admit(operation)?;
        let limit = self.deadline.map(|limit| (limit, self.error(ErrorKind::Timeout, operation)));
        let span = tracing::trace_span!(
            target: TARGET,
            "operation",
            backend = self.inner.profile().name,
            operation = operation.as_str()
        );
        let performing = perform(call(Arc::clone(&self.inner)), limit, permit);
        Ok(Call::new(self, performing.instrument(span)))
    }

    fn error(&self, kind: ErrorKind, operation: Operation) -> Error {
        Error::new(kind, operation, self.inner.profile().name)
    }
}

// Each call names `B`: `Arc<B>` is a backend too, and would box every future once more.
#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: Backend + ?Sized> Backend for Guarded<B> {
    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.start(Operation::Get, |inner| {
            let key = key.clone();
            async move { B::get(&inner, &key).await }
        })?
        .await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        if keys.is_empty() {
            self.admit(Operation::GetMany)?.neutral();
            return Ok(Vec::new());
        }
        self.start(Operation::GetMany, |inner| {
            let keys = keys.to_vec();
            async move { B::get_many(&inner, &keys).await }
        })?
        .await
    }

    async fn get_or_lease(&self, key: &Key, hold: Duration) -> Result<Lookup> {
        self.start(Operation::GetOrLease, |inner| {
            let key = key.clone();
            async move { B::get_or_lease(&inner, &key, hold).await }
        })?
        .await
    }

    async fn fill(&self, lease: Lease, entry: Entry, ttl: Ttl) -> Result<Fill> {
        self.start(
            Operation::Fill,
            |inner| async move { B::fill(&inner, lease, entry, ttl).await },
        )?
        .await
    }

    async fn release(&self, lease: Lease) -> Result<()> {
        self.start(Operation::Release, |inner| async move { B::release(&inner, lease).await })?
            .await
    }

    async fn set(&self, key: &Key, entry: Entry, ttl: Ttl) -> Result<()> {
        self.start(Operation::Set, |inner| {
            let key = key.clone();
            async move { B::set(&inner, &key, entry, ttl).await }
        })?
        .await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        self.start(Operation::Delete, |inner| {
            let key = key.clone();
            async move { B::delete(&inner, &key).await }
        })?
        .await
    }

    async fn delete_many(&self, keys: &[Key]) -> Result<()> {
        if keys.is_empty() {
            self.admit(Operation::DeleteMany)?.neutral();
            return Ok(());
        }
        self.start(Operation::DeleteMany, |inner| {
            let keys = keys.to_vec();
            async move { B::delete_many(&inner, &keys).await }
        })?
        .await
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        self.start(Operation::DeletePrefix, |inner| {
            let prefix = prefix.clone();
            async move { B::delete_prefix(&inner, &prefix).await }
        })?
        .await
    }

    async fn ping(&self) -> Result<()> {
        self.start(Operation::Ping, |inner| async move { B::ping(&inner).await })?.await
    }

    fn profile(&self) -> Profile {
        self.inner.profile()
    }

    fn occupancy(&self) -> Option<Occupancy> {
        self.inner.occupancy()
    }
}

impl<B: ?Sized> Clone for Guarded<B> {
    /// Clones the handle: both have one backend and one breaker.
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            breaker: Arc::clone(&self.breaker),
            deadline: self.deadline,
        }
    }
}

impl<B: Backend + ?Sized> fmt::Debug for Guarded<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded")
            .field("inner", &self.inner.profile().name)
            .field("breaker", &self.breaker)
            .field("deadline", &self.deadline)
            .finish()
    }
}
