//! A cluster whose nodes hang, die and hand over slots.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::{LONG, TIMEOUT, connected, entry, eventually, leased, minute, on_its_node, text};
use tasker_cache_core::{Backend, Entry, ErrorKind, Fill, Key, KeyBuilder, Lookup, Result};
use tasker_cache_redis::Redis;
use tasker_cache_testkit::server::{RedisCluster, RedisServer, Reply};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
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

/// So many keys of one slot, which is on the first of two nodes.
async fn keys_of_a_slot(cluster: &RedisCluster, count: usize) -> (Vec<Key>, u16) {
    loop {
        // What stands between braces decides on the slot.
        let tagged = KeyBuilder::raw(&format!("{{{}}}", fastrand::u64(..)));
        let keys: Vec<_> = (0..count).map(|number| tagged.clone().segment(number).key()).collect();
        let slot = slot(cluster, &keys[0]).await;
        if slot < 8_192 {
            return (keys, slot);
        }
    }
}

/// Reads a key again and again, in several tasks: a read that leaves together with one that gets no
/// answer gets none either. Counts the answers.
fn reading(backend: &Redis, key: &Key) -> (Arc<AtomicU64>, JoinSet<()>) {
    let (answers, mut tasks) = (Arc::new(AtomicU64::new(0)), JoinSet::new());
    for _ in 0..8 {
        let (backend, key, answers) = (backend.clone(), key.clone(), Arc::clone(&answers));
        tasks.spawn(async move {
            loop {
                let answer = backend.get(&key).await;
                answers.fetch_add(answer.is_ok().into(), Ordering::Relaxed);
                sleep(Duration::from_millis(fastrand::u64(1..10))).await;
            }
        });
    }
    (answers, tasks)
}

/// Asserts that after a call that meets a node which hangs no read of it waits, though another one
/// answers all the time; `ask` reads a key of each.
async fn assert_a_hung_node_is_noticed(ask: impl AsyncFn(&Redis, &[Key; 2]) -> bool) {
    let cluster = cluster(3).await;
    let backend = connected(&cluster.url()).await;
    let keys = [key_on(&cluster, 0).await, key_on(&cluster, 1).await];
    assert!(ask(&backend, &keys).await);
    let (answers, reading) = reading(&backend, &keys[0]);

    cluster.nodes()[1].pause();
    let (before, begun) = (answers.load(Ordering::Relaxed), Instant::now());
    assert!(!ask(&backend, &keys).await);
    assert!(begun.elapsed() < TIMEOUT * 3, "{:?}", begun.elapsed());
    let meanwhile = answers.load(Ordering::Relaxed) - before;
    assert!(meanwhile > 0, "the other node has to answer meanwhile");
    let begun = Instant::now();
    for _ in 0..20 {
        assert!(backend.get(&keys[1]).await.is_err());
    }
    assert!(begun.elapsed() < TIMEOUT * 10, "{:?}", begun.elapsed());
    drop(reading);

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
async fn a_hung_node_is_noticed_by_a_ping() {
    assert_a_hung_node_is_noticed(async |backend, _| backend.ping().await.is_ok()).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_taken_for_a_server_alone_is_not_ready_for_that() {
    let cluster = cluster(2).await;
    let backend = connected(&cluster.nodes()[0].url()).await;
    let key = key_on(&cluster, 1).await;

    let errors = [backend.get(&key).await.err(), backend.delete(&key).await.err()];

    for error in errors.map(|error| error.expect("it is on the other node")) {
        assert_eq!(error.kind(), ErrorKind::NotReady);
        let cause = error.source().expect("a cause").to_string();
        assert_eq!(cause, "the server is part of a cluster");
    }
}

fn texts(many: Result<Vec<Option<Entry>>>) -> Vec<Option<String>> {
    many.expect("it runs").into_iter().map(text).collect()
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
    let (keys, slot) = keys_of_a_slot(&cluster, 2).await;
    fill(&backend, &keys[1], "v").await;

    cluster.begin_move(slot, 1).await;
    for _ in 0..3 {
        assert_eq!(text(backend.get(&keys[0]).await.expect("a miss")), None);
        assert_eq!(texts(backend.get_many(&keys).await), [None, Some("v".to_owned())]);
        let lookup = backend.get_or_lease(&keys[0], LONG).await.expect("a miss");
        assert!(matches!(lookup, Lookup::Unleased), "{lookup:?}");
        let error = backend.delete(&keys[0]).await.expect_err("it may be on the other node");
        assert_eq!(error.kind(), ErrorKind::Other);
        assert!(backend.delete_many(&keys).await.is_err());
        assert!(backend.set(&keys[0], entry("new"), minute()).await.is_err());
        assert_eq!(text(backend.get(&keys[1]).await.expect("it runs")).as_deref(), Some("v"));
    }

    cluster.finish_move(slot, 1).await;
    assert_eq!(texts(backend.get_many(&keys).await), [None, Some("v".to_owned())]);
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
    let (slot, prefix) = (slot(&cluster, &key).await, KeyBuilder::raw("test").prefix());

    cluster.begin_move(slot, 1).await;
    let error = backend.delete_prefix(&prefix).await.expect_err("it may be on its way");
    assert_eq!(error.kind(), ErrorKind::Other);

    cluster.finish_move(slot, 1).await;
    assert!(backend.delete_prefix(&prefix).await.is_ok());
}

/// While a slot is on its way to a node, what others ask that node is answered to them, though the
/// slot's keys are asked for as well.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_anothers_answer_while_a_slot_moves() {
    let mut cluster = cluster(2).await;
    cluster.add_node().await;
    let backend = connected(&cluster.url()).await;
    let (moving, without_slots) = (key_on(&cluster, 0).await, key_on(&cluster, 0).await);
    cluster.begin_move(slot(&cluster, &moving).await, 1).await;
    cluster.begin_move(slot(&cluster, &without_slots).await, 2).await;

    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let (backend, own, gone) =
            (backend.clone(), key_on(&cluster, 1).await, key_on(&cluster, 1).await);
        tasks.spawn(async move {
            for number in 0..200_u32 {
                let value = number.to_string();
                let lease = leased(&backend, &own).await;
                let refused = leased(&backend, &gone).await;
                assert!(backend.delete(&gone).await.expect("it runs"));
                let (stored, refused) = tokio::join!(
                    backend.fill(lease, entry(&value), minute()),
                    backend.fill(refused, entry("old"), minute()),
                );
                assert_eq!(stored.expect("it runs"), Fill::Stored);
                assert!(matches!(refused, Ok(Fill::Refused(_))), "{refused:?}");
                let found = backend.get(&own).await.expect("it runs");
                assert_eq!(text(found).as_deref(), Some(&*value));
                assert!(backend.delete(&own).await.expect("it runs"));
                assert!(!backend.delete(&own).await.expect("it runs"));
            }
        });
    }
    let asking = [moving, without_slots].map(|key| {
        let backend = backend.clone();
        tokio::spawn(async move {
            loop {
                let lookup = backend.get_or_lease(&key, LONG).await;
                assert!(matches!(lookup, Ok(Lookup::Unleased)), "{lookup:?}");
                assert!(backend.delete(&key).await.is_err());
            }
        })
    });
    while let Some(done) = tasks.join_next().await {
        done.expect("nobody gets another's answer");
    }
    for asking in asking {
        assert!(!asking.is_finished());
        asking.abort();
    }
}

