//! A cluster is one, and so is a primary with its replica.

use std::time::Duration;

use tasker_cache_testkit::server::{RedisBuilder, RedisCluster, RedisReplicas, RedisServer};
use tokio::time::{Instant, sleep};

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

fn plain() -> RedisBuilder {
    RedisServer::builder()
}

#[tokio::test]
async fn each_node_of_a_cluster_has_its_own_slots() {
    let cluster = RedisCluster::start(3).await;
    let mut homes = 0;
    for node in cluster.nodes() {
        let reply = node.command(&["SET", "key", "value"]).await;
        homes += u8::from(reply.is_ok());
        assert!(reply.is_ok() || reply.text().expect("words").starts_with("MOVED "), "{reply}");
    }
    assert_eq!(homes, 1);
}

#[tokio::test]
async fn a_clusters_url_names_every_node() {
    let cluster = RedisCluster::start_with(2, plain().password("p@ss")).await;
    let ports: Vec<u16> = cluster.nodes().iter().map(RedisServer::port).collect();
    let [one, two] = ports[..] else { panic!("{ports:?}") };
    let url = format!("redis-cluster://:p%40ss@127.0.0.1:{one}?node=127.0.0.1:{two}");
    assert_eq!(cluster.url(), url);
}

#[tokio::test]
async fn a_cluster_fails_without_a_node_and_is_well_when_it_is_back() {
    let cluster = RedisCluster::start(3).await;
    cluster.nodes()[2].kill().await;
    let deadline = Instant::now() + LONG;
    let asked = async || cluster.nodes()[0].command(&["CLUSTER", "INFO"]).await.to_string();
    while asked().await.contains("cluster_state:ok") {
        assert!(Instant::now() < deadline, "nobody missed it");
        sleep(Duration::from_millis(50)).await;
    }
    cluster.nodes()[2].restart().await;
    cluster.ready().await;
}

/// The slot of `key` (`CLUSTER KEYSLOT key`).
const SLOT: u16 = 12_539;

#[tokio::test]
async fn a_slot_moves_with_what_is_in_it_to_a_node_that_was_added() {
    let mut cluster = RedisCluster::start_with(2, plain().password("p@ss")).await;
    let [_, home] = cluster.nodes() else { panic!("two nodes") };
    assert_eq!(home.command(&["CLUSTER", "KEYSLOT", "key"]).await.integer(), Some(SLOT.into()));
    assert!(home.command(&["SET", "key", "value"]).await.is_ok());

    cluster.add_node().await;
    cluster.begin_move(SLOT, 2).await;
    let [_, home, added] = cluster.nodes() else { panic!("three nodes") };
    assert_eq!(home.command(&["GET", "key"]).await.text(), Some("value"));
    let sent_on = home.command(&["GET", "{key}2"]).await;
    assert!(sent_on.text().expect("words").starts_with("ASK "), "{sent_on}");

    cluster.finish_move(SLOT, 2).await;
    assert_eq!(added.command(&["GET", "key"]).await.text(), Some("value"));
    let moved = home.command(&["GET", "key"]).await;
    assert!(moved.text().expect("words").starts_with("MOVED "), "{moved}");
}

#[tokio::test]
async fn a_replica_in_a_cluster_takes_over_with_and_without_its_primary() {
    // Not by itself: nobody takes the one that is killed for dead.
    let builder = plain().password("p@ss").arg("--cluster-node-timeout").arg("600000");
    let mut cluster = RedisCluster::start_with(3, builder).await;
    assert!(cluster.nodes()[2].command(&["SET", "key", "value"]).await.is_ok());
    cluster.add_replica(2).await;

    cluster.hand_over(3).await;
    assert!(cluster.nodes()[3].command(&["SET", "key", "other"]).await.is_ok());
    let handed_over = cluster.nodes()[2].command(&["GET", "key"]).await;
    assert!(handed_over.text().expect("words").starts_with("MOVED "), "{handed_over}");

    cluster.hand_over(2).await;
    cluster.nodes()[2].kill().await;
    cluster.take_over(3).await;
    let kept = cluster.nodes()[3].command(&["GET", "key"]).await;
    assert_eq!(kept.text(), Some("other"));
}

#[tokio::test]
async fn a_replica_has_what_its_primary_has() {
    let pair = RedisReplicas::start_with(plain().password("p@ss")).await;
    assert!(pair.primary().command(&["SET", "key", "value"]).await.is_ok());
    pair.in_sync().await;
    assert_eq!(pair.replica().command(&["GET", "key"]).await.text(), Some("value"));
    let refusal = pair.replica().command(&["SET", "key", "other"]).await;
    assert!(refusal.text().expect("words").starts_with("READONLY "), "{refusal}");
}

#[tokio::test]
async fn a_replica_follows_its_primary_through_a_restart() {
    let pair = RedisReplicas::start().await;
    assert!(pair.primary().command(&["SET", "key", "value"]).await.is_ok());
    pair.in_sync().await;
    pair.primary().restart().await;
    assert!(pair.primary().command(&["SET", "other", "value"]).await.is_ok());
    pair.in_sync().await;
    assert_eq!(pair.replica().command(&["KEYS", "*"]).await.items().len(), 1);
}

#[tokio::test]
async fn a_replica_can_take_over() {
    let pair = RedisReplicas::start().await;
    assert!(pair.primary().command(&["SET", "key", "value"]).await.is_ok());
    pair.in_sync().await;
    pair.primary().kill().await;
    assert!(pair.replica().command(&["REPLICAOF", "NO", "ONE"]).await.is_ok());
    assert_eq!(pair.replica().command(&["INCR", "count"]).await.integer(), Some(1));
    assert_eq!(pair.replica().command(&["GET", "key"]).await.text(), Some("value"));
}
