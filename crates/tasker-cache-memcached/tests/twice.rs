//! Answers that come twice: none is taken for that of a later request, which may be about the
//! same key.

mod common;

use std::time::Duration;

use tasker_cache_core::{Backend, Entry, Lookup};
use tasker_cache_memcached::Memcached;
use tasker_cache_testkit::proxy::{FaultProxy, NetworkFault};
use tasker_cache_testkit::server::MemcachedServer;

use crate::common::{HOLD, client, config, eventually, key, seconds};

/// Longer than any machine stalls.
const LONG: Duration = Duration::from_secs(30);

/// A server, a proxy in front of it, and a client with one connection through it.
async fn behind_a_proxy(timeout: Duration) -> (MemcachedServer, FaultProxy, Memcached) {
    let server = MemcachedServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let one = config(&server.url_at(proxy.address())).max_connections(1);
    let backend = Memcached::new(one.operation_timeout(timeout));
    assert!(backend.ready().await.is_ok(), "it is reachable");
    (server, proxy, backend)
}

#[tokio::test]
async fn a_value_that_came_twice_is_not_what_the_next_read_returns() {
    let (server, proxy, backend) = behind_a_proxy(LONG).await;
    let writer = client(&server.url());

    for round in 0..20 {
        writer.set(&key("a"), Entry::new("old"), seconds(60)).await.unwrap();
        proxy.once(NetworkFault::DuplicateReplies);
        let old = backend.get(&key("a")).await.unwrap().expect("it is stored");
        assert_eq!(old.payload(), "old");
        writer.set(&key("a"), Entry::new("new"), seconds(60)).await.unwrap();

        let new = backend.get(&key("a")).await.unwrap().expect("it is stored");

        assert_eq!(new.payload(), "new", "round {round}");
    }
    assert!(proxy.counts().connections > 1, "nothing came twice");
}

#[tokio::test]
async fn an_acknowledgement_that_came_twice_is_not_that_of_the_next_deletion() {
    let (server, proxy, backend) = behind_a_proxy(Duration::from_secs(2)).await;
    let keys = [key("a"), key("b"), key("c")];

    for round in 0..6 {
        eventually(async || backend.ping().await.is_ok()).await;
        proxy.once(NetworkFault::DuplicateReplies);
        match round % 3 {
            0 => drop(backend.delete(&keys[0]).await.unwrap()),
            1 => backend.delete_many(&keys).await.unwrap(),
            _ => backend.set(&keys[0], Entry::new("v"), seconds(60)).await.unwrap(),
        }
        assert_eq!(proxy.fault(), None, "nothing came twice");
        server.pause();

        let deleted = match round % 2 {
            0 => backend.delete(&keys[0]).await.map(drop),
            _ => backend.delete_many(&keys).await,
        };

        server.resume();
        assert!(deleted.is_err(), "round {round}: acknowledged by a server that stood still");
    }
}

#[tokio::test]
async fn a_lease_that_came_twice_is_granted_once() {
    let (_server, proxy, backend) = behind_a_proxy(LONG).await;

    for round in 0..20 {
        let key = key(round);
        proxy.once(NetworkFault::DuplicateReplies);
        let Lookup::Leased(lease) = backend.get_or_lease(&key, HOLD).await.unwrap() else {
            panic!("round {round}: nobody else has it");
        };

        let second = backend.get_or_lease(&key, HOLD).await.unwrap();

        assert!(matches!(second, Lookup::Held(_)), "round {round}: {second:?}");
        drop(lease);
    }
    assert!(proxy.counts().connections > 1, "nothing came twice");
}
