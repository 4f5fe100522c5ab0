//! A store that lacks something which others have.

use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tasker_cache_core::{
    Backend, Entry, Error, ErrorKind, Fill, Key, Lease, Lookup, Operation, Prefix, Profile, Result,
    Ttl,
};

use crate::sim::Sim;

/// A simulated store without prefixes, with keys that nobody may delete, or without a connection.
#[derive(Clone, Debug)]
pub struct Limited {
    store: Sim,
    can_delete_prefix: bool,
    locked: Vec<Key>,
    is_connected: Arc<AtomicBool>,
}

impl Limited {
    /// Makes a store whose prefixes can't be deleted.
    #[must_use]
    pub fn to_keys(store: Sim) -> Self {
        Self { can_delete_prefix: false, ..Self::but_for(Vec::new(), store) }
    }

    /// Makes a store that refuses to delete these keys.
    #[must_use]
    pub fn but_for(locked: Vec<Key>, store: Sim) -> Self {
        Self { store, can_delete_prefix: true, locked, is_connected: Arc::new(true.into()) }
    }

    /// Makes a store that deletes nothing until it has answered a ping.
    #[must_use]
    pub fn to_those_who_ping(store: Sim) -> Self {
        Self { is_connected: Arc::default(), ..Self::but_for(Vec::new(), store) }
    }

    fn check(&self, keys: &[Key]) -> Result<()> {
        if !self.is_connected.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Unavailable, Operation::Delete, "sim"));
        }
        let denied = Error::new(ErrorKind::PermissionDenied, Operation::Delete, "sim");
        let is_locked = self.locked.iter().any(|locked| keys.contains(locked));
        if is_locked { Err(denied) } else { Ok(()) }
    }
}

#[async_trait]
impl Backend for Limited {
    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.store.get(key).await
    }

    async fn get_or_lease(&self, key: &Key, hold: Duration) -> Result<Lookup> {
        self.store.get_or_lease(key, hold).await
    }

    async fn fill(&self, lease: Lease, entry: Entry, ttl: Ttl) -> Result<Fill> {
        self.store.fill(lease, entry, ttl).await
    }

    async fn set(&self, key: &Key, entry: Entry, ttl: Ttl) -> Result<()> {
        self.store.set(key, entry, ttl).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        self.check(slice::from_ref(key))?;
        self.store.delete(key).await
    }

    async fn delete_many(&self, keys: &[Key]) -> Result<()> {
        self.check(keys)?;
        self.store.delete_many(keys).await
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        if self.can_delete_prefix {
            self.store.delete_prefix(prefix).await
        } else {
            Err(Error::new(ErrorKind::Unsupported, Operation::DeletePrefix, "sim"))
        }
    }

    async fn ping(&self) -> Result<()> {
        self.store.ping().await?;
        self.is_connected.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn profile(&self) -> Profile {
        self.store.profile().can_delete_prefix(self.can_delete_prefix)
    }
}
