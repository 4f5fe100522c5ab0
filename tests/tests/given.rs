//! The contract on servers that somebody else runs, such as those in containers: the URL of each
//! is in a variable, and `cargo xtask test given` runs the cases of those that are there.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::env;
use std::sync::Arc;
use std::time::Duration;

use async_memcached::{AsciiProtocol, Client};
use tasker_cache_core::{Backend, Bytes, Key, async_trait};
use tasker_cache_memcached::{Memcached, MemcachedConfig};
use tasker_cache_redis::{Redis, RedisConfig};
use tasker_cache_testkit::conformance::Fixture;

/// An operation may take this long: the server is on another machine, as far as one knows.
const PATIENT: Duration = Duration::from_secs(5);

/// The longest key that Memcached takes (its `doc/protocol.txt`, "Keys").
const LONGEST_KEY: usize = 250;

fn url(variable: &str) -> String {
    env::var(variable).unwrap_or_else(|_| panic!("{variable} has to name a server"))
}

/// A server that speaks Redis' protocol.
struct GivenRedis(String);

impl GivenRedis {
    async fn raw(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.0.as_str()).expect("a URL");
        client.get_multiplexed_async_connection().await.expect("a server that answers")
    }
}

#[async_trait]
impl Fixture for GivenRedis {
    async fn backend(&self) -> Arc<dyn Backend> {
        let config = RedisConfig::new(&self.0).expect("a URL").operation_timeout(PATIENT);
        let backend = Redis::new(config).expect("a configuration");
        backend.ready().await.expect("a server that answers");
        Arc::new(backend)
    }

    fn holds_bytes(&self) -> bool {
        true
    }

    async fn plant(&self, key: &Key, bytes: Bytes) {
        let mut command = redis::cmd("SET");
        let planted = command.arg(key.as_str()).arg(bytes.as_ref());
        planted.exec_async(&mut self.raw().await).await.expect("a server that takes it");
    }

    async fn peek(&self, key: &Key) -> Option<Bytes> {
        let mut command = redis::cmd("GET");
        let asked = command.arg(key.as_str()).query_async(&mut self.raw().await).await;
        let found: Option<Vec<u8>> = asked.expect("an answer");
        found.map(Bytes::from)
    }
}

/// One Memcached.
struct GivenMemcached(String);

impl GivenMemcached {
    async fn raw(&self) -> Client {
        Client::new(&self.0).await.expect("a server that answers")
    }
}

#[async_trait]
impl Fixture for GivenMemcached {
    async fn backend(&self) -> Arc<dyn Backend> {
        let config = MemcachedConfig::new(&self.0).expect("a URL").operation_timeout(PATIENT);
        let backend = Memcached::new(config);
        backend.ready().await.expect("a server that answers");
        Arc::new(backend)
    }

    fn holds_bytes(&self) -> bool {
        true
    }

    async fn plant(&self, key: &Key, bytes: Bytes) {
        let (key, bytes) = (key.fit(LONGEST_KEY), bytes.as_ref());
        let planted = self.raw().await.set(&*key, bytes, None, None).await;
        planted.expect("a server that takes it");
    }

    async fn peek(&self, key: &Key) -> Option<Bytes> {
        let found = self.raw().await.get(&*key.fit(LONGEST_KEY)).await.expect("an answer");
        found.and_then(|value| value.data).map(Bytes::from)
    }
}

async fn redis() -> impl Fixture {
    GivenRedis(url("TEST_REDIS_URL"))
}

async fn valkey() -> impl Fixture {
    GivenRedis(url("TEST_VALKEY_URL"))
}

async fn dragonfly() -> impl Fixture {
    GivenRedis(url("TEST_DRAGONFLY_URL"))
}

async fn memcached() -> impl Fixture {
    GivenMemcached(url("TEST_MEMCACHED_URL"))
}

mod given_redis {
    tasker_cache_testkit::conformance!(
        #[ignore = "needs a server at TEST_REDIS_URL"]
        super::redis
    );
}

mod given_valkey {
    tasker_cache_testkit::conformance!(
        #[ignore = "needs a server at TEST_VALKEY_URL"]
        super::valkey
    );
}

mod given_dragonfly {
    tasker_cache_testkit::conformance!(
        #[ignore = "needs a server at TEST_DRAGONFLY_URL"]
        super::dragonfly
    );
}

mod given_memcached {
    tasker_cache_testkit::conformance!(
        #[ignore = "needs a server at TEST_MEMCACHED_URL"]
        super::memcached
    );
}
