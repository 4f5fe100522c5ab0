//! What a cache records, as a Prometheus server would collect it.

#![expect(clippy::expect_used, reason = "a test's helpers expect what the test needs")]

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tasker_cache::telemetry::{COMMON_LABELS, DURATION_BUCKETS, LABELS, MAX_REGIONS, METRICS};
use tasker_cache::{BreakerSettings, Cache, Consistency, Invalidation, Usage};
use tasker_cache_core::ErrorKind;
use tasker_cache_moka::{Moka, MokaConfig};
use tasker_cache_testkit::{Fault, Faulty};
use tasker_cache_tests::exposition::{Exposition, Sample};
use tasker_cache_tests::sim::{Sim, Weather};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

/// Runs a scenario with a recorder of its own, on a paused clock.
fn recorded<F: Future>(scenario: impl FnOnce(PrometheusHandle) -> F) -> F::Output {
    let recorder = PrometheusBuilder::new()
        .set_buckets(&DURATION_BUCKETS)
        .expect("there are buckets")
        .build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime")
            .block_on(scenario(handle))
    })
}

fn collected(handle: &PrometheusHandle) -> Exposition {
    Exposition::parse(&handle.render())
}

fn local(path: &str) -> Usage {
    Usage::new(path).consistency(Consistency::Local)
}

/// A store that other processes share, as far as its cache can tell.
fn shared() -> Sim {
    Sim::new(1, Weather { latency_ms: 1, ..Weather::CALM })
}

async fn one() -> Result<u32, Infallible> {
    Ok(1)
}

#[test]
fn a_read_is_counted_by_region_and_outcome() {
    recorded(async |handle| {
        let cache = Cache::in_memory(100);
        let region = cache.region::<u32>(local("numbers"));
        for _ in 0..3 {
            region.get_or_load([1], one).await.expect("it loads");
        }
        cache.bypass(true);
        region.get([1]).await;

        let seen = collected(&handle);
        let reads = |outcome, reason| {
            let labels = [("region", "numbers"), ("outcome", outcome), ("reason", reason)];
            seen.value("tasker_cache_requests_total", &labels)
        };
        assert_eq!(reads("hit", "none"), Some(2.0));
        assert_eq!(reads("miss", "none"), Some(1.0));
        assert_eq!(reads("failed", "none"), Some(0.0));
        assert_eq!(reads("bypass", "operator"), Some(1.0));
        assert_eq!(reads("bypass", "circuit"), Some(0.0));
    });
}

#[test]
fn every_counter_of_the_status_is_a_series_with_the_same_number() {
    recorded(async |handle| {
        let store = Faulty::new(shared());
        let cache = Cache::builder(store.clone()).without_breaker().build();
        let region = cache.region::<u32>(Usage::new("numbers"));
        region.get_or_load([1], one).await.expect("it loads");
        region.invalidate([1]).await;
        store.script([Some(Fault::Error(ErrorKind::Timeout))]);
        assert_eq!(region.invalidate([2]).await, Invalidation::Deferred);
        cache.set(["raw"], "value", Duration::from_secs(60)).await;

        let seen = collected(&handle);
        let counted = cache.status().counters;
        let sum = |name| seen.samples(name).map(|sample| sample.value).sum::<f64>();
        let counts = [
            ("tasker_cache_invalidations_total", counted.invalidations),
            ("tasker_cache_invalidations_deferred_total", counted.deferred),
            ("tasker_cache_fills_total", counted.fills),
            ("tasker_cache_load_duration_seconds_count", counted.loads),
        ];
        for (name, count) in counts {
            assert!(count > 0, "{name}");
            assert_eq!(sum(name).to_string(), count.to_string(), "{name}");
        }
    });
}

#[test]
fn a_load_is_timed_by_its_result() {
    recorded(async |handle| {
        let region = Cache::in_memory(100).region::<u32>(local("numbers"));
        let slow = async || {
            sleep(Duration::from_secs(2)).await;
            Ok::<_, ()>(1)
        };
        region.get_or_load([1], slow).await.expect("it loads");
        region.get_or_load([2], async || Err::<u32, _>(())).await.expect_err("it fails");
        let given_up = region.get_or_load([3], slow);
        timeout(Duration::from_secs(1), given_up).await.expect_err("it is too slow");

        let seen = collected(&handle);
        let loads = |what: &str, result| {
            let name = format!("tasker_cache_load_duration_seconds_{what}");
            seen.value(&name, &[("region", "numbers"), ("result", result)])
        };
        assert_eq!(loads("count", "ok"), Some(1.0));
        assert_eq!(loads("sum", "ok"), Some(2.0));
        assert_eq!(loads("count", "failed"), Some(1.0));
        assert_eq!(loads("count", "abandoned"), Some(1.0));
        assert_eq!(loads("sum", "abandoned"), Some(1.0));
    });
}

