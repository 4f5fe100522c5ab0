//! What `status()` counts: everything once, and nothing as something else.

use std::convert::Infallible;
use std::time::Duration;

use tasker_cache::{Cache, Consistency, Region, Usage};

fn numbers(cache: &Cache) -> Region<u64> {
    cache.region(Usage::new("numbers").consistency(Consistency::Local))
}

async fn load(region: &Region<u64>, key: u64) {
    let Ok(_) = region.get_or_load(key, || async { Ok::<u64, Infallible>(key) }).await;
}

#[tokio::test]
async fn hits_misses_fills_and_entries_are_told() {
    let cache = Cache::in_memory(100);
    let region = numbers(&cache);
    for key in [1, 2, 1, 1] {
        load(&region, key).await;
    }
    region.get(3).await;
    region.get_many(&[1, 2, 3]).await;

    let status = cache.status();

    assert_eq!((status.counters.hits, status.counters.misses), (4, 4));
    assert_eq!((status.counters.loads, status.counters.fills), (2, 2));
    assert_eq!(status.entries, Some(2));
    assert_eq!(status.regions["numbers"].counters, status.counters);
}

#[tokio::test]
async fn a_bypass_is_never_counted_as_a_miss() {
    let cache = Cache::in_memory(100);
    let (open, ruled) = (numbers(&cache), cache.region::<u64>(Usage::new("ruled")));
    load(&ruled, 1).await;
    ruled.get(1).await;
    cache.bypass(true);
    load(&open, 1).await;
    open.get_many(&[1, 2]).await;
    cache.get("raw").await;

    let counters = cache.status().counters;

    assert_eq!((counters.hits, counters.misses, counters.failed_reads), (0, 0, 0));
    assert_eq!((counters.bypassed_usage, counters.bypassed_operator), (2, 4));
    assert_eq!(counters.bypassed(), 6);
}

#[tokio::test]
async fn a_disabled_cache_bypasses() {
    let cache = Cache::noop();
    load(&numbers(&cache), 1).await;

    let counters = cache.status().counters;

    assert_eq!((counters.misses, counters.bypassed_disabled, counters.loads), (0, 1, 1));
}

#[tokio::test]
async fn handles_of_one_path_share_their_counters() {
    let cache = Cache::in_memory(100);
    for _ in 0..10 {
        load(&numbers(&cache), 1).await;
    }

    let status = cache.status();

    assert_eq!((status.counters.hits, status.counters.misses), (9, 1));
    assert_eq!(status.regions.len(), 1);
}

#[tokio::test]
async fn a_value_over_the_limit_is_counted_and_returned() {
    let cache = Cache::builder(tasker_cache_moka::Moka::new(100)).max_value_bytes(8).build();
    let region = cache.region::<String>(Usage::new("texts").consistency(Consistency::Local));
    let long = || async { Ok::<String, Infallible>("longer than eight bytes".to_owned()) };

    let Ok(value) = region.get_or_load("a", long).await;
    cache.set("raw", "short", Duration::from_secs(60)).await;
    cache.set("raw", "longer than eight bytes", Duration::from_secs(60)).await;

    assert_eq!(value.len(), 23);
    assert_eq!(region.get("a").await, None);
    assert_eq!(cache.get("raw").await, None, "the old value does not outlive its replacement");
    assert_eq!(cache.status().counters.too_large, 2);
}

#[tokio::test]
async fn a_status_is_one_line_for_people_and_an_object_for_machines() {
    let cache = Cache::in_memory(100);
    let _ = cache.region::<u64>(Usage::new("ruled"));
    load(&numbers(&cache), 1).await;

    let line = cache.status().to_string();
    let object = serde_json::to_value(cache.status()).expect("it has no odd keys");

    assert_eq!(
        line,
        "moka (local to this process), 1 entry; 0 hits, 1 miss, 0 failed, 0 bypassed; \
         1 load, 0 coalesced; region 'ruled' disabled by the usage rule"
    );
    assert_eq!(object["backend"], "moka");
    assert_eq!(object["circuit"], serde_json::Value::Null);
    assert_eq!(object["pending"]["keys"], 0);
    assert_eq!(object["regions"]["numbers"]["counters"]["fills"], 1);
}

#[tokio::test]
async fn an_open_circuit_is_told() {
    use tasker_cache_tests::sim::{Sim, Weather};

    let store = Sim::new(1, Weather::CALM);
    store.reachable(false);
    let cache = Cache::builder(store).build();
    for _ in 0..5 {
        cache.health_check().await;
    }
    cache.delete("a").await;
    cache.get("b").await;

    let status = cache.status();

    assert!(status.to_string().starts_with(
        "sim (shared between processes), circuit open, pending invalidations: 1 key and 0 prefixes"
    ));
    assert!(status.to_string().contains("0 failed, 1 bypassed (circuit 1); 0 loads"), "{status}");
    let object = serde_json::to_value(status).expect("it has no odd keys");
    assert_eq!(object["circuit"], "open");
}

#[tokio::test]
async fn the_longest_ttl_may_be_shortened_at_random() {
    let cache = Cache::in_memory(10);
    let usage = Usage::new("r").consistency(Consistency::Local);
    let region = cache.region::<u64>(usage.ttl(Duration::MAX).jitter(f64::MIN_POSITIVE));

    region.put("k", &1).await;

    assert_eq!(region.get("k").await.as_deref(), Some(&1));
}
