//! The facade over real servers: what is configured, what one gets, and what the operator is told.

#![expect(clippy::expect_used, reason = "a test ends where its assumption is wrong")]

use std::convert::Infallible;
use std::time::Duration;

use tasker_cache::{Cache, CircuitState, Config, Consistency, Invalidation, Region, Usage, tasker};
use tasker_cache_core::Backend;
use tasker_cache_redis::{Redis, RedisConfig};
use tasker_cache_testkit::Recorder;
use tasker_cache_testkit::server::{MemcachedServer, Program, RedisServer};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};

const CONNECTED: &str = "Distributed cache provider initialized successfully";
const RECOVERED: &str = "Cache backend connected (recovered)";
const NO_REDIS: &str =
    "Failed to connect to Redis, falling back to NoOp cache (graceful degradation)";
const NO_MEMCACHED: &str =
    "Failed to connect to Memcached, falling back to NoOp cache (graceful degradation)";

/// Far more than an answer takes on a busy machine.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(3);

const CONNECTION_TIMEOUT: Duration = Duration::from_secs(2);

/// For how long a server is down before it comes up.
const AWAY: Duration = Duration::from_secs(5);

/// A configuration as the guide has it, with a circuit that is tested after a second.
fn config(backend: &str, urls: &[String]) -> Config {
    config_with(backend, urls, "")
}

fn config_with(backend: &str, urls: &[String], more: &str) -> Config {
    let server = if backend == "memcached" { "memcached" } else { "redis" };
    let url = match urls {
        [url] => format!("url = \"{url}\""),
        urls => format!("urls = {urls:?}"),
    };
    let text = format!(
        "[common.cache]\nenabled = true\nbackend = \"{backend}\"\nkey_prefix = \"test-{:x}\"\n\
         operation_timeout_ms = {}\n\
         [common.cache.{server}]\n{url}\nconnection_timeout_seconds = {}\n{more}\
         [common.circuit_breakers.component_configs.cache]\n\
         failure_threshold = 3\ntimeout_seconds = 1\n",
        fastrand::u64(..),
        OPERATION_TIMEOUT.as_millis(),
        CONNECTION_TIMEOUT.as_secs(),
    );
    Config::from_toml_str(&text).expect("a right configuration")
}

fn numbers(cache: &Cache) -> Region<u64> {
    cache.region(Usage::new("numbers"))
}

async fn load(region: &Region<u64>, key: &str, value: u64) -> u64 {
    let Ok(value) = region.get_or_load(key, || async move { Ok::<u64, Infallible>(value) }).await;
    *value
}

