//! How many round trips operations take, and what reaches the server.

mod common;

use std::time::Duration;

use tasker_cache_core::{Backend, Entry, ErrorKind, Fill, Lease, Lookup, Prefix, Refusal};
use tasker_cache_memcached::Memcached;
use tasker_cache_testkit::conformance::Fixture;
use tasker_cache_testkit::proxy::FaultProxy;
use tasker_cache_testkit::server::MemcachedServer;

use crate::common::{HOLD, Servers, client, config, key, seconds, unique};

async fn leased(backend: &Memcached, segment: &str) -> Lease {
    match backend.get_or_lease(&key(segment), HOLD).await {
        Ok(Lookup::Leased(lease)) => lease,
        other => panic!("no lease: {other:?}"),
    }
}

/// A server behind a proxy that counts, and a connected client.
async fn counted() -> (MemcachedServer, FaultProxy, Memcached) {
    let server = MemcachedServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let one = config(&server.url_at(proxy.address())).max_connections(1);
    let backend = Memcached::new(one.operation_timeout(Duration::from_secs(5)));
    assert!(backend.ready().await.is_ok(), "it is reachable");
    (server, proxy, backend)
}

#[tokio::test]
async fn a_hit_takes_one_round_trip_and_a_miss_with_its_fill_two() {
    let (_server, proxy, backend) = counted().await;
    let before = proxy.counts().round_trips;

    let lease = leased(&backend, "a").await;
    assert_eq!(backend.fill(lease, Entry::new("v"), seconds(60)).await.unwrap(), Fill::Stored);
    assert_eq!(proxy.counts().round_trips - before, 2);

    let hit = backend.get_or_lease(&key("a"), HOLD).await.unwrap();
    assert!(matches!(hit, Lookup::Hit(_)), "{hit:?}");
    assert_eq!(proxy.counts().round_trips - before, 3);
}

#[tokio::test]
async fn an_invalidation_takes_one_round_trip() {
    let (_server, proxy, backend) = counted().await;
    let before = proxy.counts().round_trips;

    backend.delete(&key("a")).await.unwrap();

    assert_eq!(proxy.counts().round_trips - before, 1);
}

#[tokio::test]
async fn reads_of_many_callers_share_round_trips() {
    let (_server, proxy, backend) = counted().await;
    let before = proxy.counts();

    let keys: Vec<_> = (0..640).map(key).collect();
    assert!(backend.get_many(&keys).await.unwrap().iter().all(Option::is_none));

    let trips = proxy.counts().round_trips - before.round_trips;
    assert!(trips <= 40, "{trips} round trips for 640 keys");
}

#[tokio::test]
async fn readers_of_one_key_share_one_command() {
    let (server, _proxy, backend) = counted().await;
    let keys = vec![key("a"); 64];

    backend.get_many(&keys).await.unwrap();

    let stats = server.command("stats").await;
    let stats = String::from_utf8_lossy(&stats);
    let misses = stats.lines().find_map(|line| line.strip_prefix("STAT get_misses "));
    let misses: u32 = misses.and_then(|count| count.trim().parse().ok()).expect("a number");
    assert!(misses <= 8, "{misses} commands for one key");
}

#[tokio::test]
async fn a_value_that_is_a_command_is_a_value() {
    let server = MemcachedServer::start().await;
    let backend = client(&server.url());
    let value = "set pwned 0 60 3\r\nabc\r\nget victim\r\nquit\r\n";

    for segment in ["", "a", "\r\nflush_all\r\n"] {
        backend.set(&key(segment), Entry::new(value), seconds(60)).await.unwrap();
        let entry = backend.get(&key(segment)).await.unwrap().expect("stored");
        assert_eq!(entry.payload(), value);
    }

    assert_eq!(server.command("get pwned").await, "END\r\n");
}

#[tokio::test]
async fn every_odd_key_is_one_key_and_no_command() {
    let server = MemcachedServer::start().await;
    let backend = client(&server.url());
    server.command("set victim 0 0 6\r\nvictim").await;
    let long = "k".repeat(251);
    let longer = "k".repeat(10_000);
    let odd = ["", " ", "a b", "a\r\nflush_all", "\0", "\t", "\x7f", "gr\u{fc}n", &long, &longer];

    for (number, segment) in odd.iter().enumerate() {
        let value = format!("value {number}");
        backend.set(&key(segment), Entry::new(value), seconds(60)).await.unwrap();
    }
    for (number, segment) in odd.iter().enumerate() {
        let entry = backend.get(&key(segment)).await.unwrap().expect("stored");
        assert_eq!(entry.payload(), format!("value {number}").as_str());
    }

    assert_eq!(server.command("get victim").await, "VALUE victim 0 6\r\nvictim\r\nEND\r\n");
}

#[tokio::test]
async fn a_stub_of_the_server_is_held_and_an_empty_value_of_others_heals() {
    let servers = Servers::on_tcp(1).await;
    let backend = client(&servers.server(0).url());
    servers.server(0).command(format!("mg {} v N30", key("stub").as_str())).await;
    servers.plant(&key("empty"), "".into()).await;

    let held = backend.get_or_lease(&key("stub"), HOLD).await.unwrap();
    assert!(matches!(held, Lookup::Held(_)), "{held:?}");
    let lease = leased(&backend, "empty").await;
    let second = backend.get_or_lease(&key("empty"), HOLD).await.unwrap();
    assert!(matches!(second, Lookup::Held(_)), "{second:?}");
    assert_eq!(backend.fill(lease, Entry::new("v"), seconds(60)).await.unwrap(), Fill::Stored);
}

