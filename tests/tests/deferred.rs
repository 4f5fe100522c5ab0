//! A hundred thousand deferred deletes: little memory, and nothing old afterwards.
//!
//! A binary of its own, with an allocator that counts: its tests take turns.

#![expect(clippy::expect_used, reason = "a test ends where its assumption is wrong")]

use std::convert::Infallible;
use std::time::Duration;

use peak_alloc::PeakAlloc;
use tasker_cache::{BreakerSettings, Cache, CircuitState, Config, Invalidation, Region, Usage};
use tasker_cache_testkit::server::{MemcachedServer, RedisServer};
use tasker_cache_tests::sim::{Sim, Weather};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const DELETES: usize = 100_000;

/// Regions with a handful of keys each, so that none is worth to be taken as a whole.
const REGIONS: usize = 10_500;

/// Every so many keys have an old value in the store.
const EVERY: usize = 2_000;

const LIMIT: usize = 4 * 1024 * 1024;

/// Held by the test that measures.
static TURN: Mutex<()> = Mutex::const_new(());

async fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().await
}

/// How the keys lie.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    OneRegion,
    ManyRegions,
    /// Raw keys: each has a first segment of its own.
    Raw,
}

/// One cache with the handles that a shape needs.
struct Handles {
    cache: Cache,
    regions: Vec<Region<u64>>,
}

impl Handles {
    fn new(cache: &Cache, shape: Shape) -> Self {
        let count = if shape == Shape::ManyRegions { REGIONS } else { 1 };
        let region = |number| cache.region(Usage::new(format!("region-{number}")));
        Self { cache: cache.clone(), regions: (0..count).map(region).collect() }
    }

    fn region(&self, number: usize) -> &Region<u64> {
        &self.regions[number % self.regions.len()]
    }

    async fn delete(&self, shape: Shape, number: usize) -> Invalidation {
        match shape {
            Shape::Raw => self.cache.delete(format!("user-{number}")).await,
            _ => self.region(number).invalidate(("user", number)).await,
        }
    }

    async fn store(&self, shape: Shape, number: usize, value: u64) {
        if shape == Shape::Raw {
            let ttl = Duration::from_secs(600);
            self.cache.set(format!("user-{number}"), value.to_string(), ttl).await;
        } else {
            self.load(number, value).await;
        }
    }

    async fn load(&self, number: usize, value: u64) -> u64 {
        let load = || async move { Ok::<u64, Infallible>(value) };
        let Ok(value) = self.region(number).get_or_load(("user", number), load).await;
        *value
    }

    /// Returns what the cache has.
    async fn get(&self, shape: Shape, number: usize) -> Option<u64> {
        match shape {
            Shape::Raw => {
                let value = self.cache.get(format!("user-{number}")).await?;
                std::str::from_utf8(&value).ok()?.parse().ok()
            }
            _ => self.region(number).get(("user", number)).await.map(|value| *value),
        }
    }
}

fn olds() -> impl Iterator<Item = usize> {
    (0..DELETES).step_by(EVERY)
}

