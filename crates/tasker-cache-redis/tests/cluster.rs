//! A cluster whose nodes hang, die and hand over slots.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::{LONG, TIMEOUT, connected, entry, eventually, leased, minute, on_its_node, text};
use tasker_cache_core::{Backend, ErrorKind, Fill, Key, KeyBuilder, Lookup};
use tasker_cache_redis::Redis;
use tasker_cache_testkit::server::{RedisCluster, RedisServer, Reply};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

/// A cluster whose nodes answer as long as they can, whoever is gone, and a user who may do no more
/// than must be.
async fn cluster(nodes: usize) -> RedisCluster {
    let builder = RedisServer::builder().arg("--cluster-node-timeout").arg("600000");
    let rules = common::minimal_acl_of_a_cluster();
    RedisCluster::start_with(nodes, builder.user("cache", "p@ss:/", rules)).await
}

async fn slot(cluster: &RedisCluster, key: &Key) -> u16 {
    let slot = cluster.nodes()[0].command(&["CLUSTER", "KEYSLOT", key.as_str()]).await;
    slot.integer().and_then(|slot| u16::try_from(slot).ok()).expect("a slot")
}

/// A key of this test alone, which is on the node with this number.
async fn key_on(cluster: &RedisCluster, node: usize) -> Key {
    loop {
        let key = common::key("k");
        let reply = cluster.nodes()[node].command(&["EXISTS", key.as_str()]).await;
        if matches!(reply, Reply::Integer(_)) {
            return key;
        }
    }
}

/// Reads a key again and again; counts how often there was an answer.
fn reading(backend: &Redis, key: Key) -> (Arc<AtomicU64>, AbortHandle) {
    let (answers, backend) = (Arc::new(AtomicU64::new(0)), backend.clone());
    let counted = Arc::clone(&answers);
    let task = tokio::spawn(async move {
        loop {
            let answer = backend.get(&key).await;
            counted.fetch_add(answer.is_ok().into(), Ordering::Relaxed);
            sleep(Duration::from_millis(5)).await;
        }
    });
    (answers, task.abort_handle())
}