#[test]
fn a_reader_that_shares_a_load_is_counted_as_coalesced() {
    recorded(async |handle| {
        let region = Cache::in_memory(100).region::<u32>(local("numbers"));
        let (begun, go) = (Notify::new(), Notify::new());
        let leader = region.get_or_load([1], async || {
            begun.notify_one();
            go.notified().await;
            Ok::<_, Infallible>(1)
        });
        let follower = async {
            begun.notified().await;
            let read = region.get_or_load([1], one);
            // The reader has joined once it waits.
            let released = async {
                sleep(Duration::from_millis(1)).await;
                go.notify_one();
            };
            tokio::join!(read, released).0
        };
        let (led, joined) = tokio::join!(leader, follower);
        assert_eq!((*led.expect("it loads"), *joined.expect("it is shared")), (1, 1));

        let labels = [("region", "numbers")];
        let seen = collected(&handle);
        assert_eq!(seen.value("tasker_cache_coalesced_reads_total", &labels), Some(1.0));
    });
}

#[test]
fn operations_of_a_shared_backend_are_timed_by_operation_and_result() {
    recorded(async |handle| {
        let store = Faulty::new(shared());
        let cache = Cache::builder(store.clone()).prefix("app").build();
        cache.set(["key"], "value", Duration::from_secs(60)).await;
        cache.get(["key"]).await;
        store.script([Some(Fault::Error(ErrorKind::Timeout))]);
        cache.get(["key"]).await;

        let seen = collected(&handle);
        let operations = |operation, result| {
            let name = "tasker_cache_backend_operation_duration_seconds_count";
            let labels = [("prefix", "app"), ("operation", operation), ("result", result)];
            seen.value(name, &labels)
        };
        assert_eq!(operations("set", "ok"), Some(1.0));
        assert_eq!(operations("get", "ok"), Some(1.0));
        assert_eq!(operations("get", "timed_out"), Some(1.0));
        assert_eq!(operations("delete", "ok"), None);
    });
}

#[test]
fn an_operation_that_outlives_its_deadline_is_abandoned() {
    recorded(async |handle| {
        let store = Faulty::new(shared());
        let cache = Cache::builder(store.clone()).build();
        store.script([Some(Fault::Hang)]);
        assert_eq!(cache.get(["key"]).await, None);

        let labels = [("operation", "get"), ("result", "abandoned")];
        let name = "tasker_cache_backend_operation_duration_seconds_count";
        assert_eq!(collected(&handle).value(name, &labels), Some(1.0));
    });
}

#[test]
fn operations_in_memory_are_not_timed() {
    recorded(async |handle| {
        Cache::in_memory(100).get(["key"]).await;

        let name = "tasker_cache_backend_operation_duration_seconds_count";
        assert_eq!(collected(&handle).samples(name).count(), 0);
    });
}

