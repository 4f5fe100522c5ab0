//! What lies under a key and in whose way it is.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{connected, entry, key, leased, minute, text};
use tasker_cache_core::{Backend, Bytes, Fill, Key, Lookup, Nonce, Refusal, envelope};
use tasker_cache_redis::Redis;
use tasker_cache_testkit::server::RedisServer;

const HOLD: Duration = Duration::from_secs(30);

async fn plant(server: &RedisServer, key: &Key, bytes: &[u8]) {
    let command: &[&[u8]] = &[b"SET", key.as_str().as_bytes(), bytes];
    assert!(server.command(command).await.is_ok());
}

async fn lookup(backend: &Redis, key: &Key) -> Lookup {
    backend.get_or_lease(key, HOLD).await.expect("the server answers")
}

#[tokio::test]
async fn a_lease_is_filled_once_and_then_read_by_all() {
    let server = RedisServer::start().await;
    let (one, other) = (connected(&server.url()).await, connected(&server.url()).await);
    let key = key("k");

    let lease = leased(&one, &key).await;
    assert!(matches!(lookup(&other, &key).await, Lookup::Held(_)));
    assert_eq!(one.fill(lease.clone(), entry("v"), minute()).await.unwrap(), Fill::Stored);
    assert!(matches!(lookup(&other, &key).await, Lookup::Hit(_)));
    let again = one.fill(lease, entry("w"), minute()).await.unwrap();
    assert_eq!(again, Fill::Refused(Refusal::Revoked));
    assert_eq!(text(other.get(&key).await.unwrap()).as_deref(), Some("v"));
}

#[tokio::test]
async fn values_that_cannot_be_read_are_replaced_by_a_lease() {
    let server = RedisServer::start().await;
    let backend = connected(&server.url()).await;
    let foreign = envelope::value(&key("another"), Nonce::new([1; 16]), b"v").unwrap();
    let large = vec![b'x'; 100_000];

    for bytes in [&b""[..], b"{\"json\":true}", &foreign, &foreign[..30], &large] {
        let key = key("k");
        plant(&server, &key, bytes).await;
        assert!(backend.get(&key).await.unwrap().is_none());
        let lease = leased(&backend, &key).await;
        assert_eq!(backend.fill(lease, entry("v"), minute()).await.unwrap(), Fill::Stored);
    }
}

#[tokio::test]
async fn a_value_of_a_newer_format_is_left_alone() {
    let server = RedisServer::start().await;
    let backend = connected(&server.url()).await;
    let key = key("k");
    let mut newer = envelope::value(&key, Nonce::new([1; 16]), b"v").unwrap().to_vec();
    newer[2] += 1;
    plant(&server, &key, &newer).await;

    assert!(backend.get(&key).await.unwrap().is_none());
    assert!(matches!(lookup(&backend, &key).await, Lookup::Unleased));
    let stored = server.command(&["GET", key.as_str()]).await;
    assert_eq!(stored.bytes(), Some(Bytes::from(newer)));
}

#[tokio::test]
async fn a_key_of_another_type_is_a_miss_without_a_lease() {
    let server = RedisServer::start().await;
    let backend = connected(&server.url()).await;
    let key = key("k");
    server.command(&["RPUSH", key.as_str(), "a"]).await;

    assert!(backend.get(&key).await.unwrap().is_none());
    assert!(backend.get_many(&[key.clone(), common::key("j")]).await.unwrap()[0].is_none());
    assert!(matches!(lookup(&backend, &key).await, Lookup::Unleased));
}

#[tokio::test]
async fn a_lease_on_a_key_that_became_another_type_is_revoked() {
    let server = RedisServer::start().await;
    let backend = connected(&server.url()).await;
    let key = key("k");
    let lease = leased(&backend, &key).await;
    server.command(&["DEL", key.as_str()]).await;
    server.command(&["RPUSH", key.as_str(), "a"]).await;

    let filled = backend.fill(lease.clone(), entry("v"), minute()).await.unwrap();
    assert_eq!(filled, Fill::Refused(Refusal::Revoked));
    backend.release(lease).await.expect("nothing to give back");
}

#[tokio::test]
async fn a_server_without_memory_tells_what_it_has_grants_no_lease_and_refuses_fills() {
    let server = RedisServer::start().await;
    let backend = connected(&server.url()).await;
    let (lease, stored) = (leased(&backend, &key("k")).await, key("stored"));
    backend.set(&stored, entry("v"), minute()).await.expect("it runs");
    server.command(&["CONFIG", "SET", "maxmemory", "1"]).await;

    let hit = lookup(&backend, &stored).await;
    assert!(matches!(&hit, Lookup::Hit(found) if found.payload() == "v"), "{hit:?}");

    assert!(matches!(lookup(&backend, &key("other")).await, Lookup::Unleased));
    let filled = backend.fill(lease, entry("v"), minute()).await.unwrap();
    assert_eq!(filled, Fill::Refused(Refusal::OutOfMemory));
}

#[tokio::test]
async fn a_script_that_the_server_forgot_is_sent_again() {
    let server = RedisServer::start().await;
    let backend = connected(&server.url()).await;

    for _ in 0..2 {
        let lease = leased(&backend, &key("k")).await;
        server.command(&["SCRIPT", "FLUSH"]).await;
        assert_eq!(backend.fill(lease, entry("v"), minute()).await.unwrap(), Fill::Stored);
    }
}

#[tokio::test]
async fn a_lease_whose_asker_has_gone_is_given_back() {
    let server = RedisServer::start().await;
    let backend = connected(&server.url()).await;
    let key = key("k");
    server.pause();
    let asking = backend.get_or_lease(&key, HOLD);
    let _ = tokio::time::timeout(Duration::from_millis(20), asking).await;
    server.resume();

    common::eventually("the lease is free", || async {
        matches!(lookup(&backend, &key).await, Lookup::Leased(_))
    })
    .await;
}

/// Returns a field of how often a command was called, or failed.
async fn calls(server: &RedisServer, command: &str, field: &str) -> u64 {
    let all = server.command(&["INFO", "commandstats"]).await;
    let all = all.text().expect("text").to_owned();
    let line = all.lines().find(|line| line.starts_with(&format!("cmdstat_{command}:")));
    let value = line.and_then(|line| {
        line.split([':', ',']).find_map(|part| part.strip_prefix(field)?.strip_prefix('='))
    });
    value.map_or(0, |value| value.parse().expect("a number"))
}

#[tokio::test]
async fn a_server_that_does_not_know_nx_with_get_is_asked_so_once() {
    let server = RedisServer::start().await;
    let way = common::OldRedis::start(server.address()).await;
    let backend = connected(&server.url_at(way.address())).await;

    for number in 0..10 {
        let _lease = leased(&backend, &key(&number.to_string())).await;
    }

    assert_eq!(
        calls(&server, "set", "rejected_calls").await + calls(&server, "set", "failed_calls").await,
        1
    );
    assert_eq!(calls(&server, "evalsha", "calls").await, 10);
}

#[tokio::test]
async fn a_hit_runs_no_script() {
    let server = RedisServer::start().await;
    let backend = connected(&server.url()).await;
    let key = key("k");
    backend.set(&key, entry("v"), minute()).await.unwrap();

    for _ in 0..10 {
        assert!(matches!(lookup(&backend, &key).await, Lookup::Hit(_)));
    }

    assert_eq!(calls(&server, "evalsha", "calls").await, 0);
    assert_eq!(calls(&server, "set", "calls").await, 1);
}