async fn until(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !happened().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited for {what} in vain");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Asserts that two processes share what one of them loads, until one of them invalidates it.
async fn assert_shared(config: &Config, name: &str) {
    let (recorder, one) = (Recorder::default(), Cache::connect(config).await);
    let recording = recorder.install();
    let other = Cache::connect(config).await;
    drop(recording);

    let line = recorder.lines().into_iter().find(|line| line.message == CONNECTED);
    assert_eq!(line.expect("it is said").field("backend"), Some(name));
    assert_eq!((other.backend_name(), other.is_distributed()), (name, true));
    assert!(other.health_check().await);
    assert_eq!(load(&numbers(&one), "k", 1).await, 1);
    assert_eq!(load(&numbers(&other), "k", 2).await, 1, "the other process's value");
    assert_eq!(numbers(&one).invalidate("k").await, Invalidation::Applied);
    assert_eq!(load(&numbers(&other), "k", 3).await, 3);
    assert_eq!(other.status().counters.hits, 1);
}

#[tokio::test]
async fn redis_is_shared_between_processes() {
    let server = RedisServer::start().await;

    assert_shared(&config("redis", &[server.url()]), "redis").await;
}

#[tokio::test]
async fn dragonfly_keeps_the_name_that_was_configured() {
    let server = RedisServer::start().await;

    assert_shared(&config("dragonfly", &[server.url()]), "dragonfly").await;
}

#[tokio::test]
async fn redis_is_shared_with_tls_by_what_is_configured() {
    let server = RedisServer::builder().tls_with_client_certificates().start().await;
    let files = server.tls_files().expect("started with TLS");
    let tls = format!(
        "tls_ca_file = {:?}\ntls_cert_file = {:?}\ntls_key_file = {:?}\n",
        files.ca(),
        files.client_certificate(),
        files.client_key(),
    );

    assert_shared(&config_with("redis", &[server.url()], &tls), "redis").await;
}

#[tokio::test]
async fn valkey_keeps_the_name_that_was_configured_and_its_profile_tells_what_it_is() {
    let server = RedisServer::builder().program(Program::Valkey).start().await;

    assert_shared(&config("redis", &[server.url()]), "redis").await;
    let backend = Redis::new(RedisConfig::new(&server.url()).expect("a URL")).expect("no files");
    backend.ready().await.expect("it answers");
    assert_eq!(backend.profile().name, "valkey");
}

#[tokio::test]
async fn memcached_is_shared_between_processes() {
    let server = MemcachedServer::start().await;

    assert_shared(&config("memcached", &[server.url()]), "memcached").await;
}

#[tokio::test]
async fn several_memcached_servers_are_one_backend() {
    let servers = [MemcachedServer::start().await, MemcachedServer::start().await];

    let config = config("memcached", &servers.each_ref().map(MemcachedServer::url));
    assert_shared(&config, "memcached").await;
}

#[tokio::test]
async fn templates_and_analytics_are_cached_in_redis() {
    let server = RedisServer::start().await;
    let cache = Cache::connect(&config("redis", &[server.url()])).await;
    let templates = tasker::templates::<u64>(&cache);
    let key = tasker::TemplateKey::new("payments", "refund", "1.0.0");
    for loaded in [1, 2] {
        let read = templates.get_or_load(&key, || async move { Ok::<u64, Infallible>(loaded) });
        assert_eq!(*read.await.expect("infallible"), 1);
        let performance = tasker::performance_metrics::<u64>(&cache);
        let read = performance.get_or_load(24, || async move { Ok::<u64, Infallible>(loaded) });
        assert_eq!(*read.await.expect("infallible"), 1);
    }

    assert_eq!(templates.invalidate_namespace("payments").await, Invalidation::Applied);
    let read = templates.get_or_load(&key, || async { Ok::<u64, Infallible>(3) });
    assert_eq!(*read.await.expect("infallible"), 3);
}

/// Asserts that a cache whose server is down works, and uses the server once it is up.
async fn assert_heals(config: &Config, warning: &str, start: impl AsyncFnOnce()) {
    let recorder = Recorder::default();
    let _recording = recorder.install();
    let cache = Cache::connect(config).await;
    let region = numbers(&cache);

    assert_eq!(recorder.count(warning), 1);
    assert!(cache.is_enabled() && !cache.health_check().await);
    assert_eq!(cache.circuit_state(), Some(CircuitState::Open));
    assert_eq!((load(&region, "k", 1).await, load(&region, "k", 2).await), (1, 2));
    assert_eq!(region.invalidate("k").await, Invalidation::Deferred);
    sleep(AWAY).await;
    start().await;
    let begun = Instant::now();

    until("the backend is used", async || cache.health_check().await).await;
    println!("used {:?} after it was there", begun.elapsed());
    until("it is said", async || recorder.count(RECOVERED) == 1).await;
    assert_eq!((load(&region, "k", 3).await, load(&region, "k", 4).await), (3, 3));
    assert_eq!(recorder.count("Circuit breaker opened (failing fast)"), 0);
}

#[tokio::test]
async fn a_redis_that_hangs_holds_up_the_start_for_the_connection_timeout_only() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("redis://{}", silent.local_addr().expect("bound"));
    let recorder = Recorder::default();
    let _recording = recorder.install();
    let begun = Instant::now();

    let cache = Cache::connect(&config("redis", &[url])).await;

    assert!(begun.elapsed() < CONNECTION_TIMEOUT * 10, "{:?}", begun.elapsed());
    assert_eq!(recorder.count(NO_REDIS), 1);
    let region = numbers(&cache);
    assert_eq!((load(&region, "k", 1).await, load(&region, "k", 2).await), (1, 2));
}

