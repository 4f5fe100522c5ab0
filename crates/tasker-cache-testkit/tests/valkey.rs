//! The harness runs Valkey as it runs Redis.

use tasker_cache_testkit::server::{Program, RedisBuilder, RedisCluster, RedisServer};

fn valkey() -> RedisBuilder {
    RedisServer::builder().program(Program::Valkey)
}

#[tokio::test]
async fn a_valkey_is_started_saved_and_restarted() {
    let server = valkey().password("p@ss").user("cache", "s3cret", "~* +@all").start().await;
    let info = server.command(&["INFO", "server"]).await.to_string();
    assert!(info.contains("server_name:valkey"), "{info}");
    assert!(server.command(&["SET", "key", "value"]).await.is_ok());
    server.save().await;
    server.restart_with_snapshot().await;
    assert_eq!(server.command(&["GET", "key"]).await.text(), Some("value"));
    server.restart().await;
    assert_eq!(server.command(&["DBSIZE"]).await.integer(), Some(0));
}

#[tokio::test]
async fn a_cluster_can_be_of_valkey() {
    let cluster = RedisCluster::start_with(3, valkey()).await;
    assert_eq!(cluster.nodes().len(), 3);
}
