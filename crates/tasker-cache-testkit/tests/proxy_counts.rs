//! What a proxy counts, and how long it lives.

mod echo;

use std::time::Duration;

use tasker_cache_testkit::proxy::{FaultProxy, NetworkFault};
use tasker_cache_testkit::server::{MemcachedServer, RedisServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use self::echo::{Echo, LONG, SHORT, connect, exchange, receive};

#[tokio::test]
async fn a_request_that_waits_for_its_reply_is_a_round_trip() {
    let echo = Echo::start().await;
    let proxy = FaultProxy::start(echo.address()).await;
    let mut client = connect(&proxy).await;
    for round in 1..=5 {
        exchange(&mut client, b"ten bytes.").await;
        let counts = proxy.counts();
        assert_eq!((counts.round_trips, counts.connections), (round, 1));
        assert_eq!((counts.request_bytes, counts.reply_bytes), (10 * round, 10 * round));
        assert!(counts.requests >= round && counts.replies >= round, "{counts:?}");
    }
}

#[tokio::test]
async fn requests_that_are_sent_together_are_one_round_trip() {
    let echo = Echo::start().await;
    let proxy = FaultProxy::start(echo.address()).await;
    let mut client = connect(&proxy).await;
    proxy.set(NetworkFault::Latency(Duration::from_millis(50)));
    for _ in 0..10 {
        client.write_all(b"x").await.expect("it is open");
    }
    receive(&mut client, 10).await;
    assert_eq!(proxy.counts().round_trips, 1);
}

#[tokio::test]
async fn a_long_request_and_reply_are_one_round_trip() {
    let server = RedisServer::start().await;
    let bytes = vec![b'x'; 1_000_000];
    let set: &[&[u8]] = &[b"SET", b"key", &bytes];
    assert!(server.command(set).await.is_ok());
    let proxy = FaultProxy::start(server.address()).await;
    let mut client = connect(&proxy).await;
    client.write_all(b"GET key\r\n").await.expect("it is open");
    receive(&mut client, 1_000_000).await;
    let counts = proxy.counts();
    assert_eq!(counts.round_trips, 1);
    assert!(counts.replies > 1, "{counts:?}");
}

#[tokio::test]
async fn what_a_server_pushes_is_no_round_trip() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let mut client = connect(&proxy).await;
    client.write_all(b"SUBSCRIBE news\r\n").await.expect("it is open");
    receive(&mut client, "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n".len()).await;
    for _ in 0..3 {
        server.command(&["PUBLISH", "news", "none"]).await;
        receive(&mut client, "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$4\r\nnone\r\n".len()).await;
    }
    assert_eq!(proxy.counts().round_trips, 1);
}

#[tokio::test]
async fn a_unix_socket_can_be_behind_a_proxy() {
    let server = MemcachedServer::builder().unix_socket().start().await;
    let proxy = FaultProxy::start(server.socket().expect("it has one")).await;
    let mut client = connect(&proxy).await;
    client.write_all(b"mn\r\n").await.expect("it is open");
    assert_eq!(receive(&mut client, 4).await, b"MN\r\n");
}

#[tokio::test]
async fn a_proxy_ends_with_its_last_handle() {
    let echo = Echo::start().await;
    let proxy = FaultProxy::start(echo.address()).await;
    let (address, other) = (proxy.address(), proxy.clone());
    let mut client = connect(&proxy).await;
    drop(proxy);
    assert_eq!(exchange(&mut client, b"still there").await, b"still there");
    drop(other);
    let end = timeout(LONG, client.read(&mut [0])).await.expect("an end");
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    let is_closed = async { while TcpStream::connect(address).await.is_ok() {} };
    timeout(LONG, is_closed).await.expect("the port is closed");
}

#[tokio::test]
async fn the_end_that_the_server_makes_goes_through() {
    let echo = Echo::start().await;
    let proxy = FaultProxy::start(echo.address()).await;
    let mut client = connect(&proxy).await;
    exchange(&mut client, b"last").await;
    echo.hang_up();
    assert_eq!(timeout(LONG, client.read(&mut [0])).await.expect("an end").expect("no reset"), 0);
}

#[tokio::test]
async fn what_happens_to_replies_leaves_requests_alone() {
    let echo = Echo::start().await;
    let proxy = FaultProxy::start(echo.address()).await;
    let mut client = connect(&proxy).await;
    for fault in [NetworkFault::DuplicateReplies, NetworkFault::Garbage, NetworkFault::Slices] {
        let before = echo.received();
        proxy.once(fault);
        client.write_all(b"four").await.expect("it is open");
        client.read_u8().await.expect("an answer");
        assert_eq!(echo.received() - before, 4, "{fault:?}");
        while timeout(SHORT / 4, client.read(&mut [0; 64])).await.is_ok() {}
    }
}
