//! Three servers as one backend, while one of them is away.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::error::Error;
use std::time::Duration;

use tasker_cache_breaker::{BreakerSettings, CircuitState};
use tasker_cache_core::{Backend, Entry, ErrorKind, Key};
use tasker_cache_memcached::Ring;

use crate::common::{Servers, client, eventually, key, seconds};

fn settings() -> BreakerSettings {
    BreakerSettings::default().failure_threshold(3).timeout(Duration::from_millis(200))
}

/// A ring of three, with a value under each of 60 keys.
async fn filled() -> (Servers, Ring, Vec<Key>) {
    let servers = Servers::on_tcp(3).await;
    let ring = servers.ring(Some(settings()));
    ring.ready().await.unwrap();
    let keys: Vec<Key> = (0..60).map(key).collect();
    for key in &keys {
        ring.set(key, Entry::new("old"), seconds(600)).await.unwrap();
    }
    (servers, ring, keys)
}

/// Sorts keys by whether the first server has them.
async fn split(servers: &Servers, keys: Vec<Key>) -> (Vec<Key>, Vec<Key>) {
    let first = client(&servers.server(0).url());
    let (mut its, mut others) = (Vec::new(), Vec::new());
    for key in keys {
        let has_it = first.get(&key).await.unwrap().is_some();
        if has_it { its.push(key) } else { others.push(key) }
    }
    (its, others)
}

#[tokio::test]
async fn each_server_has_a_fair_share() {
    let (servers, _ring, keys) = filled().await;

    let (its, others) = split(&servers, keys).await;

    assert!((5..=40).contains(&its.len()), "{} of {}", its.len(), its.len() + others.len());
}

#[tokio::test]
async fn the_order_of_the_servers_does_not_matter() {
    let (servers, _ring, keys) = filled().await;
    let reversed = [2, 1, 0].map(|number| client(&servers.server(number).url()));
    let other = Ring::new(reversed.into(), None);

    assert!(other.get_many(&keys).await.unwrap().iter().all(Option::is_some));
}

#[tokio::test]
async fn all_other_keys_go_on_while_a_server_is_away() {
    let (servers, ring, keys) = filled().await;
    let (its, others) = split(&servers, keys.clone()).await;
    servers.server(0).kill().await;

    for key in &its {
        assert!(ring.get(key).await.is_err());
    }
    for key in &others {
        assert!(ring.get(key).await.unwrap().is_some());
    }
    let many = ring.get_many(&keys).await.unwrap();
    assert_eq!(many.iter().flatten().count(), others.len());
    assert_eq!(ring.circuit_states().iter().filter(|s| **s != CircuitState::Closed).count(), 1);
    assert_eq!(ring.get(&its[0]).await.expect_err("open").kind(), ErrorKind::CircuitOpen);
    ring.ping().await.expect("two of three answer");
}

#[tokio::test]
async fn the_keys_of_a_server_that_is_away_are_on_no_other() {
    let (servers, ring, keys) = filled().await;
    let (its, _) = split(&servers, keys).await;
    servers.server(0).kill().await;

    for key in &its {
        assert!(ring.set(key, Entry::new("new"), seconds(600)).await.is_err());
    }

    for number in [1, 2] {
        let other = client(&servers.server(number).url());
        assert!(other.get_many(&its).await.unwrap().iter().all(Option::is_none));
    }
}

#[tokio::test]
async fn a_server_that_is_back_is_used_again_without_a_caller_testing_it() {
    let (servers, ring, keys) = filled().await;
    let (its, _) = split(&servers, keys).await;
    servers.server(0).kill().await;
    eventually(async || {
        ring.get(&its[0]).await.is_err_and(|error| error.kind() == ErrorKind::CircuitOpen)
    })
    .await;

    servers.server(0).restart().await;

    let closed = |state: &CircuitState| *state == CircuitState::Closed;
    eventually(async || ring.circuit_states().iter().all(closed)).await;
    assert!(ring.get(&its[0]).await.expect("it is back").is_none());
}

/// The rule: one server per key for good, and an invalidation counts when that server has
/// acknowledged it. Until then it is the caller's, who does not read the key.
#[tokio::test]
async fn an_invalidation_that_its_server_missed_is_an_error_until_it_is_replayed_there() {
    let (servers, ring, keys) = filled().await;
    let (its, others) = split(&servers, keys.clone()).await;
    servers.server(0).pause();

    for key in &its {
        ring.delete(key).await.expect_err("its server did not acknowledge it");
    }
    ring.delete_many(&keys).await.expect_err("one server did not acknowledge it");
    assert!(ring.get_many(&others).await.unwrap().iter().all(Option::is_none));

    servers.server(0).resume();
    eventually(async || ring.delete_many(&keys).await.is_ok()).await;
    let first = client(&servers.server(0).url());
    assert!(first.get_many(&its).await.unwrap().iter().all(Option::is_none));
}

#[tokio::test]
async fn a_replay_reaches_a_server_whose_circuit_is_open() {
    let servers = Servers::on_tcp(3).await;
    let ring = servers.ring(Some(settings().timeout(Duration::from_secs(300))));
    let keys: Vec<Key> = (0..60).map(key).collect();
    ring.ready().await.unwrap();
    for key in &keys {
        ring.set(key, Entry::new("old"), seconds(600)).await.unwrap();
    }
    let (its, _) = split(&servers, keys.clone()).await;
    servers.server(0).pause();
    eventually(async || {
        ring.get(&its[0]).await.is_err_and(|error| error.kind() == ErrorKind::CircuitOpen)
    })
    .await;

    servers.server(0).resume();

    eventually(async || ring.delete_many(&its).await.is_ok()).await;
    let error = ring.get(&its[0]).await.expect_err("the circuit stays open");
    assert_eq!(error.kind(), ErrorKind::CircuitOpen);
}

#[tokio::test]
async fn the_failure_of_one_server_is_not_the_rings_and_that_of_all_is() {
    let (servers, ring, keys) = filled().await;
    let (its, others) = split(&servers, keys).await;
    servers.server(0).kill().await;

    ring.delete_many(&its).await.expect_err("its server is away");
    ring.get(&others[0]).await.unwrap();
    let error = ring.delete_many(&its[..1]).await.expect_err("its server is away");
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(error.source().is_some_and(|source| source.to_string().contains("delete_many")));

    servers.server(1).pause();
    servers.server(2).pause();
    let error = ring.delete_many(&its).await.expect_err("all are away");
    assert!(error.kind().is_failure(), "{error:?}");
}

#[tokio::test]
async fn without_servers_every_call_fails() {
    let ring = Ring::new(Vec::new(), None);

    assert!(ring.get(&key("a")).await.is_err());
    assert!(ring.ping().await.is_err());
}
