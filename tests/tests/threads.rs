//! Loading together on real threads and a real clock.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tasker_cache::{Cache, Consistency, Region, Usage};
use tokio::task::JoinSet;
use tokio::time::sleep;

fn region(cache: &Cache) -> Region<u64> {
    cache.region(Usage::new("numbers").consistency(Consistency::Local))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_readers_of_a_cold_key_load_once() {
    let cache = Cache::in_memory(10_000);
    let loads = Arc::new(AtomicU64::new(0));
    let mut readers = JoinSet::new();
    for _ in 0..1_000 {
        let (region, loads) = (region(&cache), Arc::clone(&loads));
        readers.spawn(async move {
            let load = || async {
                sleep(Duration::from_millis(50)).await;
                Ok::<u64, Infallible>(loads.fetch_add(1, Ordering::SeqCst))
            };
            let Ok(value) = region.get_or_load("cold", load).await;
            *value
        });
    }

    assert!(readers.join_all().await.iter().all(|value| *value == 0));
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert_eq!(cache.status().flights, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_dropped_at_random_leave_nothing_behind() {
    let cache = Cache::in_memory(100);
    let mut readers = JoinSet::new();
    for reader in 0..4_000_u64 {
        let region = region(&cache);
        readers.spawn(async move {
            let key = reader % 40;
            let load = || async move {
                sleep(Duration::from_micros(fastrand::u64(0..500))).await;
                if fastrand::u8(..) < 30 { Err(key) } else { Ok(key) }
            };
            let patience = Duration::from_micros(fastrand::u64(0..1_500));
            let read = tokio::time::timeout(patience, region.get_or_load(key, load)).await;
            if fastrand::u8(..) < 40 {
                region.invalidate(key).await;
            }
            match read {
                Ok(Ok(value)) => assert_eq!(*value, key),
                Ok(Err(error)) => assert_eq!(error, key),
                Err(_) => {}
            }
        });
    }

    readers.join_all().await;

    assert_eq!(cache.status().flights, 0);
    assert_eq!(cache.status().pending.keys, 0);
}

#[test]
fn caches_are_made_outside_of_a_runtime() {
    for cache in [Cache::noop(), Cache::in_memory(10)] {
        let region = region(&cache);
        drop((region, cache.status()));
    }
}

#[test]
fn a_hit_and_an_invalidation_need_no_runtime() {
    let cache = Cache::in_memory(10);
    let region = region(&cache);

    futures::executor::block_on(async {
        let Ok(value) = region.get_or_load(1, || async { Ok::<u64, Infallible>(7) }).await;
        assert_eq!(*value, 7);
        assert_eq!(region.get(1).await.as_deref(), Some(&7));
        region.invalidate(1).await;
        assert_eq!(region.get(1).await, None);
    });
}
