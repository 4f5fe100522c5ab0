//! A backend in memory that stands for a shared one, and can be down.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tasker_cache::backend::{
    Backend, Entry, Error, ErrorKind, Fill, Key, Lease, Lookup, Operation, Profile, Result, Scope,
    Ttl,
};
use tasker_cache_moka::Moka;

const NAME: &str = "shared-memory";

/// Moka, declared to be shared: within one test, it is.
pub(super) struct SharedMemory {
    memory: Moka,
    down: AtomicBool,
}

impl SharedMemory {
    pub(super) fn new() -> Self {
        Self { memory: Moka::new(1_000), down: AtomicBool::new(false) }
    }

    /// Makes every operation fail from here on, or work again.
    pub(super) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    fn up(&self, operation: Operation) -> Result<&Moka> {
        if self.down.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, operation, NAME));
        }
        Ok(&self.memory)
    }
}

#[async_trait]
impl Backend for SharedMemory {
    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.up(Operation::Get)?.get(key).await
    }

    async fn get_or_lease(&self, key: &Key, hold: Duration) -> Result<Lookup> {
        self.up(Operation::GetOrLease)?.get_or_lease(key, hold).await
    }

    async fn fill(&self, lease: Lease, entry: Entry, ttl: Ttl) -> Result<Fill> {
        self.up(Operation::Fill)?.fill(lease, entry, ttl).await
    }

    async fn set(&self, key: &Key, entry: Entry, ttl: Ttl) -> Result<()> {
        self.up(Operation::Set)?.set(key, entry, ttl).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        self.up(Operation::Delete)?.delete(key).await
    }

    async fn ping(&self) -> Result<()> {
        self.up(Operation::Ping)?.ping().await
    }

    fn profile(&self) -> Profile {
        Profile::new(NAME, Scope::Shared).can_delete_prefix(false)
    }
}
