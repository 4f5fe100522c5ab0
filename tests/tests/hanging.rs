//! A server that hangs: what is sent to it meanwhile, and which requests pay for it.

#![expect(clippy::expect_used, reason = "a test ends where its assumption is wrong")]

use std::convert::Infallible;
use std::time::Duration;

use tasker_cache::{BreakerSettings, Cache, CircuitState, Region, Usage};
use tasker_cache_core::Backend;
use tasker_cache_memcached::{Memcached, MemcachedConfig};
use tasker_cache_redis::{Redis, RedisConfig};
use tasker_cache_testkit::Faulty;
use tasker_cache_testkit::proxy::FaultProxy;
use tasker_cache_testkit::server::{MemcachedServer, RedisCluster, RedisServer};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// How long the open circuit waits for the next probe.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How long one operation may take: long, so that a request that waits for the server is told
/// from one that a busy machine is slow to run.
const OPERATION: Duration = Duration::from_secs(2);

const PATIENCE: Duration = Duration::from_secs(60);

fn redis(url: &str) -> Redis {
    let config = RedisConfig::new(url).expect("a URL of the harness");
    Redis::new(config.operation_timeout(OPERATION)).expect("it needs no files")
}

fn memcached(url: &str) -> Memcached {
    let config = MemcachedConfig::new(url).expect("a URL of the harness");
    Memcached::new(config.operation_timeout(OPERATION))
}

fn cache_over(backend: impl Backend) -> Cache {
    let breaker = BreakerSettings::default().failure_threshold(3).timeout(TIMEOUT);
    let prefix = format!("test-{:x}", fastrand::u64(..));
    Cache::builder(backend).prefix(prefix).breaker(breaker).without_operation_timeout().build()
}

async fn load(region: &Region<u64>, key: u64) {
    let Ok(value) = region.get_or_load(key, || async move { Ok::<u64, Infallible>(key) }).await;
    assert_eq!(*value, key);
}