#[tokio::test]
async fn two_clients_see_one_nonce_of_one_stub() {
    let server = MemcachedServer::start().await;
    let (first, second) = (client(&server.url()), client(&server.url()));
    let _lease = leased(&first, "a").await;

    let one = first.get_or_lease(&key("a"), HOLD).await.unwrap();
    let other = second.get_or_lease(&key("a"), HOLD).await.unwrap();

    assert!(
        matches!((&one, &other), (Lookup::Held(one), Lookup::Held(other)) if one == other),
        "{one:?} {other:?}"
    );
}

#[tokio::test]
async fn what_another_client_marked_as_stale_is_not_served() {
    let server = MemcachedServer::start().await;
    let backend = client(&server.url());
    backend.set(&key("a"), Entry::new("old"), seconds(60)).await.unwrap();

    server.command(format!("md {} I T30", key("a").as_str())).await;

    assert!(backend.get(&key("a")).await.unwrap().is_none());
    let lease = leased(&backend, "a").await;
    assert_eq!(backend.fill(lease, Entry::new("v"), seconds(60)).await.unwrap(), Fill::Stored);
}

#[tokio::test]
async fn a_ttl_of_years_is_no_date_and_a_short_one_not_for_ever() {
    let servers = Servers::on_tcp(1).await;
    let backend = client(&servers.server(0).url());

    for (ttl, expected) in [(400 * 86_400, 2_592_000), (2_592_001, 2_592_000), (60, 60)] {
        let key = key(ttl);
        backend.set(&key, Entry::new("v"), seconds(ttl)).await.unwrap();
        let shown = servers.server(0).command(format!("mg {} t", key.as_str())).await;
        let shown = String::from_utf8_lossy(&shown);
        let left = shown.strip_prefix("HD t").and_then(|left| left.trim().parse::<u32>().ok());
        // Some seconds may have begun meanwhile.
        assert!(
            left.is_some_and(|left| (expected - 30..=expected).contains(&left)),
            "{ttl} s: {shown}"
        );
    }
}

#[tokio::test]
async fn no_lease_lives_for_ever() {
    let server = MemcachedServer::start().await;
    let backend = client(&server.url());

    let lookup = backend.get_or_lease(&key("a"), Duration::ZERO).await.unwrap();

    assert!(matches!(lookup, Lookup::Leased(_)), "{lookup:?}");
    let shown = server.command(format!("mg {} t", key("a").as_str())).await;
    assert!(!shown.starts_with(b"HD t-1"), "{shown:?}");
}

#[tokio::test]
async fn the_largest_payload_is_stored_and_a_byte_more_is_refused() {
    let server = MemcachedServer::start().await;
    let backend = client(&server.url());
    let most = backend.profile().limits.max_value_bytes;
    // The longest text that a key has.
    let longest = key("k".repeat(250 - "app:test:".len()));

    backend.set(&longest, Entry::new(vec![7; most]), seconds(60)).await.unwrap();
    assert_eq!(backend.get(&longest).await.unwrap().expect("stored").payload().len(), most);

    let error = backend.set(&longest, Entry::new(vec![7; most + 1]), seconds(60)).await;
    assert_eq!(error.expect_err("too large").kind(), ErrorKind::TooLarge);
    assert!(backend.get(&longest).await.unwrap().is_none());
}

#[tokio::test]
async fn what_the_server_finds_too_large_is_refused_and_the_connection_stays() {
    let server = MemcachedServer::builder().max_item_bytes(8192).start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let backend = client(&server.url_at(proxy.address()));
    backend.set(&key("a"), Entry::new("old"), seconds(60)).await.unwrap();

    let error = backend.set(&key("a"), Entry::new(vec![7; 100_000]), seconds(60)).await;
    assert_eq!(error.expect_err("too large").kind(), ErrorKind::TooLarge);
    let lease = leased(&backend, "a").await;
    let filled = backend.fill(lease, Entry::new(vec![7; 100_000]), seconds(60)).await.unwrap();

    assert_eq!(filled, Fill::Refused(Refusal::TooLarge));
    assert!(matches!(backend.get_or_lease(&key("a"), HOLD).await.unwrap(), Lookup::Leased(_)));
    assert_eq!(proxy.counts().connections, 1);
}

#[tokio::test]
async fn a_prefix_can_not_be_deleted_and_the_profile_says_so() {
    let server = MemcachedServer::start().await;
    let backend = client(&server.url());
    let prefix: Prefix = key("a").region_prefix();

    assert!(!backend.profile().can_delete_prefix);
    let error = backend.delete_prefix(&prefix).await.expect_err("not possible");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn many_deletes_are_acknowledged_once_and_all_done() {
    let (_server, proxy, backend) = counted().await;
    let tag = unique();
    let keys: Vec<_> = (0..500).map(|number| key(format!("{tag}-{number}"))).collect();
    for key in &keys {
        backend.set(key, Entry::new("v"), seconds(60)).await.unwrap();
    }
    let before = proxy.counts().round_trips;

    backend.delete_many(&keys).await.unwrap();

    assert_eq!(proxy.counts().round_trips - before, 1);
    assert!(backend.get_many(&keys).await.unwrap().iter().all(Option::is_none));
}

#[tokio::test]
async fn a_server_without_cas_numbers_leases_nothing() {
    let server = MemcachedServer::builder().arg("-C").start().await;
    let backend = client(&server.url());

    for _ in 0..2 {
        let lookup = backend.get_or_lease(&key("a"), HOLD).await.unwrap();
        assert!(matches!(lookup, Lookup::Unleased), "{lookup:?}");
    }
    backend.set(&key("a"), Entry::new("v"), seconds(60)).await.unwrap();
    assert!(backend.get(&key("a")).await.unwrap().is_some());
}
