//! Each fault of the proxy does what it says, shown on a server that echoes.

mod echo;

use std::io::ErrorKind;
use std::time::Duration;

use tasker_cache_testkit::proxy::{Direction, FaultProxy, NetworkFault};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use self::echo::{Echo, LONG, SHORT, connect, exchange, receive};

/// A proxy in front of a server that echoes, and a client of it.
async fn proxied() -> (Echo, FaultProxy, TcpStream) {
    let echo = Echo::start().await;
    let proxy = FaultProxy::start_with_seed(echo.address(), 7).await;
    let client = connect(&proxy).await;
    (echo, proxy, client)
}

#[tokio::test]
async fn without_a_fault_bytes_go_through_as_they_are() {
    let (_echo, _proxy, mut client) = proxied().await;
    let sent: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    assert_eq!(exchange(&mut client, &sent).await, sent);
}

#[tokio::test]
async fn the_end_of_a_connection_goes_through() {
    let (_echo, _proxy, mut client) = proxied().await;
    assert_eq!(exchange(&mut client, b"last").await, b"last");
    client.shutdown().await.expect("it is open");
    assert_eq!(client.read(&mut [0]).await.expect("no reset"), 0);
}

#[tokio::test]
async fn latency_delays_requests_and_replies() {
    let (_echo, proxy, mut client) = proxied().await;
    let delay = Duration::from_secs(1);
    proxy.set(NetworkFault::Latency(delay));
    let start = Instant::now();
    exchange(&mut client, b"slow").await;
    assert!(start.elapsed() >= 2 * delay, "after {:?}", start.elapsed());
    proxy.clear();
    let start = Instant::now();
    exchange(&mut client, b"fast").await;
    assert!(start.elapsed() < 2 * delay, "after {:?}", start.elapsed());
}