#[tokio::test]
async fn a_redis_that_loads_its_data_is_said_so_and_used_once_it_has() {
    // It looks at its clients after each of so many bytes, and takes its time for each key.
    let often = ["--loading-process-events-interval-bytes", "1024"];
    let server = RedisServer::builder().arg(often[0]).arg(often[1]).start().await;
    for number in 0..30 {
        let filler: String = std::iter::repeat_with(fastrand::alphanumeric).take(2_000).collect();
        server.command(&["SET", &format!("filler:{number}"), &filler]).await;
    }
    server.command(&["CONFIG", "SET", "key-load-delay", "200000"]).await;
    let recorder = Recorder::default();
    let _recording = recorder.install();
    let config = config("redis", &[server.url()]);
    let reloads = async { server.try_command(&["DEBUG", "RELOAD"]).await.is_ok() };
    // Until one is made while it loads.
    let starts = async {
        loop {
            let cache = Cache::connect(&config).await;
            if recorder.count(NO_REDIS) > 0 {
                return cache;
            }
        }
    };

    let (has_reloaded, cache) = tokio::join!(reloads, timeout(Duration::from_secs(60), starts));

    assert!(has_reloaded);
    let cache = cache.expect("the server loads for seconds");
    let warned = recorder.lines().into_iter().find(|line| line.message == NO_REDIS);
    let cause = warned.expect("it is warned").field("cause").map(str::to_owned);
    assert_eq!(cause.as_deref(), Some("the server is loading its data"));
    until("the backend is used", async || cache.health_check().await).await;
    let region = numbers(&cache);
    assert_eq!((load(&region, "k", 1).await, load(&region, "k", 2).await), (1, 1));
}

#[tokio::test]
async fn redis_may_come_up_later() {
    let server = RedisServer::start().await;
    server.kill().await;
    let config = config("redis", &[server.url()]);

    assert_heals(&config, NO_REDIS, async || server.restart().await).await;
}

#[tokio::test]
async fn valkey_may_come_up_later() {
    let server = RedisServer::builder().program(Program::Valkey).start().await;
    server.kill().await;
    let config = config("redis", &[server.url()]);

    assert_heals(&config, NO_REDIS, async || server.restart().await).await;
}

#[tokio::test]
async fn memcached_may_come_up_later() {
    let server = MemcachedServer::start().await;
    server.kill().await;
    let config = config("memcached", &[server.url()]);

    assert_heals(&config, NO_MEMCACHED, async || server.restart().await).await;
}

/// Asserts that a hung server is bypassed, that nothing stale comes after, and that it is used
/// again by itself.
async fn assert_survives_silence(config: &Config, pause: impl FnOnce(), resume: impl FnOnce()) {
    let cache = Cache::connect(config).await;
    let region = numbers(&cache);
    assert_eq!(load(&region, "k", 1).await, 1);

    pause();
    for value in 2..10 {
        assert_eq!(load(&region, "k", value).await, value);
    }
    assert_eq!(cache.circuit_state(), Some(CircuitState::Open));
    let begun = Instant::now();
    assert_eq!(region.invalidate("k").await, Invalidation::Deferred);
    assert_eq!(load(&region, "k", 10).await, 10);
    assert!(begun.elapsed() < OPERATION_TIMEOUT, "an open circuit waits for nobody");
    resume();

    until("the backend is used", async || cache.health_check().await).await;
    assert_eq!(load(&region, "k", 11).await, 11, "what was invalidated is gone");
    assert_eq!(load(&region, "k", 12).await, 11, "and what was loaded since is cached");
}

#[tokio::test]
async fn a_silent_redis_is_bypassed_and_used_again() {
    let server = RedisServer::start().await;
    let config = config("redis", &[server.url()]);

    assert_survives_silence(&config, || server.pause(), || server.resume()).await;
}

