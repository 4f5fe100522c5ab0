//! Every fault against every operation: nothing of it reaches a caller, and the loader's own does.

#![expect(clippy::expect_used, reason = "a test ends where its assumption is wrong")]

use std::any::Any;
use std::fmt::Debug;
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use tasker_cache::{Cache, Config, Invalidation, Region, Usage};
use tasker_cache_testkit::proxy::{Direction, Fault, FaultProxy};
use tasker_cache_testkit::server::{MemcachedServer, RedisServer};
use tasker_cache_tests::server::Server;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};

/// What the loaders panic with.
const OWN_PANIC: &str = "the loader's own panic";

/// Within which any operation ends, on a slow machine too; the cache itself promises a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// Panics that were nobody's own, in background tasks too.
static FOREIGN_PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn watch_panics() {
    static WATCHING: Once = Once::new();
    WATCHING.call_once(hook);
}

fn hook() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if text_of(panic.payload()) == OWN_PANIC {
            return;
        }
        let mut foreign = FOREIGN_PANICS.lock().unwrap_or_else(PoisonError::into_inner);
        foreign.push(panic.to_string());
        usual(panic);
    }));
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    payload.downcast_ref::<&str>().copied().unwrap_or_default()
}

/// What goes wrong with a server.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Network(Fault),
    /// The process is stopped, and its connections stay open.
    Hang,
    /// The process is killed.
    Death,
}

const TROUBLES: [Trouble; 13] = [
    Trouble::Network(Fault::Latency(Duration::from_millis(20))),
    Trouble::Network(Fault::Latency(Duration::from_millis(400))),
    Trouble::Network(Fault::Jitter { least: Duration::ZERO, most: Duration::from_millis(300) }),
    Trouble::Network(Fault::BlackHole(Direction::ToServer)),
    Trouble::Network(Fault::BlackHole(Direction::ToClient)),
    Trouble::Network(Fault::BlackHole(Direction::Both)),
    Trouble::Network(Fault::ResetMidReply),
    Trouble::Network(Fault::Slices),
    Trouble::Network(Fault::Garbage),
    Trouble::Network(Fault::DuplicateReplies),
    Trouble::Network(Fault::Refuse),
    Trouble::Hang,
    Trouble::Death,
];

