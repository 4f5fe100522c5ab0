//! The log lines that operators and their alerts rely on: word for word, and once each.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::time::Duration;

use tasker_cache::{Cache, Config, Consistency, Invalidation, Region, Usage, tasker};
use tasker_cache_testkit::{Recorded, Recorder};
use tracing::Level;

/// Makes the cache that this TOML describes.
async fn connect(toml: &str) -> Cache {
    match Config::from_toml_str(toml) {
        Ok(config) => Cache::connect(&config).await,
        Err(error) => panic!("{error}"),
    }
}

fn printed(recorder: &Recorder) -> Vec<String> {
    recorder.lines().iter().map(Recorded::to_string).collect()
}

fn at(recorder: &Recorder, level: Level) -> Vec<String> {
    let lines = recorder.lines().into_iter().filter(|line| line.level == level);
    lines.map(|line| line.to_string()).collect()
}

fn load<V>(value: V) -> Ready<Result<V, Infallible>> {
    ready(Ok(value))
}

#[tokio::test]
async fn a_cache_that_is_turned_off_says_so() {
    let recorder = Recorder::default();
    let _recording = recorder.install();

    let cache = connect("[common.cache]\nenabled = false").await;

    assert_eq!(printed(&recorder), ["INFO Distributed cache disabled by configuration"]);
    assert_eq!((cache.backend_name(), cache.is_enabled()), ("noop", false));
    let region: Region<u64> = cache.region(Usage::new("a"));
    assert_eq!(region.invalidate("a").await, Invalidation::Applied);
}

#[tokio::test]
async fn moka_says_how_much_it_holds() {
    let recorder = Recorder::default();
    let _recording = recorder.install();

    let cache = connect("[common.cache]\nenabled = true\nbackend = 'In-Memory'").await;

    let line = &recorder.lines()[0];
    assert_eq!(
        (line.level, line.message.as_str()),
        (Level::INFO, "In-memory cache provider initialized")
    );
    assert_eq!((line.field("backend"), line.field("max_capacity")), (Some("moka"), Some("10000")));
    assert_eq!(recorder.lines().len(), 1);
    assert_eq!(cache.backend_name(), "moka");
}

#[tokio::test]
async fn a_backend_that_nobody_knows_is_named_beside_those_that_are() {
    let recorder = Recorder::default();
    let _recording = recorder.install();

    let cache = connect("[common.cache]\nenabled = true\nbackend = 'couchbase'").await;

    let line = &recorder.lines()[0];
    assert_eq!(line.level, Level::WARN);
    assert_eq!(
        line.message,
        "Unknown cache backend 'couchbase', falling back to NoOp cache (graceful degradation); \
         known are redis, dragonfly, memcached, moka, memory, in-memory"
    );
    assert_eq!(recorder.lines().len(), 1);
    let region: Region<u64> = cache.region(Usage::new("a"));
    assert_eq!(region.invalidate("a").await, Invalidation::Unavailable);
}

#[tokio::test]
async fn a_file_that_can_not_be_used_is_one_warning() {
    let recorder = Recorder::default();
    let _recording = recorder.install();

    let cache = Cache::from_path("no/such/tasker.toml").await;

    let line = &recorder.lines()[0];
    assert_eq!(line.level, Level::WARN);
    assert_eq!(
        line.message,
        "Cache configuration can't be used, falling back to NoOp cache (graceful degradation)"
    );
    let error = line.field("error").unwrap_or_default();
    assert!(error.starts_with("no/such/tasker.toml: there is no such file"), "{error}");
    assert_eq!(recorder.lines().len(), 1);
    assert!(cache.status().is_stand_in);
}

#[tokio::test]
async fn templates_on_moka_load_each_time_with_the_guides_warning_once() {
    let recorder = Recorder::default();
    let _recording = recorder.install();
    let cache = Cache::in_memory(100);
    let key = tasker::TemplateKey::new("payments", "refund", "1.0.0");

    for read in 0..5_u64 {
        let Ok(value) = tasker::templates(&cache).get_or_load(&key, || load(read)).await;
        assert_eq!(*value, read, "each one is from the database");
    }

    assert_eq!(
        at(&recorder, Level::WARN),
        ["WARN Cache provider 'moka' is not safe for template caching (in-memory cache would \
          drift from worker invalidations). Template caching disabled. backend=moka"]
    );
    assert_eq!(cache.status().counters.bypassed_usage, 5);
}