#[test]
fn an_outage_shows_in_the_circuit_and_in_what_is_pending_until_it_is_over() {
    recorded(async |handle| {
        let store = shared();
        let breaker =
            BreakerSettings::default().failure_threshold(1).timeout(Duration::from_secs(5));
        let cache = Cache::builder(store.clone()).breaker(breaker).build();
        let region = cache.region::<u32>(Usage::new("numbers"));
        let gauge = |name: &str, labels: &[_]| collected(&handle).value(name, labels);
        let circuit = || gauge("tasker_cache_circuit_state", &[]);
        let pending = |target| gauge("tasker_cache_pending_invalidations", &[("target", target)]);
        assert_eq!(circuit(), Some(0.0));
        assert_eq!(pending("key"), Some(0.0));

        store.reachable(false);
        assert_eq!(region.invalidate([1]).await, Invalidation::Deferred);
        assert_eq!(region.invalidate_all().await, Invalidation::Deferred);
        assert_eq!(circuit(), Some(2.0));
        assert_eq!(pending("key"), Some(1.0));
        assert_eq!(pending("prefix"), Some(1.0));

        store.reachable(true);
        let mut states = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(60);
        while states.last() != Some(&Some(0.0)) && Instant::now() < deadline {
            states.push(circuit());
            states.dedup();
            sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(states, [Some(2.0), Some(1.0), Some(0.0)]);
        while pending("prefix") != Some(0.0) && Instant::now() < deadline {
            sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(pending("key"), Some(0.0));
        assert_eq!(pending("prefix"), Some(0.0));
        let times = |state| gauge("tasker_cache_circuit_transitions_total", &[("state", state)]);
        assert_eq!(["open", "half-open", "closed"].map(times), [Some(1.0); 3]);
    });
}

#[test]
fn an_invalidation_that_was_seen_under_way_is_no_longer_pending_once_it_is_applied() {
    recorded(async |handle| {
        let store = Faulty::new(shared());
        let cache = Cache::builder(store.clone()).without_operation_timeout().build();
        let region = cache.region::<u32>(Usage::new("numbers"));
        let pending = || {
            let labels = [("target", "key")];
            collected(&handle).value("tasker_cache_pending_invalidations", &labels)
        };
        store.script([Some(Fault::Delay(Duration::from_secs(1)))]);
        let seen_under_way = async {
            sleep(Duration::from_millis(500)).await;
            drop(cache.status());
            pending()
        };

        let (done, under_way) = tokio::join!(region.invalidate([1]), seen_under_way);

        assert_eq!((done, under_way), (Invalidation::Applied, Some(1.0)));
        assert_eq!(pending(), Some(0.0));
    });
}

#[test]
fn entries_and_bytes_are_told_as_of_the_last_status() {
    recorded(async |handle| {
        let limits = MokaConfig::default().max_bytes(1_000);
        let cache = Cache::builder(Moka::with_config(limits)).build();
        cache.set(["a"], "12345", Duration::from_secs(60)).await;
        cache.set(["b"], "12345", Duration::from_secs(60)).await;
        assert_eq!(cache.status().entries, Some(2));

        let seen = collected(&handle);
        assert_eq!(seen.value("tasker_cache_entries", &[]), Some(2.0));
        assert_eq!(seen.value("tasker_cache_payload_bytes", &[]), Some(10.0));
    });
}

#[test]
fn keys_and_regions_without_end_make_no_series_without_end() {
    recorded(async |handle| {
        let cache = Cache::in_memory(10_000);
        let visit = async |tenant: u64, key: u64| {
            let region = cache.region::<u32>(local(&format!("tenant:{tenant}")));
            region.get_or_load([key], one).await.expect("it loads");
            region.invalidate([key]).await;
            cache.get([format!("raw-{key}")]).await;
        };
        visit(0, 0).await;
        let of_one = collected(&handle).count();
        for _ in 0..1_000 {
            visit(0, fastrand::u64(..)).await;
        }
        assert_eq!(collected(&handle).count(), of_one, "keys make no series");

        for tenant in 1..3 * MAX_REGIONS as u64 {
            visit(tenant, fastrand::u64(..)).await;
        }
        let seen = collected(&handle);
        let regions = seen.values_of("region");
        assert_eq!(regions.len(), MAX_REGIONS + 2, "theirs, the raw keys' and the others'");
        let others = [("region", "(other)"), ("outcome", "miss")];
        let reads = seen.value("tasker_cache_requests_total", &others).expect("there are");
        assert_eq!(reads.to_string(), (2 * MAX_REGIONS).to_string());
    });
}

#[test]
fn caches_are_told_apart_by_their_backend_and_prefix() {
    recorded(async |handle| {
        let first = Cache::builder(Moka::new(10)).prefix("first").build();
        let second = Cache::builder(Moka::new(10)).prefix("second").build();
        first.get(["key"]).await;
        for _ in 0..2 {
            second.get(["key"]).await;
        }

        let seen = collected(&handle);
        let misses = |prefix| {
            let labels = [("backend", "moka"), ("prefix", prefix), ("outcome", "miss")];
            seen.value("tasker_cache_requests_total", &labels)
        };
        assert_eq!((misses("first"), misses("second")), (Some(1.0), Some(2.0)));
    });
}

/// Everything that the other tests do, in one.
async fn a_bit_of_everything(cache: &Cache) {
    let region = cache.region::<u32>(Usage::new("numbers").consistency(Consistency::Local));
    region.get_or_load([1], one).await.expect("it loads");
    region.get_or_load([2], async || Err::<u32, _>(())).await.expect_err("it fails");
    region.get([1]).await;
    region.invalidate([1]).await;
    cache.set(["raw"], "value", Duration::from_secs(60)).await;
    cache.get(["raw"]).await;
    cache.health_check().await;
}

#[test]
fn what_is_recorded_is_what_is_listed() {
    recorded(async |handle| {
        let limits = MokaConfig::default().max_bytes(1_000);
        a_bit_of_everything(&Cache::builder(Moka::with_config(limits)).build()).await;
        let store = Arc::new(Faulty::new(shared()));
        a_bit_of_everything(&Cache::builder(Arc::clone(&store)).build()).await;

        let seen = collected(&handle);
        for metric in METRICS {
            let kind = seen.kind(metric.name);
            assert_eq!(kind, Some(metric.kind.as_str()), "the type of {}", metric.name);
            assert_eq!(seen.help(metric.name), Some(metric.help));
        }
        assert_eq!(seen.names().len(), METRICS.len(), "{:?}", seen.names());
        for sample in seen.all() {
            check(&seen, sample);
        }
    });
}

/// Checks that a sample has the labels of its metric, and no value that isn't listed.
fn check(seen: &Exposition, sample: &Sample) {
    let name = seen.family(&sample.name);
    let metric = METRICS.iter().find(|metric| metric.name == name).expect("it is listed");
    let mut labels: Vec<&str> = sample.labels.keys().map(String::as_str).collect();
    labels.retain(|label| *label != "le");
    let mut expected: Vec<&str> = COMMON_LABELS.iter().chain(metric.labels).copied().collect();
    expected.sort_unstable();
    assert_eq!(labels, expected, "{}", sample.name);
    for (label, values) in LABELS {
        if let Some(value) = sample.labels.get(*label) {
            assert!(values.contains(&value.as_str()), "{}: {label}={value}", sample.name);
        }
    }
}
