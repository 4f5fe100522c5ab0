//! What the tests of this backend share.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]
#![allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]

mod forger;
mod old_redis;
mod way;

use std::time::Duration;

use tasker_cache_core::{Backend, Entry, Key, KeyBuilder, Lease, Lookup, Ttl};
use tasker_cache_redis::{Redis, RedisConfig};
use tasker_cache_testkit::server::{RedisCluster, Reply};
use tokio::time::{Instant, sleep};

pub(crate) use self::forger::Forger;
pub(crate) use self::old_redis::OldRedis;

/// The operation timeout of the tests: far more than an answer takes on a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(3);

/// For how long something is waited for that should take much less.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) fn minute() -> Ttl {
    Ttl::new(Duration::from_secs(60)).expect("not zero")
}

/// For what has to be there when a test ends that may take long.
pub(crate) fn hour() -> Ttl {
    Ttl::new(Duration::from_secs(3_600)).expect("not zero")
}

/// A key of this test alone.
pub(crate) fn key(name: &str) -> Key {
    KeyBuilder::raw("test").segment(fastrand::u64(..)).segment(name).key()
}

pub(crate) fn config(url: &str) -> RedisConfig {
    RedisConfig::new(url).expect("a URL").operation_timeout(TIMEOUT)
}

/// A backend that has not connected.
pub(crate) fn idle(url: &str) -> Redis {
    Redis::new(config(url)).expect("a configuration")
}

/// A backend that is connected.
pub(crate) async fn connected(url: &str) -> Redis {
    let backend = idle(url);
    backend.ready().await.expect("a server that answers");
    backend
}

/// Asks for a lease that must be free.
pub(crate) async fn leased(backend: &Redis, key: &Key) -> Lease {
    match backend.get_or_lease(key, Duration::from_secs(30)).await {
        Ok(Lookup::Leased(lease)) => lease,
        other => panic!("no lease but {other:?}"),
    }
}

pub(crate) fn entry(text: &str) -> Entry {
    Entry::new(text.to_owned())
}

pub(crate) fn text(entry: Option<Entry>) -> Option<String> {
    entry.map(|entry| String::from_utf8_lossy(entry.payload()).into_owned())
}

/// Waits until something is so.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let deadline = Instant::now() + LONG;
    while !is_so().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// What a user must be allowed, out of the README.
pub(crate) fn minimal_acl() -> String {
    let readme = include_str!("../../README.md");
    let line = readme.lines().find(|line| line.starts_with("ACL SETUSER")).expect("the command");
    let commands: Vec<_> = line.split(' ').filter(|word| word.starts_with('+')).collect();
    assert!(!commands.is_empty(), "the README names no commands");
    format!("~* {}", commands.join(" "))
}

/// What such a user must be allowed in a cluster, out of the README.
pub(crate) fn minimal_acl_of_a_cluster() -> String {
    format!("{} {}", minimal_acl(), wanted_besides("A cluster"))
}

/// What such a user must be allowed on servers that sentinels watch, out of the README.
pub(crate) fn minimal_acl_behind_sentinels() -> String {
    format!("{} {}", minimal_acl(), wanted_besides("a server behind Sentinels"))
}

fn wanted_besides(by: &str) -> &'static str {
    let readme = include_str!("../../README.md");
    let line = readme.lines().find(|line| line.starts_with("A cluster wants")).expect("the line");
    let (_, commands) = line.split_once(by).expect("who wants it");
    commands.split('`').nth(1).expect("the commands")
}

/// Runs a command on whichever node of a cluster has its key.
pub(crate) async fn on_its_node(cluster: &RedisCluster, command: &[&[u8]]) -> Reply {
    for node in cluster.nodes() {
        match node.command(command).await {
            Reply::Error(text) if text.starts_with("MOVED") => {}
            reply => return reply,
        }
    }
    panic!("no node has the key");
}
