//! Rare constellations in which an invalidation must not be lost, and nothing may get stuck.

use std::convert::Infallible;
use std::time::Duration;

use tasker_cache::{BreakerSettings, Cache, CircuitState, Invalidation, Region, Usage};
use tasker_cache_core::Backend;
use tasker_cache_tests::limited::Limited;
use tasker_cache_tests::sim::{Sim, Weather};
use tokio::time::{Instant, sleep};

fn cache_over(store: impl Backend) -> Cache {
    let breaker = BreakerSettings::default()
        .failure_threshold(2)
        .success_threshold(1)
        .timeout(Duration::from_secs(1));
    Cache::builder(store).breaker(breaker).build()
}

fn numbers(cache: &Cache) -> Region<u64> {
    cache.region(Usage::new("numbers").ttl(Duration::from_secs(1)))
}

async fn load(region: &Region<u64>, key: &str, value: u64, takes: Duration) -> u64 {
    let loader = || async move {
        sleep(takes).await;
        Ok::<u64, Infallible>(value)
    };
    let Ok(value) = region.get_or_load(key, loader).await;
    *value
}

async fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited for {what} in vain");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_prefix_that_cant_be_deleted_leaves_deferred_keys_pending() {
    let store = Sim::new(1, Weather::CALM.counting());
    let region = numbers(&cache_over(store.clone()));
    load(&region, "a", 1, Duration::ZERO).await;
    store.reachable(false);
    assert_eq!(region.invalidate("a").await, Invalidation::Deferred);
    store.reachable(true);

    assert_eq!(region.invalidate_all().await, Invalidation::Unsupported);

    assert_eq!(region.get("a").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_region_left_to_time_waits_for_the_last_fill_of_others_to_expire() {
    let store = Sim::new(1, Weather::CALM.counting());
    let (cache, other) = (cache_over(store.clone()), cache_over(store.clone()));
    let (region, elsewhere) = (numbers(&cache), numbers(&other));
    let slow = tokio::spawn(async move {
        load(&elsewhere, "a", 1, Duration::from_secs(20)).await;
    });
    sleep(Duration::from_secs(1)).await;
    store.reachable(false);
    assert_eq!(region.invalidate("a").await, Invalidation::Deferred);
    for key in 0..10_000 {
        region.invalidate(key).await;
    }
    assert_eq!(cache.status().pending.prefixes, 1);
    store.reachable(true);

    slow.await.expect("no panic");

    assert_eq!(load(&region, "a", 2, Duration::ZERO).await, 2);
    until("the end of the bypass", || cache.status().pending.prefixes == 0).await;
}

#[test]
fn an_invalidation_during_a_put_wins() {
    for seed in 0..500 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without I/O can be built");
        runtime.block_on(async {
            let region = numbers(&cache_over(Sim::new(seed, Weather::CALM)));
            let invalidate = async {
                sleep(Duration::from_millis(seed % 10)).await;
                region.invalidate("a").await
            };

            let (applied, ()) = tokio::join!(biased; invalidate, region.put("a", &1));

            assert_eq!(applied, Invalidation::Applied, "seed {seed}");
            if seed % 10 > 0 {
                assert_eq!(region.get("a").await, None, "seed {seed}");
            }
        });
    }
}

/// Invalidates keys that can't be deleted, and after them others, while the store is away; waits
/// until all of these have been.
async fn assert_others_are_replayed(locked: usize) {
    let store = Sim::new(1, Weather::CALM);
    let keys = numbers(&cache_over(store.clone()));
    let keys = (0..locked).map(|key| keys.key(format!("locked-{key}"))).collect();
    let cache = cache_over(Limited::but_for(keys, store.clone()));
    let region = numbers(&cache);
    store.reachable(false);
    for _ in 0..2 {
        cache.health_check().await;
    }
    for key in 0..locked {
        region.invalidate(format!("locked-{key}")).await;
    }
    for key in 0..1_000 {
        region.invalidate(key).await;
    }
    store.reachable(true);

    until("the replay", || cache.status().pending.keys == locked).await;
    until("the circuit", || cache.circuit_state() == Some(CircuitState::Closed)).await;

    load(&region, "locked-0", 1, Duration::ZERO).await;
    assert_eq!(region.get("locked-0").await, None, "it stays bypassed");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_cant_be_deleted_holds_up_no_other() {
    assert_others_are_replayed(1).await;
}

#[tokio::test(start_paused = true)]
async fn many_keys_that_cant_be_deleted_hold_up_no_other() {
    assert_others_are_replayed(300).await;
}