#[tokio::test]
async fn delayed_chunks_are_on_their_way_at_the_same_time() {
    let (_echo, proxy, mut client) = proxied().await;
    let delay = Duration::from_millis(500);
    proxy.set(NetworkFault::Latency(delay));
    let start = Instant::now();
    for _ in 0..20 {
        client.write_all(b"x").await.expect("it is open");
        sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(receive(&mut client, 20).await, [b'x'; 20]);
    assert!(start.elapsed() < 10 * delay, "after {:?}", start.elapsed());
}

#[tokio::test]
async fn jitter_delays_by_its_least_in_each_direction() {
    let (_echo, proxy, mut client) = proxied().await;
    let (least, most) = (Duration::from_millis(10), Duration::from_millis(30));
    proxy.set(NetworkFault::Jitter { least, most });
    for round in 0..10_u8 {
        let start = Instant::now();
        assert_eq!(exchange(&mut client, &[round]).await, [round]);
        assert!(start.elapsed() >= 2 * least, "after {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_black_hole_to_the_server_holds_requests_until_it_is_cleared() {
    let (echo, proxy, mut client) = proxied().await;
    exchange(&mut client, b"before").await;
    proxy.set(NetworkFault::BlackHole(Direction::ToServer));
    client.write_all(b"late").await.expect("it is open");
    assert!(timeout(SHORT, client.read_u8()).await.is_err(), "it was answered");
    assert_eq!(echo.received(), 6);
    proxy.clear();
    assert_eq!(receive(&mut client, 4).await, b"late");
}

#[tokio::test]
async fn a_black_hole_to_the_client_holds_replies_until_it_is_cleared() {
    let (echo, proxy, mut client) = proxied().await;
    proxy.set(NetworkFault::BlackHole(Direction::ToClient));
    client.write_all(b"late").await.expect("it is open");
    let through = async {
        while echo.received() < 4 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, through).await.expect("the request gets through");
    assert!(timeout(SHORT, client.read_u8()).await.is_err(), "it was answered");
    proxy.clear();
    assert_eq!(receive(&mut client, 4).await, b"late");
}

#[tokio::test]
async fn a_black_hole_both_ways_swallows_the_end_of_the_connection_too() {
    let (echo, proxy, mut client) = proxied().await;
    proxy.set(NetworkFault::BlackHole(Direction::Both));
    client.write_all(b"late").await.expect("it is open");
    echo.hang_up();
    assert!(timeout(SHORT, client.read_u8()).await.is_err(), "the end came through");
    assert_eq!(echo.received(), 0);
}

#[tokio::test]
async fn a_black_hole_holds_what_is_on_its_way_too() {
    let (echo, proxy, mut client) = proxied().await;
    proxy.set(NetworkFault::Latency(2 * SHORT));
    client.write_all(b"late").await.expect("it is open");
    while proxy.counts().requests == 0 {
        tokio::task::yield_now().await;
    }
    proxy.set(NetworkFault::BlackHole(Direction::ToServer));
    assert!(timeout(4 * SHORT, client.read_u8()).await.is_err(), "it was answered");
    assert_eq!(echo.received(), 0);
    proxy.clear();
    assert_eq!(receive(&mut client, 4).await, b"late");
}

#[tokio::test]
async fn a_full_black_hole_makes_the_senders_writes_hang() {
    let (_echo, proxy, mut client) = proxied().await;
    proxy.set(NetworkFault::BlackHole(Direction::ToServer));
    let much = vec![0; 64 * 1024 * 1024];
    assert!(timeout(LONG / 20, client.write_all(&much)).await.is_err(), "all of it was taken");
}

#[tokio::test]
async fn a_new_connection_in_a_black_hole_is_accepted_and_gets_no_answer() {
    let (_echo, proxy, _client) = proxied().await;
    proxy.set(NetworkFault::BlackHole(Direction::Both));
    let mut second = connect(&proxy).await;
    second.write_all(b"late").await.expect("it is open");
    assert!(timeout(SHORT, second.read_u8()).await.is_err(), "it was answered");
    proxy.clear();
    assert_eq!(receive(&mut second, 4).await, b"late");
}

#[tokio::test]
async fn a_reset_comes_after_half_of_the_reply() {
    let (_echo, proxy, mut client) = proxied().await;
    proxy.set(NetworkFault::ResetMidReply);
    client.write_all(b"12345678").await.expect("it is open");
    assert_eq!(receive(&mut client, 4).await, b"1234");
    let end = timeout(LONG, client.read_u8()).await.expect("an end").expect_err("no more bytes");
    assert_eq!(end.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_fault_that_is_set_once_happens_to_one_reply() {
    let (_echo, proxy, mut client) = proxied().await;
    proxy.once(NetworkFault::ResetMidReply);
    client.write_all(b"12345678").await.expect("it is open");
    receive(&mut client, 4).await;
    assert!(client.read_u8().await.is_err());
    assert_eq!(proxy.fault(), None);
    let mut second = connect(&proxy).await;
    assert_eq!(exchange(&mut second, b"12345678").await, b"12345678");
}

#[tokio::test]
async fn slices_arrive_one_byte_at_a_time() {
    let (_echo, proxy, mut client) = proxied().await;
    proxy.set(NetworkFault::Slices);
    client.write_all(b"twelve bytes").await.expect("it is open");
    let (mut received, mut reads) = (Vec::new(), 0);
    while received.len() < 12 {
        timeout(LONG, client.read_buf(&mut received)).await.expect("more").expect("more");
        reads += 1;
    }
    assert_eq!(received, b"twelve bytes");
    assert!(reads > 6, "it came in {reads} pieces");
}

#[tokio::test]
async fn garbage_is_put_into_replies_and_the_same_for_the_same_seed() {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let (_echo, proxy, mut client) = proxied().await;
        proxy.once(NetworkFault::Garbage);
        client.write_all(&[b'.'; 10]).await.expect("it is open");
        client.shutdown().await.expect("it is open");
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.expect("no reset");
        assert!((11..=26).contains(&received.len()), "{received:?}");
        let dots = received.split(|byte| *byte == b'.').count() - 1;
        assert!(dots >= 10, "{received:?}");
        seen.push(received);
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn duplicated_replies_come_twice() {
    let (_echo, proxy, mut client) = proxied().await;
    proxy.set(NetworkFault::DuplicateReplies);
    client.write_all(b"once").await.expect("it is open");
    assert_eq!(receive(&mut client, 8).await, b"onceonce");
}

#[tokio::test]
async fn refused_connections_are_refused_and_open_ones_go_on() {
    let (_echo, proxy, mut client) = proxied().await;
    exchange(&mut client, b"before").await;
    proxy.set(NetworkFault::Refuse);
    let refused = TcpStream::connect(proxy.address()).await.expect_err("the port is closed");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(exchange(&mut client, b"during").await, b"during");
    proxy.clear();
    let mut second = connect(&proxy).await;
    assert_eq!(exchange(&mut second, b"after").await, b"after");
}

#[tokio::test]
async fn dropped_connections_are_reset_and_new_ones_accepted() {
    let (_echo, proxy, mut client) = proxied().await;
    exchange(&mut client, b"before").await;
    proxy.drop_connections();
    let end = timeout(LONG, client.read_u8()).await.expect("an end").expect_err("no more bytes");
    assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    let mut second = connect(&proxy).await;
    assert_eq!(exchange(&mut second, b"after").await, b"after");
    assert_eq!(proxy.counts().connections, 2);
}

#[tokio::test]
async fn a_server_that_is_not_there_resets_the_client() {
    let (echo, proxy, _client) = proxied().await;
    drop(echo);
    let mut client = connect(&proxy).await;
    assert!(timeout(LONG, client.read_u8()).await.expect("an end").is_err());
}
