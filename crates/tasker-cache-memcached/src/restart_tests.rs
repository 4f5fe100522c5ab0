//! A restart of the server between lease and fill, with the rule that makes it safe and without.

use std::time::Duration;

use tasker_cache_core::{Backend, Entry, Fill, Key, KeyBuilder, Lease, Lookup, Nonce, Ttl};
use tasker_cache_testkit::server::MemcachedServer;
use tokio::time::{Instant, sleep};

use crate::{Memcached, MemcachedConfig};

const HOLD: Duration = Duration::from_secs(60);

fn config(server: &MemcachedServer) -> MemcachedConfig {
    let config = MemcachedConfig::new(&server.url()).expect("a URL of the harness");
    config.max_connections(1).operation_timeout(Duration::from_secs(5))
}

async fn lease(backend: &Memcached, keys: &[Key]) -> Vec<Lease> {
    let mut leases = Vec::new();
    for key in keys {
        match backend.get_or_lease(key, HOLD).await {
            Ok(Lookup::Leased(lease)) => leases.push(lease),
            other => panic!("no lease: {other:?}"),
        }
    }
    leases
}

/// Leases keys, restarts the server, lets another client lease the same keys in the same order,
/// so that the stubs have the same CAS numbers, and only then fills. Returns how many were stored.
async fn stored_after_restarts(restarts: usize, keys_each: usize, planted: bool) -> usize {
    let server = MemcachedServer::start().await;
    let mut config = config(&server);
    config.fills_on_any_connection = planted;
    let ttl = Ttl::new(HOLD).expect("not zero");
    let mut stored = 0;
    for restart in 0..restarts {
        let key = |number| KeyBuilder::raw("p").segment(restart).segment(number).key();
        let keys: Vec<Key> = (0..keys_each).map(key).collect();
        let mine = Memcached::new(config.clone());
        let leases = lease(&mine, &keys).await;
        server.restart().await;
        let _strangers = lease(&Memcached::new(config.clone()), &keys).await;
        let deadline = Instant::now() + Duration::from_secs(30);
        while mine.ping().await.is_err() {
            assert!(Instant::now() < deadline, "it has not connected in time");
            sleep(Duration::from_millis(10)).await;
        }
        for lease in leases {
            let entry = Entry::new("of the old server");
            stored += usize::from(matches!(mine.fill(lease, entry, ttl).await, Ok(Fill::Stored)));
        }
    }
    stored
}

#[tokio::test]
async fn no_fill_is_stored_whose_server_was_restarted_since_the_lease() {
    assert_eq!(stored_after_restarts(20, 50, false).await, 0);
}

#[tokio::test]
async fn a_fill_on_any_connection_is_caught_by_the_same_test() {
    assert!(stored_after_restarts(1, 50, true).await > 0);
}

#[tokio::test]
async fn a_fill_that_finds_out_about_the_restart_itself_is_not_stored() {
    let server = MemcachedServer::start().await;
    let backend = Memcached::new(config(&server));
    let key = KeyBuilder::raw("p").segment(format!("{:?}", Nonce::random())).key();
    let lease = lease(&backend, std::slice::from_ref(&key)).await.remove(0);

    server.restart().await;
    let filled = backend.fill(lease, Entry::new("old"), Ttl::new(HOLD).expect("not zero")).await;

    assert!(!matches!(filled, Ok(Fill::Stored)), "{filled:?}");
    assert!(backend.get(&key).await.expect("it is back").is_none());
}
