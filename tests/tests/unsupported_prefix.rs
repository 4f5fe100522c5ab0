//! A store that can't delete prefixes: what an invalidation of a prefix leaves alone.

use std::convert::Infallible;

use tasker_cache::{Cache, Invalidation, Region, Usage};
use tasker_cache_tests::limited::Limited;
use tasker_cache_tests::sim::{Sim, Weather};

async fn load(region: &Region<u64>, value: u64) -> u64 {
    let Ok(value) = region.get_or_load("a", || async move { Ok::<_, Infallible>(value) }).await;
    *value
}

#[tokio::test(start_paused = true)]
async fn a_deferred_invalidation_outlasts_that_of_a_prefix_which_can_not_be_deleted() {
    let store = Sim::new(1, Weather::CALM);
    let cache = Cache::builder(Limited::to_keys(store.clone())).build();
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
    let cache = Cache::builder(Limited::to_keys(Sim::new(1, Weather::CALM))).build();
    let region: Region<u64> = cache.region(Usage::new("numbers"));
    assert_eq!(load(&region, 1).await, 1);

    assert_eq!(region.invalidate_all().await, Invalidation::Unsupported);

    assert_eq!(load(&region, 2).await, 1, "its TTL is relied on");
    assert_eq!(cache.status().pending.prefixes, 0);
}
