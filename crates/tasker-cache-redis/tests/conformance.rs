//! The whole contract, on each kind of server and by each way to reach it.

#![expect(clippy::expect_used, reason = "a test ends where its assumption is wrong")]

mod common;

use std::sync::Arc;

use common::config;
use tasker_cache_core::{Backend, Bytes, Key, async_trait};
use tasker_cache_redis::{Redis, RedisConfig};
use tasker_cache_testkit::conformance::Fixture;
use tasker_cache_testkit::server::{Program, RedisServer};

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
