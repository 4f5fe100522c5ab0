//! What the tests of this backend share.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::time::Duration;

use tasker_cache_core::{Backend, Entry, Key, KeyBuilder, Lease, Lookup, Ttl};
use tasker_cache_redis::{Redis, RedisConfig};
use tokio::time::{Instant, sleep};

/// The operation timeout that tests take where the default isn't the point.
pub const TIMEOUT: Duration = Duration::from_millis(250);

/// For how long something is waited for that should take much less.
pub const LONG: Duration = Duration::from_secs(20);

pub fn minute() -> Ttl {
    Ttl::new(Duration::from_secs(60)).expect("not zero")
}

/// A key of this test alone.
pub fn key(name: &str) -> Key {
    KeyBuilder::raw("test").segment(fastrand::u64(..)).segment(name).key()
}

pub fn config(url: &str) -> RedisConfig {
    RedisConfig::new(url).expect("a URL").operation_timeout(TIMEOUT)
}

/// A backend that has not connected.
pub fn idle(url: &str) -> Redis {
    Redis::new(config(url)).expect("a configuration")
}

/// A backend that is connected.
pub async fn connected(url: &str) -> Redis {
    let backend = idle(url);
    backend.ready().await.expect("a server that answers");
    backend
}

/// Asks for a lease that must be free.
pub async fn leased(backend: &Redis, key: &Key) -> Lease {
    match backend.get_or_lease(key, Duration::from_secs(30)).await {
        Ok(Lookup::Leased(lease)) => lease,
        other => panic!("no lease but {other:?}"),
    }
}

pub fn entry(text: &str) -> Entry {
    Entry::new(text.to_owned())
}

pub fn text(entry: Option<Entry>) -> Option<String> {
    entry.map(|entry| String::from_utf8_lossy(entry.payload()).into_owned())
}

/// Waits until something is so.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let deadline = Instant::now() + LONG;
    while !is_so().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
