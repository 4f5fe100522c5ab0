//! The backend that stores nothing.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Backend, Entry, Fill, Key, Lease, Lookup, Occupancy, Prefix, Profile, Refusal, Result, Scope,
    Ttl,
};

/// A backend that always misses and takes every write without storing it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOp;

impl NoOp {
    /// Its name in logs, metrics and `status()`.
    pub const NAME: &'static str = "noop";
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Backend for NoOp {
    async fn get(&self, _: &Key) -> Result<Option<Entry>> {
        Ok(None)
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        Ok(vec![None; keys.len()])
    }

    async fn get_or_lease(&self, _: &Key, _: Duration) -> Result<Lookup> {
        Ok(Lookup::Unleased)
    }

    async fn fill(&self, _: Lease, _: Entry, _: Ttl) -> Result<Fill> {
        Ok(Fill::Refused(Refusal::Unsupported))
    }

    async fn release(&self, _: Lease) -> Result<()> {
        Ok(())
    }

    async fn set(&self, _: &Key, _: Entry, _: Ttl) -> Result<()> {
        Ok(())
    }

    async fn delete(&self, _: &Key) -> Result<bool> {
        Ok(false)
    }

    async fn delete_many(&self, _: &[Key]) -> Result<()> {
        Ok(())
    }

    async fn delete_prefix(&self, _: &Prefix) -> Result<u64> {
        Ok(0)
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }

    fn profile(&self) -> Profile {
        Profile::new(Self::NAME, Scope::Local).stores(false)
    }

    fn occupancy(&self) -> Option<Occupancy> {
        Some(Occupancy::default())
    }
}
