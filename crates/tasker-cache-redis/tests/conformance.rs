//! The whole contract, on each kind of server and by each way to reach it.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::sync::{Arc, LazyLock};

use common::config;
use tasker_cache_core::{Backend, Bytes, Key, async_trait};
use tasker_cache_redis::{Redis, RedisConfig};
use tasker_cache_testkit::conformance::Fixture;
use tasker_cache_testkit::server::{
    Program, RedisBuilder, RedisCluster, RedisSentinel, RedisServer,
};

/// A server of its own for each case, and how it is reached.
struct Alone {
    server: RedisServer,
    config: RedisConfig,
}

impl Alone {
    fn new(server: RedisServer) -> Self {
        let config = config(&server.url());
        Self { server, config }
    }
}

#[async_trait]
impl Fixture for Alone {
    async fn backend(&self) -> Arc<dyn Backend> {
        let backend = Redis::new(self.config.clone()).expect("a configuration");
        backend.ready().await.expect("a server that answers");
        Arc::new(backend)
    }

    fn holds_bytes(&self) -> bool {
        true
    }

    async fn plant(&self, key: &Key, bytes: Bytes) {
        let command: [&[u8]; 3] = [b"SET", key.as_str().as_bytes(), &bytes];
        assert!(self.server.command(&command).await.is_ok());
    }

    async fn peek(&self, key: &Key) -> Option<Bytes> {
        self.server.command(&["GET", key.as_str()]).await.bytes()
    }

    async fn pause(&self) -> bool {
        self.server.pause();
        true
    }

    async fn resume(&self) {
        self.server.resume();
    }
}

async fn plain_redis() -> impl Fixture {
    Alone::new(RedisServer::start().await)
}

async fn plain_valkey() -> impl Fixture {
    Alone::new(RedisServer::builder().program(Program::Valkey).start().await)
}

async fn through_a_socket() -> impl Fixture {
    Alone::new(RedisServer::builder().unix_socket().start().await)
}

mod redis {
    tasker_cache_testkit::conformance!(super::plain_redis);
}

mod valkey {
    tasker_cache_testkit::conformance!(super::plain_valkey);
}

mod unix_socket {
    tasker_cache_testkit::conformance!(super::through_a_socket);
}

/// A user who may do no more than the backend needs, as the README says.
async fn as_a_minimal_user() -> impl Fixture {
    Alone::new(RedisServer::builder().user("cache", "p@ss:/", common::minimal_acl()).start().await)
}

mod acl {
    tasker_cache_testkit::conformance!(super::as_a_minimal_user);
}

/// What keeps the way to the server, beside the server.
struct Behind {
    alone: Alone,
    _way: common::OldRedis,
}

#[async_trait]
impl Fixture for Behind {
    async fn backend(&self) -> Arc<dyn Backend> {
        self.alone.backend().await
    }

    fn holds_bytes(&self) -> bool {
        true
    }

    async fn plant(&self, key: &Key, bytes: Bytes) {
        self.alone.plant(key, bytes).await;
    }

    async fn peek(&self, key: &Key) -> Option<Bytes> {
        self.alone.peek(key).await
    }

    async fn pause(&self) -> bool {
        self.alone.pause().await
    }

    async fn resume(&self) {
        self.alone.resume().await;
    }
}

/// The server doesn't know NX with GET, as Redis before 7.
async fn without_nx_get() -> impl Fixture {
    let server = RedisServer::start().await;
    let way = common::OldRedis::start(server.address()).await;
    let config = config(&server.url_at(way.address()));
    Behind { alone: Alone { server, config }, _way: way }
}

mod redis_6 {
    tasker_cache_testkit::conformance!(super::without_nx_get);
}

/// Starts servers for all cases of this binary: they live on a runtime that is never driven again,
/// and end with the process.
fn for_all_cases<T: Send + 'static>(start: impl AsyncFnOnce() -> T + Send + 'static) -> T {
    let starting = std::thread::spawn(|| {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let started = runtime.block_on(start());
        (started, runtime)
    });
    let (started, runtime) = starting.join().expect("servers");
    runtime.shutdown_background();
    started
}

static CLUSTER: LazyLock<RedisCluster> =
    LazyLock::new(|| for_all_cases(async || RedisCluster::start_with(3, patient()).await));

/// Nobody takes a node for dead that a busy machine keeps.
fn patient() -> RedisBuilder {
    RedisServer::builder().arg("--cluster-node-timeout").arg("600000")
}

/// What a case does to one node is no case of the cluster: it is not paused.
struct Clustered;

#[async_trait]
impl Fixture for Clustered {
    async fn backend(&self) -> Arc<dyn Backend> {
        let backend = Redis::new(config(&CLUSTER.url())).expect("a configuration");
        backend.ready().await.expect("a cluster that answers");
        Arc::new(backend)
    }

    fn holds_bytes(&self) -> bool {
        true
    }

    async fn plant(&self, key: &Key, bytes: Bytes) {
        let command: [&[u8]; 3] = [b"SET", key.as_str().as_bytes(), &bytes];
        assert!(common::on_its_node(&CLUSTER, &command).await.is_ok());
    }

    async fn peek(&self, key: &Key) -> Option<Bytes> {
        common::on_its_node(&CLUSTER, &[&b"GET"[..], key.as_str().as_bytes()]).await.bytes()
    }
}

async fn a_cluster() -> impl Fixture {
    Clustered
}

mod cluster {
    tasker_cache_testkit::conformance!(super::a_cluster);
}

static WATCHED: LazyLock<RedisSentinel> =
    LazyLock::new(|| for_all_cases(async || RedisSentinel::start(1).await));

/// The primary is not paused: its sentinel would take it for dead.
struct Watched;

#[async_trait]
impl Fixture for Watched {
    async fn backend(&self) -> Arc<dyn Backend> {
        let backend = Redis::new(config(&WATCHED.url())).expect("a configuration");
        backend.ready().await.expect("a primary that answers");
        Arc::new(backend)
    }

    fn holds_bytes(&self) -> bool {
        true
    }

    async fn plant(&self, key: &Key, bytes: Bytes) {
        let command: [&[u8]; 3] = [b"SET", key.as_str().as_bytes(), &bytes];
        assert!(WATCHED.servers().primary().command(&command).await.is_ok());
    }

    async fn peek(&self, key: &Key) -> Option<Bytes> {
        WATCHED.servers().primary().command(&["GET", key.as_str()]).await.bytes()
    }
}

async fn behind_a_sentinel() -> impl Fixture {
    Watched
}

mod sentinel {
    tasker_cache_testkit::conformance!(super::behind_a_sentinel);
}

#[cfg(feature = "rustls")]
mod tls {
    use super::{Alone, Fixture, RedisServer, config};

    async fn with_a_private_authority() -> impl Fixture {
        let server = RedisServer::builder().tls().start().await;
        let config = config(&server.url()).tls_ca_file(server.ca_file());
        Alone { server, config }
    }

    tasker_cache_testkit::conformance!(with_a_private_authority);
}

async fn plain_dragonfly() -> impl Fixture {
    Alone::new(RedisServer::builder().program(Program::Dragonfly).start().await)
}

mod dragonfly {
    tasker_cache_testkit::conformance!(
        #[ignore = "needs DRAGONFLY_BIN, or dragonfly on PATH; `cargo xtask test` looks"]
        super::plain_dragonfly
    );
}