#[tokio::test]
async fn any_other_region_that_needs_a_shared_backend_warns_once_per_region() {
    let recorder = Recorder::default();
    let _recording = recorder.install();
    let cache = Cache::in_memory(100);

    for path in ["session", "session", "profile"] {
        let region: Region<u64> = cache.region(Usage::new(path));
        assert!(!region.is_enabled());
    }

    let messages: Vec<_> = recorder.lines().into_iter().map(|line| line.message).collect();
    assert_eq!(
        messages,
        [
            "Cache provider 'moka' is not shared between processes; region 'session' disabled",
            "Cache provider 'moka' is not shared between processes; region 'profile' disabled",
        ]
    );
}

#[tokio::test]
async fn performance_metrics_tell_a_miss_and_then_hits() {
    let recorder = Recorder::default();
    let _recording = recorder.install();
    let cache = Cache::in_memory(100);

    for _ in 0..2 {
        let Ok(_) = tasker::performance_metrics(&cache).get_or_load(24, || load(7_u64)).await;
    }

    assert_eq!(
        at(&recorder, Level::DEBUG),
        [
            "DEBUG Performance metrics cache MISS, querying DB hours=24",
            "DEBUG Performance metrics cache HIT hours=24",
        ]
    );
    assert!(at(&recorder, Level::WARN).is_empty(), "any backend will do");
}

#[tokio::test]
async fn bottlenecks_tell_a_miss_and_then_hits() {
    let recorder = Recorder::default();
    let _recording = recorder.install();
    let cache = Cache::in_memory(100);

    for _ in 0..2 {
        let Ok(_) = tasker::bottlenecks(&cache).get_or_load((10, 5), || load(7_u64)).await;
    }

    assert_eq!(
        at(&recorder, Level::DEBUG),
        [
            "DEBUG Bottleneck analysis cache MISS, querying DB limit=10 min_executions=5",
            "DEBUG Bottleneck analysis cache HIT limit=10 min_executions=5",
        ]
    );
}

#[tokio::test]
async fn a_second_usage_of_a_path_is_one_warning() {
    let recorder = Recorder::default();
    let _recording = recorder.install();
    let cache = Cache::in_memory(100);
    let usage = || Usage::new("a").consistency(Consistency::Local);

    for seconds in [1, 2, 3] {
        let _: Region<u64> = cache.region(usage().ttl(Duration::from_secs(seconds)));
    }

    assert_eq!(
        printed(&recorder),
        ["WARN A region is used in two different ways; the first usage holds region=a"]
    );
}

#[tokio::test]
async fn a_value_without_an_encoded_form_is_told_once() {
    let recorder = Recorder::default();
    let _recording = recorder.install();
    let cache = Cache::in_memory(10);
    let region = cache.region(Usage::new("pairs").consistency(Consistency::Local));
    let unnamed = HashMap::from([((1, 2), 3)]);

    for _ in 0..3 {
        let Ok(value) = region.get_or_load("a", || load(unnamed.clone())).await;
        assert_eq!(*value, unnamed);
    }

    let line = "WARN A value has no encoded form and is not cached region=pairs";
    assert_eq!(printed(&recorder), [line]);
}

#[tokio::test]
async fn what_a_loader_logs_is_within_a_span_of_its_region() {
    let recorder = Recorder::default();
    let _recording = recorder.install();
    let cache = Cache::in_memory(10);
    let region = cache.region(Usage::new("numbers").consistency(Consistency::Local));
    let mut span = None;

    let read = region.get_or_load("a", || {
        let current = tracing::Span::current();
        span = current.metadata().map(|span| (span.name(), span.target()));
        load(1)
    });
    let Ok(_) = read.await;

    assert_eq!(span, Some(("load", "tasker_cache::region")));
}
