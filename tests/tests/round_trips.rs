//! How often a read and an invalidation wait for the server, counted on the wire.

#![expect(clippy::expect_used, reason = "a test ends where its assumption is wrong")]

use std::convert::Infallible;

use tasker_cache::{Cache, Config, Invalidation, Region, Usage};
use tasker_cache_testkit::proxy::FaultProxy;
use tasker_cache_testkit::server::{MemcachedServer, RedisServer};

/// A cache with one connection through a proxy, and what went over it before does not count.
struct Counted {
    proxy: FaultProxy,
    region: Region<u64>,
}

impl Counted {
    async fn start(backend: &str, url: &str, proxy: FaultProxy) -> Self {
        let text = format!(
            "[common.cache]\nenabled = true\nbackend = \"{backend}\"\noperation_timeout_ms = 30000\n\
             [common.cache.{backend}]\nurl = \"{url}\"\nmax_connections = 1\n"
        );
        let config = Config::from_toml_str(&text).expect("a right configuration");
        let cache = Cache::connect(&config).await;
        assert!(cache.health_check().await, "it is connected");
        let region = cache.region(Usage::new("numbers"));
        let counted = Self { proxy, region };
        // From here on the server knows the scripts.
        counted.load("first").await;
        counted
    }

    async fn load(&self, key: &str) {
        let loader = || async { Ok::<u64, Infallible>(1) };
        let Ok(value) = self.region.get_or_load(key, loader).await;
        assert_eq!(*value, 1);
    }

    /// Counts what a miss with its fill, a hit and an invalidation take.
    async fn round_trips(&self) -> [u64; 3] {
        let count = || self.proxy.counts().round_trips;
        let begun = count();
        self.load("k").await;
        let filled = count();
        self.load("k").await;
        let hit = count();
        assert_eq!(self.region.invalidate("k").await, Invalidation::Applied);
        [filled - begun, hit - filled, count() - hit]
    }
}

#[tokio::test]
async fn redis_is_asked_three_times_for_a_miss_and_once_for_all_else() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let url = server.url_at(proxy.address());

    assert_eq!(Counted::start("redis", &url, proxy).await.round_trips().await, [3, 1, 1]);
}

#[tokio::test]
async fn memcached_is_asked_twice_for_a_miss_and_once_for_all_else() {
    let server = MemcachedServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let url = server.url_at(proxy.address());

    assert_eq!(Counted::start("memcached", &url, proxy).await.round_trips().await, [2, 1, 1]);
}
