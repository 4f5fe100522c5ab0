//! How much is held, and for how long.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{config, connected, entry, key, minute, text};
use tasker_cache_core::{Backend, Entry, ErrorKind, KeyBuilder, Ttl};
use tasker_cache_redis::{ConfigError, Redis, RedisConfig};
use tasker_cache_testkit::server::RedisServer;

/// Bytes of memory that this process has in use.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = status.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a number");
    pages * 4096
}

#[tokio::test(flavor = "multi_thread")]
async fn small_values_do_not_keep_the_buffer_that_they_came_in() {
    let server = RedisServer::start().await;
    let backend = connected(&server.url()).await;
    let (small, large) = (key("small"), key("large"));
    backend.set(&small, entry("twenty bytes of text"), minute()).await.unwrap();
    backend.set(&large, Entry::new(vec![7; 60_000]), minute()).await.unwrap();
    let pair = [small, large];
    let before = resident();

    let mut kept = Vec::new();
    for _ in 0..3_000 {
        let mut found = backend.get_many(&pair).await.unwrap();
        kept.push(found.swap_remove(0).expect("stored"));
    }

    let grown = resident().saturating_sub(before);
    assert!(grown < 60_000 * kept.len() / 3, "{grown} bytes for {} values", kept.len());
}

#[tokio::test]
async fn a_value_over_the_limit_is_refused_and_hides_the_old_one() {
    let server = RedisServer::start().await;
    let backend = connected(&server.url()).await;
    let key = key("k");
    backend.set(&key, entry("old"), minute()).await.unwrap();
    let large = Entry::new(vec![0; backend.profile().limits.max_value_bytes + 1]);

    let error = backend.set(&key, large, minute()).await.expect_err("too large");

    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(backend.get(&key).await.unwrap().is_none());
}

#[tokio::test]
async fn a_ttl_is_kept_to_the_millisecond_and_never_for_ever() {
    let server = RedisServer::start().await;
    let backend = connected(&server.url()).await;
    let left = async |ttl: Duration| {
        let key = key("k");
        backend.set(&key, entry("v"), Ttl::new(ttl).expect("not zero")).await.unwrap();
        server.command(&["PTTL", key.as_str()]).await.integer().expect("a number")
    };

    assert!((30_000..=60_000).contains(&left(Duration::from_secs(60)).await));
    let longest = left(Duration::MAX).await;
    assert!((268_435_000_000..=268_435_455_000).contains(&longest), "{longest}");
}

#[tokio::test]
async fn a_prefix_is_taken_literally() {
    let server = RedisServer::start().await;
    let backend = connected(&server.url()).await;
    let at =
        |region: &str, segment: &str| KeyBuilder::region("app", region, 0).segment(segment).key();
    let (inside, alike) = (at("a[1]*?", "x"), at("a1bc", "x"));
    for key in [&inside, &alike] {
        backend.set(key, entry("v"), minute()).await.unwrap();
    }

    assert_eq!(backend.delete_prefix(&inside.region_prefix()).await.unwrap(), 1);
    assert!(backend.get(&inside).await.unwrap().is_none());
    assert_eq!(text(backend.get(&alike).await.unwrap()).as_deref(), Some("v"));
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let config = |url: &str| RedisConfig::new(url).expect("a URL");
    let refused = |config: RedisConfig| Redis::new(config).expect_err("refused");

    assert_eq!(refused(config("redis://h/1").database(2)), ConfigError::DatabaseConflict);
    assert_eq!(refused(config("redis-cluster://h").database(2)), ConfigError::DatabaseInCluster);
    let plain = config("redis://h").tls_ca_file("ca.pem");
    assert_eq!(refused(plain), ConfigError::TlsFilesWithoutTls);
    for odd in [
        config("redis://h").operation_timeout(Duration::ZERO),
        config("redis://h").connection_timeout(Duration::ZERO),
        config("redis://h").max_connections(0),
    ] {
        assert!(matches!(refused(odd), ConfigError::OutOfRange { .. }));
    }
    assert!(Redis::new(config("redis://h/1").database(0)).is_ok());
}

#[tokio::test]
async fn a_database_has_its_own_keys() {
    let server = RedisServer::start().await;
    let key = key("k");
    let first = connected(&server.url()).await;
    let third = Redis::new(config(&server.url()).database(3)).expect("a configuration");
    first.set(&key, entry("v"), minute()).await.unwrap();

    assert!(third.get(&key).await.unwrap().is_none());
    assert!(first.get(&key).await.unwrap().is_some());
}