/// A redirection that is not followed is nothing to send, and the client has held back for it what
/// others ask.
#[tokio::test(flavor = "multi_thread")]
async fn no_question_stays_in_the_client_while_a_slot_moves() {
    let cluster = cluster(2).await;
    let backend = connected(&cluster.url()).await;
    let (mut keys, slot) = keys_of_a_slot(&cluster, 8).await;
    for _ in 0..8 {
        keys.push(key_on(&cluster, 1).await);
    }
    cluster.begin_move(slot, 1).await;

    for _ in 0..1_000 {
        assert!(texts(backend.get_many(&keys).await).iter().all(Option::is_none));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_hangs_keeps_nobody_from_asking_the_next() {
    let cluster = cluster(2).await;
    let known = cluster.nodes()[0].address();
    let silent = TcpListener::bind((known.ip(), 0)).await.expect("a free port");
    let in_front = silent.local_addr().expect("bound");

    let url = format!("redis-cluster://cache:p%40ss%3A%2F@{in_front}?node={known}");
    let config = common::config(&url).connection_timeout(Duration::from_secs(15));
    let backend = Redis::new(config).expect("a configuration");
    backend.ready().await.expect("the other one answers");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_takes_over_is_used() {
    let mut cluster = cluster(2).await;
    cluster.add_replica(0).await;
    let backend = connected(&cluster.url()).await;
    let key = key_on(&cluster, 0).await;
    cluster.nodes()[0].kill().await;
    eventually("it is missed", || async { backend.get(&key).await.is_err() }).await;

    cluster.take_over(2).await;
    eventually("its replica is used", || async { backend.get(&key).await.is_ok() }).await;

    fill(&backend, &key, "v").await;
    assert!(backend.delete(&key).await.expect("it runs"));
    assert!(backend.delete_prefix(&KeyBuilder::raw("test").prefix()).await.is_ok());
}

/// Stores, reads and deletes what is under a key until a call fails, and counts the rounds.
async fn store_and_delete(backend: &Redis, key: &Key, rounds: &AtomicU64) -> Result<()> {
    loop {
        let value = rounds.fetch_add(1, Ordering::Relaxed).to_string();
        backend.set(key, entry(&value), minute()).await?;
        assert_eq!(text(backend.get(key).await?), Some(value));
        assert!(backend.delete(key).await?);
        assert_eq!(text(backend.get(key).await?), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_acknowledged_is_lost_when_a_primary_hands_over() {
    let mut cluster = cluster(2).await;
    cluster.add_replica(0).await;
    let backend = connected(&cluster.url()).await;
    let rounds = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let (backend, rounds) = (backend.clone(), Arc::clone(&rounds));
        tasks.spawn(async move {
            loop {
                // Of a call that fails nobody knows what it did to its key.
                let key = common::key("k");
                let failed = store_and_delete(&backend, &key, &rounds).await;
                assert!(failed.is_err());
                sleep(Duration::from_millis(1)).await;
            }
        });
    }

    for to in [2, 0] {
        let begun = rounds.load(Ordering::Relaxed);
        eventually("it runs", || async { rounds.load(Ordering::Relaxed) > begun + 100 }).await;

        cluster.hand_over(to).await;

        let handed_over = rounds.load(Ordering::Relaxed);
        eventually("it runs", || async { rounds.load(Ordering::Relaxed) > handed_over + 1000 })
            .await;
    }

    assert!(tasks.try_join_next().is_none());
}
