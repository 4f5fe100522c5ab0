//! What happens while the store is away, and after: nothing is forgotten, and no request pays.

use std::convert::Infallible;
use std::time::Duration;

use tasker_cache::{BreakerSettings, Cache, CircuitState, Invalidation, Region, Usage};
use tasker_cache_core::{Backend, ErrorKind};
use tasker_cache_testkit::{Fault, Faulty, Recorder};
use tasker_cache_tests::limited::Limited;
use tasker_cache_tests::sim::{Sim, Weather};
use tokio::time::{Instant, sleep};

const TIMEOUT: Duration = Duration::from_secs(1);

fn store() -> Sim {
    Sim::new(1, Weather::CALM)
}

fn cache_over(store: &(impl Backend + Clone)) -> Cache {
    let breaker =
        BreakerSettings::default().failure_threshold(2).success_threshold(2).timeout(TIMEOUT);
    Cache::builder(store.clone()).breaker(breaker).build()
}

fn numbers(cache: &Cache) -> Region<u64> {
    cache.region(Usage::new("numbers"))
}

async fn load(region: &Region<u64>, key: &str, value: u64) -> u64 {
    let Ok(value) = region.get_or_load(key, || async move { Ok::<u64, Infallible>(value) }).await;
    *value
}

async fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited for {what} in vain");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn open_circuit(cache: &Cache) {
    for _ in 0..2 {
        assert!(!cache.health_check().await);
    }
    assert_eq!(cache.circuit_state(), Some(CircuitState::Open));
}

