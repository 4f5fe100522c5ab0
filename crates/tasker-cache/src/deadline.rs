//! An end for every operation of a backend that doesn't end its calls by itself.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tasker_cache_core::{
    Backend, Entry, Error, ErrorKind, Fill, Key, Lease, Lookup, Occupancy, Operation, Prefix,
    Profile, Result, Ttl, async_trait,
};
use tokio::time::timeout;

/// A backend whose operations fail with [`ErrorKind::Timeout`] after a while, breaker or not.
pub(crate) struct Deadline {
    inner: Arc<dyn Backend>,
    limit: Duration,
}

impl Deadline {
    pub(crate) fn new(inner: Arc<dyn Backend>, limit: Duration) -> Self {
        Self { inner, limit }
    }

    async fn end<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let late = |_| Error::new(ErrorKind::Timeout, operation, self.inner.profile().name);
        timeout(self.limit, call).await.map_err(late)?
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Backend for Deadline {
    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.end(Operation::Get, self.inner.get(key)).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        self.end(Operation::GetMany, self.inner.get_many(keys)).await
    }

    async fn get_or_lease(&self, key: &Key, hold: Duration) -> Result<Lookup> {
        self.end(Operation::GetOrLease, self.inner.get_or_lease(key, hold)).await
    }

    async fn fill(&self, lease: Lease, entry: Entry, ttl: Ttl) -> Result<Fill> {
        self.end(Operation::Fill, self.inner.fill(lease, entry, ttl)).await
    }

    async fn release(&self, lease: Lease) -> Result<()> {
        self.end(Operation::Release, self.inner.release(lease)).await
    }

    async fn set(&self, key: &Key, entry: Entry, ttl: Ttl) -> Result<()> {
        self.end(Operation::Set, self.inner.set(key, entry, ttl)).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        self.end(Operation::Delete, self.inner.delete(key)).await
    }

    async fn delete_many(&self, keys: &[Key]) -> Result<()> {
        self.end(Operation::DeleteMany, self.inner.delete_many(keys)).await
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        self.end(Operation::DeletePrefix, self.inner.delete_prefix(prefix)).await
    }

    async fn ping(&self) -> Result<()> {
        self.end(Operation::Ping, self.inner.ping()).await
    }

    fn profile(&self) -> Profile {
        self.inner.profile()
    }

    fn occupancy(&self) -> Option<Occupancy> {
        self.inner.occupancy()
    }
}
