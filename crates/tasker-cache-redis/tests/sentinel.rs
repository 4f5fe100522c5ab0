//! A primary that sentinels watch: found through them, and after a failover found again.

mod common;

use common::{connected, entry, eventually, hour, key, text};
use tasker_cache_core::Backend;
use tasker_cache_testkit::server::{RedisSentinel, RedisServer};

#[tokio::test]
async fn the_primary_is_found_through_any_of_its_sentinels() {
    let watched = RedisSentinel::start(1).await;
    let (backend, key) = (connected(&watched.url()).await, key("found"));

    backend.set(&key, entry("value"), hour()).await.expect("a primary that takes it");

    let command = ["EXISTS", key.as_str()];
    assert_eq!(watched.servers().primary().command(&command).await.integer(), Some(1));
    assert_eq!(text(backend.get(&key).await.expect("an answer")).as_deref(), Some("value"));
}

#[tokio::test]
async fn a_user_who_may_do_no_more_than_must_be_is_enough() {
    let rules = common::minimal_acl_behind_sentinels();
    let builder = RedisServer::builder().password("secret").user("cache", "p@ss:/", rules);
    let watched = RedisSentinel::start_with(1, builder).await;
    let (backend, key) = (connected(&watched.url()).await, key("found"));

    backend.set(&key, entry("value"), hour()).await.expect("a primary that takes it");
    watched.servers().in_sync().await;
    watched.fail_over().await;

    eventually("the new primary is found", async || backend.ping().await.is_ok()).await;
    assert!(backend.delete(&key).await.expect("the new primary takes it"));
}

#[tokio::test]
async fn after_a_failover_it_reads_and_writes_on() {
    let watched = RedisSentinel::start(3).await;
    let (backend, old, new) = (connected(&watched.url()).await, key("old"), key("new"));
    backend.set(&old, entry("value"), hour()).await.expect("a primary that takes it");
    watched.servers().in_sync().await;

    watched.fail_over().await;

    eventually("the new primary is found", async || backend.ping().await.is_ok()).await;
    assert_eq!(text(backend.get(&old).await.expect("an answer")).as_deref(), Some("value"));
    backend.set(&new, entry("other"), hour()).await.expect("the new primary takes it");
    let command = ["EXISTS", new.as_str()];
    assert_eq!(watched.servers().replica().command(&command).await.integer(), Some(1));
    assert!(backend.delete(&old).await.expect("the new primary takes it"));
}

#[tokio::test]
async fn every_call_ends_in_time_while_there_is_no_primary() {
    let watched = RedisSentinel::start(1).await;
    let (backend, key) = (connected(&watched.url()).await, key("none"));
    watched.servers().replica().kill().await;
    watched.servers().primary().kill().await;

    for _ in 0..3 {
        let asked = tokio::time::timeout(common::LONG, backend.get(&key)).await;
        asked.expect("it ends by itself").expect_err("nobody can answer");
    }
}
