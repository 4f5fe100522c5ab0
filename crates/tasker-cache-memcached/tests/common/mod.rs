//! What the tests of this crate share.

#![expect(dead_code, reason = "each test file uses a part")]
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tasker_cache_breaker::BreakerSettings;
use tasker_cache_core::{Backend, Key, KeyBuilder, Nonce, Ttl, async_trait};
use tasker_cache_memcached::{Memcached, MemcachedConfig, Ring};
use tasker_cache_testkit::conformance::Fixture;
use tasker_cache_testkit::server::MemcachedServer;
use tokio::time::{Instant, sleep};

pub(crate) fn config(url: &str) -> MemcachedConfig {
    MemcachedConfig::new(url).expect("the harness gives URLs that the client takes")
}

/// With time enough for a noisy machine.
pub(crate) fn client(url: &str) -> Memcached {
    Memcached::new(config(url).operation_timeout(Duration::from_secs(5)))
}

/// With so little time that a test can wait for it to be over.
pub(crate) fn hasty(url: &str) -> Memcached {
    Memcached::new(config(url).operation_timeout(Duration::from_secs(2)).max_connections(2))
}

pub(crate) fn key(segment: impl std::fmt::Display) -> Key {
    KeyBuilder::region("app", "test", 0).segment(segment).key()
}

pub(crate) fn seconds(seconds: u64) -> Ttl {
    Ttl::new(Duration::from_secs(seconds)).expect("not zero")
}

pub(crate) const HOLD: Duration = Duration::from_secs(30);

/// Asks again until the answer is yes, or until far more time has passed than it should take.
pub(crate) async fn eventually(mut ask: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !ask().await {
        assert!(Instant::now() < deadline, "it has not happened in time");
        sleep(Duration::from_millis(20)).await;
    }
}

/// One or several real servers under the conformance suite.
pub(crate) struct Servers {
    servers: Vec<MemcachedServer>,
}

impl Servers {
    pub(crate) async fn on_tcp(count: usize) -> Self {
        let mut servers = Vec::new();
        for _ in 0..count {
            servers.push(MemcachedServer::start().await);
        }
        Self { servers }
    }

    pub(crate) async fn on_a_unix_socket() -> Self {
        Self { servers: vec![MemcachedServer::builder().unix_socket().start().await] }
    }

    pub(crate) fn server(&self, number: usize) -> &MemcachedServer {
        &self.servers[number]
    }

    pub(crate) fn ring(&self, breaker: Option<BreakerSettings>) -> Ring {
        let clients = self.servers.iter().map(|server| hasty(&server.url()));
        Ring::new(clients.collect(), breaker)
    }
}

#[async_trait]
impl Fixture for Servers {
    async fn backend(&self) -> Arc<dyn Backend> {
        match self.servers.as_slice() {
            [server] => Arc::new(client(&server.url())),
            servers => {
                let clients = servers.iter().map(|server| client(&server.url()));
                Arc::new(Ring::new(clients.collect(), Some(BreakerSettings::default())))
            }
        }
    }

    fn holds_bytes(&self) -> bool {
        true
    }

    /// Writes to all servers: that the others have it too changes nothing for who reads from one.
    async fn plant(&self, key: &Key, bytes: Bytes) {
        let mut command = format!("set {} 0 0 {}\r\n", key.fit(250), bytes.len()).into_bytes();
        command.extend_from_slice(&bytes);
        for server in &self.servers {
            assert_eq!(server.command(&command).await, "STORED\r\n");
        }
    }

    /// Reads from the servers in turn, until one has something.
    async fn peek(&self, key: &Key) -> Option<Bytes> {
        for server in &self.servers {
            let answer = server.command(format!("mg {} v", key.fit(250))).await;
            if let Some(found) = answer.strip_prefix(b"VA ") {
                let end = found.windows(2).position(|pair| pair == b"\r\n")? + 2;
                return Some(Bytes::copy_from_slice(found[end..].strip_suffix(b"\r\n")?));
            }
        }
        None
    }

    async fn pause(&self) -> bool {
        self.servers.iter().for_each(MemcachedServer::pause);
        true
    }

    async fn resume(&self) {
        self.servers.iter().for_each(MemcachedServer::resume);
    }
}

/// A nonce, where a test needs something that nobody else has.
pub(crate) fn unique() -> String {
    let nonce = Nonce::random().expect("randomness");
    format!("{:032x}", u128::from_le_bytes(*nonce.as_bytes()))
}