#[tokio::test(start_paused = true)]
async fn a_deferred_invalidation_bypasses_its_key_only_and_is_applied_later() {
    let store = store();
    let cache = cache_over(&store);
    let region = numbers(&cache);
    load(&region, "a", 1).await;
    load(&region, "b", 1).await;
    store.reachable(false);

    assert_eq!(region.invalidate("a").await, Invalidation::Deferred);
    store.reachable(true);

    assert_eq!(load(&region, "a", 2).await, 2);
    assert_eq!(load(&region, "b", 2).await, 1);
    assert_eq!(region.get("a").await, None);
    assert_eq!(cache.status().pending.keys, 1);
    until("the replay", || cache.status().pending.keys == 0).await;
    assert_eq!(load(&region, "a", 3).await, 3);
    assert_eq!(load(&region, "a", 4).await, 3);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_invalidation_is_finished_by_the_cache() {
    let store = store();
    let cache = cache_over(&store);
    let region = numbers(&cache);
    load(&region, "a", 1).await;
    store.reachable(false);

    let impatient = tokio::time::timeout(Duration::ZERO, region.invalidate("a")).await;
    store.reachable(true);

    assert!(impatient.is_err());
    assert_eq!(load(&region, "a", 2).await, 2);
    until("the replay", || cache.status().pending.keys == 0).await;
    assert_eq!(load(&region, "a", 3).await, 3);
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_sends_nothing_for_a_request() {
    let store = store();
    let cache = cache_over(&store);
    let region = numbers(&cache);
    store.reachable(false);
    open_circuit(&cache).await;
    store.reachable(true);
    let before = store.executed();

    for _ in 0..100 {
        assert_eq!(load(&region, "a", 1).await, 1);
        assert_eq!(region.get("a").await, None);
        assert_eq!(cache.get("a").await, None);
        cache.set("a", "value", TIMEOUT).await;
        assert_eq!(cache.delete("a").await, Invalidation::Deferred);
        assert!(!cache.health_check().await);
    }

    assert_eq!(store.executed(), before);
    assert_eq!(cache.status().counters.bypassed_circuit, 300);
}

#[tokio::test(start_paused = true)]
async fn the_circuit_closes_without_any_request() {
    let store = store();
    let cache = cache_over(&store);
    store.reachable(false);
    open_circuit(&cache).await;
    sleep(TIMEOUT * 5).await;
    assert_ne!(cache.circuit_state(), Some(CircuitState::Closed));

    store.reachable(true);
    let back = Instant::now();

    until("the circuit", || cache.circuit_state() == Some(CircuitState::Closed)).await;
    assert!(back.elapsed() < TIMEOUT + Duration::from_secs(2), "took {:?}", back.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_probe_has_the_store_connected_before_it_deletes() {
    let store = store();
    let cache = cache_over(&Limited::to_those_who_ping(store.clone()));
    store.reachable(false);
    open_circuit(&cache).await;
    assert_eq!(numbers(&cache).invalidate("a").await, Invalidation::Deferred);

    store.reachable(true);

    until("the circuit", || cache.circuit_state() == Some(CircuitState::Closed)).await;
    assert_eq!(cache.status().pending.keys, 0);
}

#[tokio::test(start_paused = true)]
async fn everything_deferred_is_applied_before_the_first_hit() {
    let store = store();
    let (cache, other) = (cache_over(&store), cache_over(&store));
    let (region, elsewhere) = (numbers(&cache), numbers(&other));
    for key in 0..2_000_u64 {
        load(&elsewhere, &key.to_string(), 1).await;
    }
    store.reachable(false);
    open_circuit(&cache).await;
    for key in 0..2_000_u64 {
        assert_eq!(region.invalidate(key).await, Invalidation::Deferred);
    }
    store.reachable(true);

    until("the circuit", || cache.circuit_state() == Some(CircuitState::Closed)).await;

    for key in 0..2_000_u64 {
        assert_eq!(load(&region, &key.to_string(), 2).await, 2, "key {key}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_deletes_one_by_one_gets_on_too() {
    let store = Sim::new(1, Weather { one_by_one: true, ..Weather::CALM });
    let cache = cache_over(&store);
    let region = numbers(&cache);
    store.reachable(false);
    open_circuit(&cache).await;
    for key in 0..300_u64 {
        region.invalidate(key).await;
    }
    store.reachable(true);

    until("the replay", || cache.status().pending.keys == 0).await;
    until("the circuit", || cache.circuit_state() == Some(CircuitState::Closed)).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_journal_widens_to_the_region_and_forgets_nothing() {
    let store = store();
    let cache = cache_over(&store);
    let region = numbers(&cache);
    let calm = cache.region::<u64>(Usage::new("calm"));
    load(&region, "never-invalidated", 1).await;
    load(&calm, "a", 1).await;
    store.reachable(false);
    open_circuit(&cache).await;
    for key in 0..100_000_u64 {
        assert_eq!(region.invalidate(key).await, Invalidation::Deferred);
    }

    let pending = cache.status().pending;
    assert!(pending.keys <= 10_000 && pending.prefixes == 1, "{pending:?}");
    store.reachable(true);
    until("the replay", || cache.status().pending.keys + cache.status().pending.prefixes == 0)
        .await;
    until("the circuit", || cache.circuit_state() == Some(CircuitState::Closed)).await;
    assert_eq!(load(&region, "never-invalidated", 2).await, 2);
    assert_eq!(load(&calm, "a", 2).await, 1);
}

#[tokio::test(start_paused = true)]
async fn raw_keys_of_many_kinds_widen_to_all_raw_keys() {
    let store = store();
    let cache = cache_over(&store);
    cache.set(["kept", "a"], "old", TIMEOUT * 3_600).await;
    store.reachable(false);
    open_circuit(&cache).await;
    for key in 0..20_000_u64 {
        cache.delete(key).await;
    }

    let pending = cache.status().pending;
    assert!(pending.keys <= 10_000 && pending.prefixes == 1, "{pending:?}");
    store.reachable(true);
    until("the circuit", || cache.circuit_state() == Some(CircuitState::Closed)).await;
    until("the replay", || cache.status().pending.prefixes == 0).await;
    assert_eq!(cache.get(["kept", "a"]).await, None);
}

#[tokio::test(start_paused = true)]
async fn recovery_works_without_a_breaker_too() {
    let store = store();
    let cache = Cache::builder(store.clone()).without_breaker().build();
    let region = numbers(&cache);
    load(&region, "a", 1).await;
    store.reachable(false);
    assert_eq!(region.invalidate("a").await, Invalidation::Deferred);
    store.reachable(true);

    until("the replay", || cache.status().pending.keys == 0).await;

    assert_eq!(load(&region, "a", 2).await, 2);
    assert_eq!(cache.circuit_state(), None);
}

#[tokio::test(start_paused = true)]
async fn close_tries_once_more_and_tells_what_is_left() {
    let store = store();
    let cache = cache_over(&store);
    let region = numbers(&cache);
    store.reachable(false);
    region.invalidate("a").await;
    region.invalidate_prefix("b").await;

    let left = cache.close().await;
    assert_eq!((left.keys, left.prefixes), (1, 1));
    assert_eq!(left.to_string(), "1 key and 1 prefix left to invalidate");

    store.reachable(true);
    assert!(cache.close().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_operators_switch_stops_reads_and_not_invalidations() {
    let store = store();
    let cache = cache_over(&store);
    let region = numbers(&cache);
    load(&region, "a", 1).await;

    cache.bypass(true);
    assert_eq!(load(&region, "a", 2).await, 2);
    assert_eq!(region.get("a").await, None);
    assert_eq!(region.invalidate("a").await, Invalidation::Applied);
    cache.bypass(false);

    assert_eq!(load(&region, "a", 3).await, 3);
    assert_eq!(cache.status().counters.bypassed_operator, 2);
}

#[tokio::test(start_paused = true)]
async fn a_put_survives_and_loses_to_an_invalidation() {
    let store = store();
    let cache = cache_over(&store);
    let region = numbers(&cache);

    region.put("a", &7).await;
    assert_eq!(region.get("a").await.as_deref(), Some(&7));

    store.reachable(false);
    region.invalidate("a").await;
    store.reachable(true);
    region.put("b", &8).await;
    assert_eq!(region.get("a").await, None);
    assert_eq!(region.get("b").await.as_deref(), Some(&8));
}

#[tokio::test(start_paused = true)]
async fn a_put_seals_the_load_that_is_running() {
    let cache = cache_over(&store());
    let region = numbers(&cache);
    let reader = tokio::spawn({
        let region = region.clone();
        async move {
            let old = || async {
                sleep(TIMEOUT).await;
                Ok::<u64, Infallible>(1)
            };
            region.get_or_load("a", old).await.map(|value| *value)
        }
    });
    sleep(TIMEOUT / 2).await;

    region.put("a", &2).await;

    assert_eq!(reader.await.expect("no panic"), Ok(1));
    assert_eq!(region.get("a").await.as_deref(), Some(&2));
}

#[test]
fn a_cache_that_outlives_a_runtime_recovers_on_the_next_one() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without I/O can be built")
    };
    let store = store();
    let cache = cache_over(&store);
    let region = numbers(&cache);
    runtime().block_on(async {
        store.reachable(false);
        open_circuit(&cache).await;
        assert_eq!(region.invalidate("a").await, Invalidation::Deferred);
    });

    runtime().block_on(async {
        store.reachable(true);
        assert_eq!(load(&region, "a", 2).await, 2);
        until("the replay", || cache.status().pending.keys == 0).await;
        until("the circuit", || cache.circuit_state() == Some(CircuitState::Closed)).await;
    });
}

/// A runtime may be left alone for ever, as one that a test or a script keeps in a variable.
#[test]
fn a_runtime_that_is_not_driven_any_more_does_not_keep_the_recovery() {
    let runtime = || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().build().expect("a runtime without I/O can be built")
    };
    let backend = Faulty::new(Sim::new(1, Weather { latency_ms: 0, ..Weather::CALM }));
    let breaker = BreakerSettings::default().failure_threshold(2).timeout(TIMEOUT / 10);
    let cache =
        Cache::builder(backend.clone()).breaker(breaker).without_operation_timeout().build();
    let region = numbers(&cache);
    let idle = runtime();
    idle.block_on(async {
        backend.always(Fault::Error(ErrorKind::Unavailable));
        open_circuit(&cache).await;
        // It is left in the middle of a probe, and takes the right to probe along.
        backend.always(Fault::Hang);
        until("a probe", || cache.circuit_state() == Some(CircuitState::HalfOpen)).await;
        assert_eq!(region.invalidate("a").await, Invalidation::Deferred);
    });
    backend.heal();

    runtime().block_on(async {
        let begun = Instant::now();
        while cache.circuit_state() != Some(CircuitState::Closed) {
            assert!(begun.elapsed() < Duration::from_secs(60), "nobody took over");
            load(&region, "a", 2).await;
            sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(cache.status().pending.keys, 0);
    });
    drop(idle);
}

#[tokio::test(start_paused = true)]
async fn the_recovery_task_ends_with_the_last_handle() {
    let store = store();
    let cache = cache_over(&store);
    store.reachable(false);
    open_circuit(&cache).await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(tasks(), 1);

    drop(cache);

    until("the task's end", || tasks() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_not_reachable_at_first_is_used_once_it_is() {
    let (recorder, store) = (Recorder::default(), store());
    let _recording = recorder.install();
    store.reachable(false);
    let cache = Cache::builder(store.clone()).unreachable().build();
    let region = numbers(&cache);
    assert_eq!(cache.circuit_state(), Some(CircuitState::Open));

    assert_eq!(load(&region, "a", 1).await, 1);
    assert_eq!(region.invalidate("a").await, Invalidation::Deferred);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(store.executed(), 0);
    assert_eq!(recorder.count("Circuit breaker half-open (testing recovery)"), 0);
    store.reachable(true);

    until("the backend is used", || cache.circuit_state() == Some(CircuitState::Closed)).await;
    until("it is said", || recorder.count("Cache backend connected (recovered)") == 1).await;
    assert_eq!(recorder.count("Circuit breaker opened (failing fast)"), 0);
    assert_eq!(cache.status().pending.keys, 0);
    assert_eq!((load(&region, "a", 2).await, load(&region, "a", 3).await), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn without_a_breaker_the_first_answer_is_told_too() {
    let (recorder, store) = (Recorder::default(), store());
    let _recording = recorder.install();
    store.reachable(false);
    let _cache = Cache::builder(store.clone()).unreachable().without_breaker().build();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(recorder.count("Cache backend connected (recovered)"), 0);

    store.reachable(true);

    until("it is said", || recorder.count("Cache backend connected (recovered)") == 1).await;
}