async fn until(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !happened().await {
        assert!(begun.elapsed() < PATIENCE, "waited for {what} in vain");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Asserts that a server which hangs is sent one probe per timeout, however much is asked, and
/// that no request is one. `proxy` sees the wire.
async fn assert_probes_are_few(
    backend: impl Backend,
    proxy: &FaultProxy,
    pause: impl FnOnce(),
    resume: impl FnOnce(),
) {
    let counted = Faulty::new(backend);
    let cache = cache_over(counted.clone());
    let region = cache.region::<u64>(Usage::new("numbers"));
    load(&region, 0).await;
    pause();
    until("an open circuit", async || {
        cache.health_check().await;
        cache.circuit_state() != Some(CircuitState::Closed)
    })
    .await;
    let (calls, sent, begun) = (counted.calls(), proxy.counts(), Instant::now());

    let mut asked = 0_u64;
    while begun.elapsed() < TIMEOUT * 6 {
        load(&region, asked % 100).await;
        assert_eq!(region.get(0).await, None);
        assert_eq!(region.get_many(&[1, 2]).await, [None, None]);
        assert_eq!(cache.get("raw").await, None);
        cache.set("raw", "value", TIMEOUT).await;
        assert!(!cache.health_check().await);
        asked += 6;
        if asked.is_multiple_of(64) {
            sleep(Duration::from_millis(1)).await;
        }
    }

    let periods = begun.elapsed().div_duration_f64(TIMEOUT);
    let calls = u32::try_from(counted.calls() - calls).expect("few");
    let sent = proxy.counts().requests - sent.requests;
    println!("{asked} operations in {periods:.1} timeouts: {calls} calls, {sent} chunks sent");
    assert!(asked > 1_000, "only {asked} operations");
    // The first probe may have been due when the count began.
    assert!(f64::from(calls) <= periods + 1.0, "{calls} probes in {periods:.1} timeouts");
    assert!(calls > 0, "it is never tested");
    // A probe is one command, and its connection's greeting where it needs a new one.
    assert!(sent * 20 <= asked, "{sent} chunks for {asked} operations");
    resume();
    until_it_hits(&region).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_redis_is_sent_one_probe_per_timeout_and_no_request() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let backend = redis(&server.url_at(proxy.address()));
    assert_probes_are_few(backend, &proxy, || server.pause(), || server.resume()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_memcached_is_sent_one_probe_per_timeout_and_no_request() {
    let server = MemcachedServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let backend = memcached(&server.url_at(proxy.address()));
    assert_probes_are_few(backend, &proxy, || server.pause(), || server.resume()).await;
}

/// Waits until the server is used again.
async fn until_it_hits(region: &Region<u64>) {
    until("a hit", async || {
        load(region, 0).await;
        region.get(0).await.is_some()
    })
    .await;
}

/// When a request began, counted from when the server was stopped, and how long it took.
type Timed = (Duration, Duration);

/// Sends a thousand requests a second for a while.
async fn traffic(region: &Region<u64>, since: Instant, lasts: Duration) -> Vec<Timed> {
    let mut tick = interval(Duration::from_millis(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut requests = JoinSet::new();
    for number in 0.. {
        tick.tick().await;
        if since.elapsed() >= lasts {
            break;
        }
        let region = region.clone();
        requests.spawn(async move {
            let begun = Instant::now();
            load(&region, number % 100).await;
            (begun - since, begun.elapsed())
        });
    }
    requests.join_all().await
}

/// Asserts that requests wait for a server that is gone only until the circuit opens, and that it is
/// used when it is back.
async fn assert_only_the_first_wait(
    backend: impl Backend,
    go: impl AsyncFnOnce(),
    come_back: impl AsyncFnOnce(),
) {
    let cache = cache_over(backend);
    let region = cache.region::<u64>(Usage::new("numbers"));
    for key in 0..100 {
        load(&region, key).await;
    }
    go().await;

    let requests = traffic(&region, Instant::now(), OPERATION * 4).await;

    assert_ne!(cache.circuit_state(), Some(CircuitState::Closed));
    let waited = |request: &&Timed| request.1 >= OPERATION / 2;
    let last = requests.iter().filter(waited).map(|(begun, _)| *begun).max();
    let slow = requests.iter().filter(waited).count();
    println!("{} requests, {slow} waited, the last of them began at {last:?}", requests.len());
    assert!(requests.len() > 1_000, "only {} requests", requests.len());
    // The tight bound is the operation's timeout; a busy machine gets as much again, and may keep
    // some request of its own accord. Where they wait for the server, thousands do.
    let late = requests.iter().filter(waited).filter(|(begun, _)| *begun >= OPERATION * 2).count();
    assert!(late < requests.len() / 100, "{late} waited that began too late");
    let twice = requests.iter().filter(|(_, took)| *took >= OPERATION * 2).count();
    assert!(twice < requests.len() / 100, "{twice} waited twice");
    let later = requests.iter().filter(|(begun, _)| *begun >= OPERATION * 2);
    let mut later: Vec<Duration> = later.map(|(_, took)| *took).collect();
    later.sort_unstable();
    let at = |share: usize| later[(later.len() - 1) * share / 100];
    println!("those later: median {:?}, 99 % {:?}, all {:?}", at(50), at(99), at(100));
    assert!(at(50) < Duration::from_millis(10), "half of them took {:?}", at(50));
    come_back().await;
    until_it_hits(&region).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_wait_for_a_hung_redis_in_the_first_timeout_only() {
    let server = RedisServer::start().await;
    let backend = redis(&server.url());
    assert_only_the_first_wait(backend, async || server.pause(), async || server.resume()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_wait_for_a_redis_that_dies_in_the_first_timeout_only() {
    let server = RedisServer::start().await;
    let backend = redis(&server.url());
    let (die, start) = (async || server.kill().await, async || server.restart().await);
    assert_only_the_first_wait(backend, die, start).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_wait_for_a_hung_node_of_a_cluster_in_the_first_timeout_only() {
    // The other nodes don't miss it, and answer all the time.
    let builder = RedisServer::builder().arg("--cluster-node-timeout").arg("600000");
    let cluster = RedisCluster::start_with(3, builder).await;
    let (backend, hung) = (redis(&cluster.url()), &cluster.nodes()[1]);
    assert_only_the_first_wait(backend, async || hung.pause(), async || hung.resume()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_wait_for_a_hung_memcached_in_the_first_timeout_only() {
    let server = MemcachedServer::start().await;
    let backend = memcached(&server.url());
    assert_only_the_first_wait(backend, async || server.pause(), async || server.resume()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_wait_for_a_memcached_that_dies_in_the_first_timeout_only() {
    let server = MemcachedServer::start().await;
    let backend = memcached(&server.url());
    let (die, start) = (async || server.kill().await, async || server.restart().await);
    assert_only_the_first_wait(backend, die, start).await;
}