/// Returns the value of a key; no other key has it.
fn value_of(key: &str) -> String {
    format!("the value of {key}")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OwnError(u64);

/// Runs an operation to its end, which has to come in time.
async fn within<T>(what: &str, operation: impl Future<Output = T>) -> T {
    timeout(PATIENCE, operation).await.unwrap_or_else(|_| panic!("{what} did not end"))
}

/// Reads with a loader that succeeds: whoever loaded it, it is the value of this key.
async fn load(region: Region<String>, key: String) {
    let read = region.get_or_load(key.as_str(), || async { Ok::<_, OwnError>(value_of(&key)) });
    let value = within("get_or_load", read).await.expect("its loader does not fail");
    assert_eq!(*value, value_of(&key));
}

/// Reads with a loader that fails; `alone` tells that nobody else reads the key.
async fn fail(region: Region<String>, key: String, own: u64, alone: bool) {
    let read = region.get_or_load(key.as_str(), || async { Err::<String, _>(OwnError(own)) });
    match within("get_or_load", read).await {
        Ok(value) => assert!(!alone && *value == value_of(&key), "{value}"),
        Err(error) => assert_eq!(error, OwnError(own)),
    }
}

/// Reads with a loader that panics.
async fn panic(region: Region<String>, key: String) {
    let load = || async { std::panic::panic_any(OWN_PANIC) };
    let _ = region.get_or_load::<_, _, _, OwnError>(key.as_str(), load).await;
}

fn is_own_panic(ended: Result<(), JoinError>) -> bool {
    match ended {
        Ok(()) => false,
        Err(error) => text_of(&*error.into_panic()) == OWN_PANIC,
    }
}

fn is_one_of<T: Debug + PartialEq>(value: &T, all: &[T]) {
    assert!(all.contains(value), "{value:?}");
}

/// Calls every operation there is, many of them at the same time.
async fn every_operation(cache: &Cache, round: u64) {
    let region = cache.region::<String>(Usage::new("faults").hold(Duration::from_secs(5)));
    let mut tasks = JoinSet::new();
    for number in 0..20 {
        let shared = format!("shared-{}", number % 4);
        tasks.spawn(load(region.clone(), shared.clone()));
        tasks.spawn(fail(region.clone(), shared, number, false));
        tasks.spawn(fail(region.clone(), format!("alone-{round}-{number}"), number, true));
    }
    let panics: Vec<_> = (0..4)
        .map(|number| tokio::spawn(panic(region.clone(), format!("panic-{round}-{number}"))))
        .collect();
    tasks.spawn(raw_operations(cache.clone()));
    tasks.spawn(invalidations(cache.clone(), region.clone()));
    tasks.spawn(other_reads(cache.clone(), region));
    while let Some(ended) = tasks.join_next().await {
        ended.expect("no operation panics");
    }
    for ended in panics {
        assert!(is_own_panic(within("a panic", ended).await), "it reaches its own caller");
    }
}

async fn raw_operations(cache: Cache) {
    let minute = Duration::from_secs(60);
    within("set", cache.set(["raw", "a"], value_of("a"), minute)).await;
    if let Some(value) = within("get", cache.get(["raw", "a"])).await {
        assert_eq!(value, value_of("a"));
    }
    within("set", cache.set(["raw", "none"], "never stored", Duration::ZERO)).await;
    assert_eq!(within("get", cache.get(["raw", "none"])).await, None);
    let done = within("delete", cache.delete(["raw", "b"])).await;
    is_one_of(&done, &[Invalidation::Applied, Invalidation::Deferred]);
    within("health_check", cache.health_check()).await;
    let _ = (cache.circuit_state(), cache.status().to_string());
}

async fn invalidations(cache: Cache, region: Region<String>) {
    let (applied, deferred) = (Invalidation::Applied, Invalidation::Deferred);
    let done = within("invalidate", region.invalidate("shared-0")).await;
    is_one_of(&done, &[applied, deferred]);
    let any = [applied, deferred, Invalidation::Unsupported];
    is_one_of(&within("invalidate_prefix", region.invalidate_prefix("tenant")).await, &any);
    is_one_of(&within("invalidate_all", region.invalidate_all()).await, &any);
    let templates = tasker_cache::tasker::templates::<()>(&cache);
    is_one_of(&within("a namespace", templates.invalidate_namespace("payments")).await, &any);
    let _ = within("close", cache.close()).await;
}

async fn other_reads(cache: Cache, region: Region<String>) {
    within("put", region.put("put", &value_of("put"))).await;
    for key in ["put", "shared-1"] {
        if let Some(value) = within("get", region.get(key)).await {
            assert_eq!(*value, value_of(key));
        }
    }
    let keys = ["shared-1", "put", "shared-2"];
    let many = within("get_many", region.get_many(&keys)).await;
    assert_eq!(many.len(), keys.len());
    for (key, value) in keys.into_iter().zip(many) {
        assert!(value.is_none_or(|value| *value == value_of(key)));
    }
    let hours = tasker_cache::tasker::performance_metrics::<u64>(&cache);
    let read = hours.get_or_load(24, || async { Ok::<_, OwnError>(24) });
    assert_eq!(*within("an analysis", read).await.expect("its loader does not fail"), 24);
}

/// Waits until a value is served from the cache again.
async fn until_it_hits(cache: &Cache, trouble: Trouble) {
    let region = cache.region::<String>(Usage::new("healed"));
    let begun = Instant::now();
    loop {
        load(region.clone(), "k".to_owned()).await;
        if region.get("k").await.is_some() && cache.health_check().await {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "not used again after {trouble:?}: {}", cache.status());
        sleep(Duration::from_millis(20)).await;
    }
}

async fn assert_nothing_reaches_a_caller(
    server: &impl Server,
    proxy: &FaultProxy,
    backend: &str,
    url: &str,
) {
    watch_panics();
    let text = format!(
        "[common.cache]\nenabled = true\nbackend = \"{backend}\"\nkey_prefix = \"test-{:x}\"\n\
         [common.cache.{backend}]\nurl = \"{url}\"\nconnection_timeout_seconds = 1\n\
         [common.circuit_breakers.component_configs.cache]\ntimeout_seconds = 1\n",
        fastrand::u64(..)
    );
    let cache = Cache::connect(&Config::from_toml_str(&text).expect("a right one")).await;
    let mut round = 0;
    for trouble in TROUBLES {
        match trouble {
            Trouble::Network(fault) => proxy.set(fault),
            Trouble::Hang => server.pause(),
            Trouble::Death => server.kill().await,
        }
        // At first the circuit is closed; then it may be open, and then be tested.
        for _ in 0..4 {
            every_operation(&cache, round).await;
            round += 1;
            sleep(Duration::from_millis(400)).await;
        }
        match trouble {
            Trouble::Network(_) => proxy.clear(),
            Trouble::Hang => server.resume(),
            Trouble::Death => server.restart().await,
        }
        every_operation(&cache, round).await;
        round += 1;
        until_it_hits(&cache, trouble).await;
        println!("{trouble:?}: {}", cache.status());
    }
    assert_eq!(cache.status().flights, 0);
    let foreign = FOREIGN_PANICS.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(foreign.is_empty(), "{foreign:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_of_redis_or_its_network_reaches_a_caller() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let url = server.url_at(proxy.address());
    assert_nothing_reaches_a_caller(&server, &proxy, "redis", &url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_of_memcached_or_its_network_reaches_a_caller() {
    let server = MemcachedServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let url = server.url_at(proxy.address());
    assert_nothing_reaches_a_caller(&server, &proxy, "memcached", &url).await;
}