/// Asserts that a node which hangs slows calls for one operation timeout only, though another one
/// answers all the time; `ask` reads a key of each.
async fn assert_a_hung_node_is_noticed(ask: impl AsyncFn(&Redis, &[Key; 2]) -> bool) {
    let cluster = cluster(3).await;
    let backend = connected(&cluster.url()).await;
    let keys = [key_on(&cluster, 0).await, key_on(&cluster, 1).await];
    assert!(ask(&backend, &keys).await);
    let (answers, task) = reading(&backend, keys[0].clone());

    cluster.nodes()[1].pause();
    let (before, begun) = (answers.load(Ordering::Relaxed), Instant::now());
    assert!(!ask(&backend, &keys).await);
    assert!(begun.elapsed() < TIMEOUT * 3, "{:?}", begun.elapsed());
    let meanwhile = answers.load(Ordering::Relaxed) - before;
    assert!(meanwhile > 0, "the other node has to answer meanwhile");
    let begun = Instant::now();
    for _ in 0..20 {
        assert!(!ask(&backend, &keys).await);
    }
    assert!(begun.elapsed() < TIMEOUT * 10, "{:?}", begun.elapsed());
    task.abort();

    cluster.nodes()[1].resume();
    eventually("it is used", || ask(&backend, &keys)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_node_is_noticed_by_a_read() {
    assert_a_hung_node_is_noticed(async |backend, keys| backend.get(&keys[1]).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_node_is_noticed_by_a_read_of_many() {
    assert_a_hung_node_is_noticed(async |backend, keys| backend.get_many(keys).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_node_is_noticed_by_an_invalidation() {
    assert_a_hung_node_is_noticed(async |backend, keys| backend.delete_many(keys).await.is_ok())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_node_calls_fail_at_once_until_it_is_back() {
    let cluster = cluster(3).await;
    let backend = connected(&cluster.url()).await;
    let key = key_on(&cluster, 1).await;
    cluster.nodes()[1].kill().await;

    eventually("it is missed", || async { backend.get(&key).await.is_err() }).await;
    let begun = Instant::now();
    for _ in 0..100 {
        assert!(backend.get(&key).await.is_err());
    }
    assert!(begun.elapsed() < TIMEOUT * 10, "{:?}", begun.elapsed());

    cluster.nodes()[1].restart().await;
    eventually("it is used", || async { backend.get(&key).await.is_ok() }).await;
}

/// Fills a key that nothing is stored under.
async fn fill(backend: &Redis, key: &Key, value: &str) {
    let lease = leased(backend, key).await;
    let filled = backend.fill(lease, entry(value), minute()).await;
    assert_eq!(filled.expect("it runs"), Fill::Stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_slot_moves_is_missed_not_filled_and_never_said_to_be_deleted() {
    let cluster = cluster(2).await;
    let backend = connected(&cluster.url()).await;
    let keys = [key_on(&cluster, 0).await, key_on(&cluster, 0).await];
    let slot = slot(&cluster, &keys[0]).await;
    fill(&backend, &keys[1], "v").await;

    cluster.begin_move(slot, 1).await;
    for _ in 0..3 {
        assert_eq!(text(backend.get(&keys[0]).await.expect("a miss")), None);
        let many = backend.get_many(&keys).await.expect("a miss, and perhaps a hit");
        assert!(many[0].is_none());
        let lookup = backend.get_or_lease(&keys[0], LONG).await.expect("a miss");
        assert!(matches!(lookup, Lookup::Unleased), "{lookup:?}");
        let error = backend.delete(&keys[0]).await.expect_err("it may be on the other node");
        assert_eq!(error.kind(), ErrorKind::Other);
        assert!(backend.delete_many(&keys[..1]).await.is_err());
        assert!(backend.set(&keys[0], entry("new"), minute()).await.is_err());
        assert_eq!(text(backend.get(&keys[1]).await.expect("it runs")).as_deref(), Some("v"));
    }

    cluster.finish_move(slot, 1).await;
    fill(&backend, &keys[0], "v").await;
    assert!(backend.delete(&keys[0]).await.expect("it runs"));
    assert_eq!(text(backend.get(&keys[0]).await.expect("it runs")), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_and_a_lease_move_with_their_slot_and_are_deleted_wherever_they_are() {
    let cluster = cluster(2).await;
    let backend = connected(&cluster.url()).await;
    let key = key_on(&cluster, 0).await;
    let slot = slot(&cluster, &key).await;

    let [deleted, kept] = [leased(&backend, &key).await, {
        assert!(backend.delete(&key).await.expect("it runs"));
        leased(&backend, &key).await
    }];
    cluster.begin_move(slot, 1).await;
    let refused = backend.fill(deleted, entry("old"), minute()).await.expect("it runs");
    assert!(matches!(refused, Fill::Refused(_)), "{refused:?}");
    cluster.finish_move(slot, 1).await;
    let stored = backend.fill(kept, entry("new"), minute()).await.expect("it runs");
    assert_eq!(stored, Fill::Stored);

    cluster.begin_move(slot, 0).await;
    assert_eq!(text(backend.get(&key).await.expect("it runs")).as_deref(), Some("new"));
    assert!(backend.delete(&key).await.expect("it runs"));
    cluster.finish_move(slot, 0).await;
    assert_eq!(text(backend.get(&key).await.expect("it runs")), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_is_deleted_on_a_node_that_the_client_has_not_heard_of() {
    let mut cluster = cluster(2).await;
    let backend = connected(&cluster.url()).await;
    let region = KeyBuilder::raw("test").segment(fastrand::u64(..));
    let keys: Vec<Key> = (0..20).map(|number| region.clone().segment(number).key()).collect();
    for key in &keys {
        backend.set(key, entry("old"), minute()).await.expect("it runs");
    }

    cluster.add_node().await;
    let moved = &keys[7];
    cluster.move_slot(slot(&cluster, moved).await, 2).await;
    let deleted = backend.delete_prefix(&region.prefix()).await.expect("it runs");

    assert_eq!(deleted, 20);
    for key in &keys {
        let command: [&[u8]; 2] = [b"EXISTS", key.as_str().as_bytes()];
        assert_eq!(on_its_node(&cluster, &command).await.integer(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_is_not_said_to_be_deleted_while_its_keys_may_be_on_their_way() {
    let cluster = cluster(2).await;
    let backend = connected(&cluster.url()).await;
    let key = key_on(&cluster, 0).await;
    let slot = slot(&cluster, &key).await;
    cluster.begin_move(slot, 1).await;

    let deleting = tokio::spawn({
        let (backend, prefix) = (backend.clone(), KeyBuilder::raw("test").prefix());
        async move { backend.delete_prefix(&prefix).await }
    });
    sleep(Duration::from_secs(1)).await;
    assert!(!deleting.is_finished());

    cluster.finish_move(slot, 1).await;
    assert!(deleting.await.expect("it comes to its end").is_ok());
}
