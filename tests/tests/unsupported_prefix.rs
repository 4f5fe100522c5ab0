//! A store that can't delete prefixes: what an invalidation of a prefix leaves alone.

use std::convert::Infallible;
use std::time::Duration;

use async_trait::async_trait;
use tasker_cache::{Cache, Invalidation, Region, Usage};
use tasker_cache_core::{Backend, Entry, Fill, Key, Lease, Lookup, Profile, Result, Ttl};
use tasker_cache_tests::sim::{Sim, Weather};

/// A store whose prefixes can't be deleted.
struct KeysOnly(Sim);

#[async_trait]
impl Backend for KeysOnly {
    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.0.get(key).await
    }

    async fn get_or_lease(&self, key: &Key, hold: Duration) -> Result<Lookup> {
        self.0.get_or_lease(key, hold).await
    }

    async fn fill(&self, lease: Lease, entry: Entry, ttl: Ttl) -> Result<Fill> {
        self.0.fill(lease, entry, ttl).await
    }

    async fn set(&self, key: &Key, entry: Entry, ttl: Ttl) -> Result<()> {
        self.0.set(key, entry, ttl).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        self.0.delete(key).await
    }

    async fn ping(&self) -> Result<()> {
        self.0.ping().await
    }

    fn profile(&self) -> Profile {
        self.0.profile().can_delete_prefix(false)
    }
}

async fn load(region: &Region<u64>, value: u64) -> u64 {
    let Ok(value) = region.get_or_load("a", || async move { Ok::<_, Infallible>(value) }).await;
    *value
}

#[tokio::test(start_paused = true)]
async fn a_deferred_invalidation_outlasts_that_of_a_prefix_which_can_not_be_deleted() {
    let store = Sim::new(1, Weather::CALM);
    let cache = Cache::builder(KeysOnly(store.clone())).build();
    let region: Region<u64> = cache.region(Usage::new("numbers"));
    assert_eq!(load(&region, 1).await, 1);
    store.reachable(false);
    assert_eq!(region.invalidate("a").await, Invalidation::Deferred);
    store.reachable(true);

    assert_eq!(region.invalidate_all().await, Invalidation::Unsupported);

    assert_eq!(load(&region, 2).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_prefix_which_can_not_be_deleted_is_not_bypassed_either() {
    let cache = Cache::builder(KeysOnly(Sim::new(1, Weather::CALM))).build();
    let region: Region<u64> = cache.region(Usage::new("numbers"));
    assert_eq!(load(&region, 1).await, 1);

    assert_eq!(region.invalidate_all().await, Invalidation::Unsupported);

    assert_eq!(load(&region, 2).await, 1, "its TTL is relied on");
    assert_eq!(cache.status().pending.prefixes, 0);
}