async fn until(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !happened().await {
        assert!(begun.elapsed() < Duration::from_secs(120), "waited for {what} in vain");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Stores old values, takes the store away, deletes a hundred thousand keys, and gives it back.
/// `other` is another process, which has nothing deferred and so sees what the store has.
async fn assert_bounded_and_applied(
    shape: Shape,
    (cache, other): (Cache, Cache),
    away: impl FnOnce(),
    back: impl AsyncFnOnce(),
) {
    let (mine, theirs) = (Handles::new(&cache, shape), Handles::new(&other, shape));
    for number in olds() {
        until("it is there to be served", async || {
            mine.store(shape, number, 1).await;
            theirs.get(shape, number).await == Some(1)
        })
        .await;
    }
    away();
    until("an open circuit", async || {
        cache.health_check().await;
        cache.circuit_state() != Some(CircuitState::Closed)
    })
    .await;
    let idle = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();

    let begun = Instant::now();
    for number in 0..DELETES {
        assert_eq!(mine.delete(shape, number).await, Invalidation::Deferred);
    }
    let took = begun.elapsed();

    let peak = ALLOCATED.peak_usage().saturating_sub(idle);
    println!(
        "{shape:?}: {DELETES} deletes in {took:.1?}, at most {peak} bytes; {}",
        cache.status()
    );
    assert!(peak <= LIMIT, "{peak} bytes over idle");
    assert!(took < Duration::from_secs(60), "{took:?}");
    back().await;

    // From here on reads go on all the time, and the first hit finds nothing old left.
    until("a hit", async || {
        for number in olds() {
            mine.store(shape, number, 2).await;
            if let Some(value) = mine.get(shape, number).await {
                assert_eq!(value, 2, "key {number}");
                for number in olds() {
                    assert_ne!(theirs.get(shape, number).await, Some(1), "key {number} is left");
                }
                return true;
            }
        }
        false
    })
    .await;
    until("the rest", async || cache.status().pending.keys == 0).await;
    for number in olds() {
        assert_ne!(theirs.get(shape, number).await, Some(1), "key {number} is left");
    }
}

fn config(server: &str, url: &str) -> Config {
    let text = format!(
        "[common.cache]\nenabled = true\nbackend = \"{server}\"\nkey_prefix = \"test-{:x}\"\n\
         [common.cache.{server}]\nurl = \"{url}\"\n\
         [common.circuit_breakers.component_configs.cache]\ntimeout_seconds = 1\n",
        fastrand::u64(..)
    );
    Config::from_toml_str(&text).expect("a right configuration")
}

async fn pair(config: &Config) -> (Cache, Cache) {
    (Cache::connect(config).await, Cache::connect(config).await)
}

async fn assert_with_a_hung_redis(shape: Shape) {
    let _turn = turn().await;
    let server = RedisServer::start().await;
    let caches = pair(&config("redis", &server.url())).await;

    let back = async || server.resume();
    assert_bounded_and_applied(shape, caches, || server.pause(), back).await;
}

#[tokio::test]
async fn deletes_in_one_region_wait_for_a_hung_redis() {
    assert_with_a_hung_redis(Shape::OneRegion).await;
}

#[tokio::test]
async fn deletes_in_many_regions_wait_for_a_hung_redis() {
    assert_with_a_hung_redis(Shape::ManyRegions).await;
}

#[tokio::test]
async fn deletes_of_raw_keys_wait_for_a_hung_redis() {
    assert_with_a_hung_redis(Shape::Raw).await;
}

/// It comes back with what it had when it went down, which is the worst that it can do.
#[tokio::test]
async fn deletes_wait_for_a_redis_that_is_down() {
    let _turn = turn().await;
    let server = RedisServer::start().await;
    let (cache, other) = pair(&config("redis", &server.url())).await;
    let (mine, theirs) =
        (Handles::new(&cache, Shape::OneRegion), Handles::new(&other, Shape::OneRegion));
    mine.store(Shape::OneRegion, 0, 1).await;
    server.save().await;
    server.kill().await;
    until("an open circuit", async || {
        cache.health_check().await;
        cache.circuit_state() != Some(CircuitState::Closed)
    })
    .await;

    for number in 0..DELETES {
        assert_eq!(mine.delete(Shape::OneRegion, number).await, Invalidation::Deferred);
    }
    server.restart_with_snapshot().await;

    until("a hit", async || {
        assert_eq!(mine.load(0, 2).await, 2);
        mine.get(Shape::OneRegion, 0).await.is_some()
    })
    .await;
    until("the other's", async || theirs.get(Shape::OneRegion, 0).await == Some(2)).await;
}

/// Memcached can't delete a region: it is bypassed until the longest TTL is over.
#[tokio::test]
async fn a_memcached_that_was_hung_serves_nothing_old() {
    let _turn = turn().await;
    let server = MemcachedServer::start().await;
    let config = config("memcached", &server.url()).default_ttl(Duration::from_secs(2));
    let cache = Cache::connect(&config).await;
    let region = cache.region::<u64>(
        Usage::new("region").ttl(Duration::from_secs(2)).hold(Duration::from_secs(1)),
    );
    let load = async |value| {
        let Ok(value) = region.get_or_load(0, || async move { Ok::<u64, Infallible>(value) }).await;
        *value
    };
    assert_eq!(load(1).await, 1);
    server.pause();
    until("an open circuit", async || {
        cache.health_check().await;
        cache.circuit_state() != Some(CircuitState::Closed)
    })
    .await;

    for number in 0..DELETES {
        assert_eq!(region.invalidate(number).await, Invalidation::Deferred);
    }
    server.resume();

    until("a hit", async || {
        assert_eq!(load(2).await, 2);
        region.get(0).await.is_some()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn deletes_wait_for_a_store_that_is_cut_off() {
    let _turn = turn().await;
    for shape in [Shape::OneRegion, Shape::ManyRegions, Shape::Raw] {
        let store = Sim::new(1, Weather::CALM);
        let breaker = BreakerSettings::default().timeout(Duration::from_secs(1));
        let cache = || Cache::builder(store.clone()).breaker(breaker).build();

        let back = async || store.reachable(true);
        let away = || store.reachable(false);
        assert_bounded_and_applied(shape, (cache(), cache()), away, back).await;
    }
}
