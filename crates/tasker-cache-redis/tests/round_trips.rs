//! How often each operation waits for the server, counted on the wire.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{connected, entry, key, leased, minute};
use tasker_cache_core::{Backend, Fill, Lookup};
use tasker_cache_redis::Redis;
use tasker_cache_testkit::proxy::FaultProxy;
use tasker_cache_testkit::server::RedisServer;

struct Counted {
    _server: RedisServer,
    proxy: FaultProxy,
    backend: Redis,
}

impl Counted {
    async fn start() -> Self {
        let server = RedisServer::start().await;
        let proxy = FaultProxy::start(server.address()).await;
        let backend = connected(&server.url_at(proxy.address())).await;
        let lease = leased(&backend, &key("scripts are loaded")).await;
        let filled = backend.fill(lease, entry("v"), minute()).await;
        assert_eq!(filled.expect("it runs"), Fill::Stored);
        Self { _server: server, proxy, backend }
    }

    async fn round_trips<T>(&self, operation: impl Future<Output = T>) -> (u64, T) {
        let before = self.proxy.counts().round_trips;
        let answer = operation.await;
        (self.proxy.counts().round_trips - before, answer)
    }
}

#[tokio::test]
async fn a_hit_is_one() {
    let counted = Counted::start().await;
    let key = key("k");
    counted.backend.set(&key, entry("v"), minute()).await.unwrap();

    let lookup = counted.backend.get_or_lease(&key, std::time::Duration::from_secs(30));
    let (count, lookup) = counted.round_trips(lookup).await;
    assert!(matches!(lookup, Ok(Lookup::Hit(_))));
    assert_eq!(count, 1);
}

#[tokio::test]
async fn a_miss_and_its_fill_are_three() {
    let counted = Counted::start().await;
    let key = key("k");

    let missed = async {
        let lease = leased(&counted.backend, &key).await;
        counted.backend.fill(lease, entry("v"), minute()).await
    };
    let (count, filled) = counted.round_trips(missed).await;
    assert_eq!(filled.unwrap(), Fill::Stored);
    assert_eq!(count, 3);
}

#[tokio::test]
async fn an_invalidation_is_one_for_one_key_and_for_many() {
    let counted = Counted::start().await;
    let keys: Vec<_> = (0..100).map(|number| key(&number.to_string())).collect();

    assert_eq!(counted.round_trips(counted.backend.delete(&keys[0])).await.0, 1);
    assert_eq!(counted.round_trips(counted.backend.delete_many(&keys)).await.0, 1);
}

#[tokio::test]
async fn sixty_four_reads_at_once_are_one() {
    let counted = Counted::start().await;
    let keys: Vec<_> = (0..64).map(|number| key(&number.to_string())).collect();

    assert_eq!(counted.round_trips(counted.backend.get_many(&keys)).await.0, 1);
}
