//! What the harness says of a Redis server, against the real program.

use std::time::Duration;

use tasker_cache_testkit::server::RedisServer;
use tokio::time::timeout;

#[tokio::test]
async fn a_server_answers_and_has_a_port_of_its_own() {
    let (one, other) = tokio::join!(RedisServer::start(), RedisServer::start());
    assert_ne!(one.port(), other.port());
    assert!(one.command(&["SET", "key", "one"]).await.is_ok());
    assert_eq!(other.command(&["EXISTS", "key"]).await.integer(), Some(0));
    assert_eq!(one.command(&["GET", "key"]).await.text(), Some("one"));
}

#[tokio::test]
async fn a_restarted_server_has_the_same_port_and_nothing_in_it() {
    let server = RedisServer::start().await;
    let (address, pid) = (server.address(), server.pid());
    assert!(server.command(&["SET", "key", "value"]).await.is_ok());
    server.save().await;
    server.restart().await;
    assert_eq!(server.address(), address);
    assert_ne!(server.pid(), pid);
    assert_eq!(server.command(&["DBSIZE"]).await.integer(), Some(0));
}

#[tokio::test]
async fn a_restart_with_a_snapshot_brings_deleted_keys_back() {
    let server = RedisServer::start().await;
    assert!(server.command(&["SET", "key", "old"]).await.is_ok());
    server.save().await;
    assert_eq!(server.command(&["DEL", "key"]).await.integer(), Some(1));
    server.restart_with_snapshot().await;
    assert_eq!(server.command(&["GET", "key"]).await.text(), Some("old"));
}

#[tokio::test]
async fn a_paused_server_is_silent_until_it_is_resumed() {
    let server = RedisServer::start().await;
    server.pause();
    let silence = timeout(Duration::from_millis(200), server.try_command(&["PING"])).await;
    assert!(silence.is_err(), "it answered {silence:?}");
    server.resume();
    assert_eq!(server.command(&["PING"]).await.text(), Some("PONG"));
}
