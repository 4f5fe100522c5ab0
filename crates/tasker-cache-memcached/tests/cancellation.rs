//! Callers that go away at any moment.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use tasker_cache_core::{Backend, Entry, Lookup};
use tasker_cache_memcached::Memcached;
use tasker_cache_testkit::proxy::{FaultProxy, NetworkFault};
use tasker_cache_testkit::server::MemcachedServer;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::common::{HOLD, config, eventually, key, seconds};

const KEYS: u32 = 64;

async fn filled(url: &str) -> Memcached {
    let backend = Memcached::new(config(url).operation_timeout(Duration::from_secs(10)));
    for number in 0..KEYS {
        let value = format!("value {number}");
        backend.set(&key(number), Entry::new(value), seconds(600)).await.unwrap();
    }
    backend
}

/// Reads at random, and gives up at random before the answer is there.
async fn reads_and_leaves(backend: Memcached, seed: u64) -> usize {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut answered = 0;
    for _ in 0..2_000 {
        let number = random.u32(..KEYS);
        let patience = Duration::from_micros(random.u64(..1_500));
        let read = async {
            if random.bool() {
                return backend.get(&key(number)).await.expect("no failure");
            }
            match backend.get_or_lease(&key(number), HOLD).await.expect("no failure") {
                Lookup::Hit(entry) => Some(entry),
                other => panic!("no hit: {other:?}"),
            }
        };
        if let Ok(entry) = timeout(patience, read).await {
            let entry = entry.expect("a hit");
            assert_eq!(entry.payload(), format!("value {number}").as_str());
            answered += 1;
        }
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_cancellations_mixes_up_nothing_and_costs_no_connection() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let server = MemcachedServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let backend = filled(&server.url_at(proxy.address())).await;

    let mut readers = JoinSet::new();
    for reader in 0..16 {
        readers.spawn(reads_and_leaves(backend.clone(), seed.wrapping_add(reader)));
    }
    let answered: usize = readers.join_all().await.into_iter().sum();

    println!("{answered} of 32000 answered");
    assert!((1..32_000).contains(&answered), "all or nothing was cancelled");
    assert!(proxy.counts().connections <= 4, "{:?}", proxy.counts());
}

#[tokio::test]
async fn a_lease_whose_caller_has_gone_is_given_back() {
    let server = MemcachedServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let url = server.url_at(proxy.address());
    let one = config(&url).max_connections(1).operation_timeout(Duration::from_secs(10));
    let backend = Memcached::new(one);
    backend.ready().await.unwrap();
    proxy.set(NetworkFault::Latency(Duration::from_millis(200)));

    let lookup = timeout(Duration::from_millis(100), backend.get_or_lease(&key("a"), HOLD)).await;
    assert!(lookup.is_err(), "it was to be cancelled: {lookup:?}");
    proxy.clear();

    eventually(async || {
        matches!(backend.get_or_lease(&key("a"), HOLD).await, Ok(Lookup::Leased(_)))
    })
    .await;
}

#[tokio::test]
async fn a_delete_whose_caller_has_gone_is_done() {
    let server = MemcachedServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let backend = filled(&server.url_at(proxy.address())).await;
    proxy.set(NetworkFault::Latency(Duration::from_millis(100)));

    let delete = timeout(Duration::from_millis(20), backend.delete(&key(1))).await;
    assert!(delete.is_err(), "it was to be cancelled: {delete:?}");
    proxy.clear();

    eventually(async || backend.get(&key(1)).await.unwrap().is_none()).await;
}

#[tokio::test]
async fn a_write_that_was_given_up_is_not_sent_later() {
    let server = MemcachedServer::start().await;
    let backend = Memcached::new(
        config(&server.url()).max_connections(1).operation_timeout(Duration::from_millis(200)),
    );
    backend.ready().await.unwrap();
    server.kill().await;
    assert!(backend.set(&key("a"), Entry::new("late"), seconds(600)).await.is_err());
    assert!(backend.set(&key("a"), Entry::new("late"), seconds(600)).await.is_err());

    server.restart().await;
    eventually(async || backend.ping().await.is_ok()).await;
    sleep(Duration::from_millis(300)).await;

    eventually(async || match backend.get(&key("a")).await {
        Ok(found) => {
            assert!(found.is_none(), "it was sent later");
            true
        }
        Err(_) => false,
    })
    .await;
}