#[tokio::test]
async fn a_silent_memcached_is_bypassed_and_used_again() {
    let server = MemcachedServer::start().await;
    let config = config("memcached", &[server.url()]);

    assert_survives_silence(&config, || server.pause(), || server.resume()).await;
}

#[tokio::test]
async fn a_wrong_password_is_said_in_words_and_never_shown() {
    let server = RedisServer::builder().password("right").start().await;
    let url = format!("redis://:wr%40ng-s3cret@127.0.0.1:{}", server.port());
    let recorder = Recorder::default();
    let _recording = recorder.install();

    let cache = Cache::connect(&config("redis", &[url])).await;
    sleep(Duration::from_millis(300)).await;

    let lines = recorder.lines();
    let warned = lines.iter().find(|line| line.message == NO_REDIS).expect("it is warned");
    let cause = warned.field("cause").expect("with a cause");
    assert!(cause.contains("password") || cause.contains("authentication"), "{cause}");
    for text in lines.iter().map(ToString::to_string).chain([format!("{cache:?}")]) {
        assert!(!text.contains("s3cret") && !text.contains("right"), "{text}");
    }
}

#[tokio::test]
async fn what_memcached_cannot_delete_by_prefix_is_said_once() {
    let server = MemcachedServer::start().await;
    let cache = Cache::connect(&config("memcached", &[server.url()])).await;
    let recorder = Recorder::default();
    let _recording = recorder.install();
    let region = cache.region::<u64>(Usage::new("r").consistency(Consistency::Shared));

    for _ in 0..2 {
        assert_eq!(region.invalidate_prefix("tenant-7").await, Invalidation::Unsupported);
    }

    let about = |line: &&tasker_cache_testkit::Recorded| line.message.contains("relies on TTL");
    assert_eq!(recorder.lines().iter().filter(about).count(), 1);
}

#[tokio::test]
async fn a_limit_above_a_megabyte_reaches_memcached() {
    const LIMIT: usize = 3 * 1024 * 1024;
    let server = MemcachedServer::builder().max_item_bytes(8 * 1024 * 1024).start().await;
    let config = config("memcached", &[server.url()]).max_value_bytes(LIMIT as u64);
    let cache = Cache::connect(&config).await;

    for (bytes, stored) in [(LIMIT, true), (LIMIT + 1, false)] {
        cache.set("k", vec![7; bytes], Duration::from_secs(60)).await;
        assert_eq!(cache.get("k").await.map(|value| value.len()), stored.then_some(bytes));
    }
}

/// The command in the book that makes a user with the least permissions.
fn minimal_user() -> Vec<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/backends/redis.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let command = page.lines().find(|line| line.starts_with("ACL SETUSER")).expect("it has one");
    command.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test]
async fn the_permissions_that_the_book_names_are_enough() {
    let server = RedisServer::start().await;
    let made = server.command(&minimal_user()).await;
    assert_eq!(format!("{made:?}"), "Status(\"OK\")");
    let text = format!(
        "[common.cache]\nenabled = true\noperation_timeout_ms = 10000\n[common.cache.redis]\n\
         url = 'redis://cache:PASSWORD@127.0.0.1:{}'",
        server.port()
    );
    let cache = Cache::connect(&Config::from_toml_str(&text).expect("a right one")).await;
    let region = numbers(&cache);

    assert!(cache.health_check().await);
    assert_eq!((load(&region, "a", 1).await, load(&region, "a", 2).await), (1, 1));
    assert_eq!(region.invalidate("a").await, Invalidation::Applied);
    assert_eq!(load(&region, "a", 3).await, 3);
    assert_eq!(region.get_many(&["a", "b"]).await.len(), 2);
    assert_eq!(region.invalidate_all().await, Invalidation::Applied);
    cache.set("raw", "v", Duration::from_secs(60)).await;
    assert_eq!(cache.get("raw").await.as_deref(), Some(b"v".as_slice()));
    let counters = cache.status().counters;
    assert_eq!((counters.fills, counters.failed_reads, counters.failed_fills), (3, 0, 0));
}
