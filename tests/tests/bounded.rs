//! Every operation ends in time, in every state of the cache and whatever the backend does.

use std::convert::Infallible;
use std::time::Duration;

use tasker_cache::{BreakerSettings, Cache, CircuitState, Invalidation, Usage};
use tasker_cache_testkit::{Fault, Faulty};
use tasker_cache_tests::sim::{Sim, Weather};
use tokio::time::Instant;

/// How long one operation may take.
const OPERATION: Duration = Duration::from_millis(250);

/// How much later a paused clock may say that it ended.
const SLACK: Duration = Duration::from_millis(10);

fn hanging() -> Faulty<Sim> {
    let backend = Faulty::new(Sim::new(1, Weather::CALM));
    backend.always(Fault::Hang);
    backend
}

fn breaker(threshold: u32) -> BreakerSettings {
    BreakerSettings::default().failure_threshold(threshold)
}

/// Runs an operation, which has to end within `limit`.
async fn within<T>(what: &str, limit: Duration, operation: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let done = operation.await;
    assert!(begun.elapsed() <= limit + SLACK, "{what} took {:?}", begun.elapsed());
    done
}

/// Asserts that each operation ends within `limit`, and that no invalidation gets lost.
async fn every_operation_ends_within(limit: Duration, cache: &Cache) {
    let region = cache.region::<u64>(Usage::new("numbers"));
    let load = || async { Ok::<u64, Infallible>(7) };
    for round in 0..3_u64 {
        let loaded = within("get_or_load", limit, region.get_or_load("a", load)).await;
        assert_eq!(loaded.as_deref(), Ok(&7));
        assert_eq!(within("get", limit, region.get("b")).await, None);
        assert_eq!(within("get_many", limit, region.get_many(&["c", "d"])).await, [None, None]);
        within("put", limit, region.put("e", &7)).await;
        for done in [
            within("invalidate", limit, region.invalidate(("f", round))).await,
            within("a prefix", limit, region.invalidate_prefix(("g", round))).await,
            within("delete", limit, cache.delete(("raw", round))).await,
        ] {
            assert_eq!(done, Invalidation::Deferred);
        }
        assert_eq!(within("raw get", limit, cache.get("h")).await, None);
        within("raw set", limit, cache.set("i", "value", OPERATION)).await;
        assert!(!within("health_check", limit, cache.health_check()).await);
    }
    let done = within("invalidate_all", limit, region.invalidate_all()).await;
    assert_eq!(done, Invalidation::Deferred);
    let left = within("close", Cache::CLOSE_DEADLINE, cache.close()).await;
    assert_eq!(left.prefixes, 4);
    assert_eq!(left.keys, 7, "three of the region, three raw ones, and the one that was put");
}

#[tokio::test(start_paused = true)]
async fn of_a_backend_that_hangs() {
    let cache = Cache::builder(hanging()).breaker(breaker(100)).build();
    every_operation_ends_within(OPERATION, &cache).await;
}

#[tokio::test(start_paused = true)]
async fn of_a_backend_that_hangs_and_has_no_breaker() {
    let cache = Cache::builder(hanging()).without_breaker().build();
    every_operation_ends_within(OPERATION, &cache).await;
}

#[tokio::test(start_paused = true)]
async fn at_once_while_the_circuit_is_open() {
    let cache = Cache::builder(hanging()).breaker(breaker(1)).build();
    cache.health_check().await;
    assert_eq!(cache.circuit_state(), Some(CircuitState::Open));
    every_operation_ends_within(Duration::ZERO, &cache).await;
}

#[tokio::test(start_paused = true)]
async fn at_once_before_the_backend_was_reached() {
    let cache = Cache::builder(hanging()).unreachable().build();
    every_operation_ends_within(Duration::ZERO, &cache).await;
}

#[tokio::test(start_paused = true)]
async fn while_the_operators_switch_is_on() {
    let cache = Cache::builder(hanging()).breaker(breaker(100)).build();
    cache.bypass(true);
    every_operation_ends_within(OPERATION, &cache).await;
}

#[tokio::test(start_paused = true)]
async fn of_a_backend_whose_answers_get_lost() {
    let backend = Faulty::new(Sim::new(1, Weather::CALM));
    backend.always(Fault::LostReply);
    let cache = Cache::builder(backend).breaker(breaker(100)).build();
    every_operation_ends_within(OPERATION, &cache).await;
}

/// What is dropped at whichever point is finished by the cache: its key is bypassed until then.
#[tokio::test(start_paused = true)]
async fn an_invalidation_may_be_dropped_at_any_time() {
    for after in 0..20 {
        let cache =
            Cache::builder(Sim::new(after, Weather { latency_ms: 5, ..Weather::CALM })).build();
        let region = cache.region::<u64>(Usage::new("numbers"));
        let read = async |value| {
            let load = || async move { Ok::<u64, Infallible>(value) };
            let Ok(value) = region.get_or_load("a", load).await;
            *value
        };
        assert_eq!(read(1).await, 1);

        let impatient = Duration::from_millis(after);
        let done = tokio::time::timeout(impatient, region.invalidate("a")).await;

        // The first read after it is never older, whether it was dropped or not.
        assert_eq!(read(2).await, 2, "dropped after {impatient:?}: {done:?}");
        let begun = Instant::now();
        while cache.status().pending.keys > 0 {
            assert!(begun.elapsed() < Duration::from_secs(60), "it is never finished");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(read(3).await, if done.is_ok() { 2 } else { 3 });
    }
}
