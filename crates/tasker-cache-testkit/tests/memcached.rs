//! What the harness says of a memcached, against the real program.

use std::time::Duration;

use tasker_cache_testkit::server::MemcachedServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_server_answers_and_has_a_port_of_its_own() {
    let (one, other) = tokio::join!(MemcachedServer::start(), MemcachedServer::start());
    assert_ne!(one.port(), other.port());
    assert_eq!(one.url(), format!("tcp://127.0.0.1:{}", one.port()));
    assert_eq!(one.command("set key 0 0 3\r\none").await, "STORED\r\n");
    assert_eq!(other.command("get key").await, "END\r\n");
    assert_eq!(one.command("get key").await, "VALUE key 0 3\r\none\r\nEND\r\n");
}

#[tokio::test]
async fn a_restarted_server_has_the_same_port_and_nothing_in_it() {
    let server = MemcachedServer::start().await;
    let (address, pid) = (server.address(), server.pid());
    server.command("set key 0 0 5\r\nvalue").await;
    server.restart().await;
    assert_eq!(server.address(), address);
    assert_ne!(server.pid(), pid);
    assert_eq!(server.command("get key").await, "END\r\n");
}

#[tokio::test]
async fn a_killed_server_is_gone_until_it_is_restarted() {
    let server = MemcachedServer::start().await;
    server.kill().await;
    assert!(!server.is_running());
    assert!(server.try_command("version").await.is_err());
    server.restart().await;
    assert!(server.command("version").await.starts_with(b"VERSION "));
}

#[tokio::test]
async fn a_stopped_server_is_gone() {
    let server = MemcachedServer::start().await;
    server.stop().await;
    assert!(!server.is_running());
    assert!(server.try_command("version").await.is_err());
}

#[tokio::test]
async fn a_paused_server_is_silent_until_it_is_resumed() {
    let server = MemcachedServer::start().await;
    server.pause();
    let silence = timeout(Duration::from_millis(200), server.try_command("version")).await;
    assert!(silence.is_err(), "it answered {silence:?}");
    server.resume();
    assert!(server.command("version").await.starts_with(b"VERSION "));
}

#[tokio::test]
async fn a_server_on_a_unix_socket_answers_there() {
    let server = MemcachedServer::builder().unix_socket().start().await;
    let socket = server.socket().expect("it has one");
    assert_eq!(server.url(), format!("unix://{}", socket.display()));
    assert_eq!(server.command("set key 0 0 5\r\nvalue").await, "STORED\r\n");
    server.restart().await;
    assert_eq!(server.command("get key").await, "END\r\n");
}

#[tokio::test]
async fn an_item_over_the_limit_is_refused() {
    let server = MemcachedServer::builder().max_item_bytes(2048).memory_mib(8).start().await;
    let set = |len: usize| format!("set key 0 0 {len}\r\n{}", "x".repeat(len));
    assert_eq!(server.command(set(1000)).await, "STORED\r\n");
    let refusal = server.command(set(3000)).await;
    assert!(refusal.starts_with(b"SERVER_ERROR object too large"), "{refusal:?}");
}

#[tokio::test]
async fn a_client_over_the_limit_is_turned_away() {
    let server = MemcachedServer::builder().max_connections(5).start().await;
    let mut open = Vec::new();
    let told = loop {
        let mut client = TcpStream::connect(server.address()).await.expect("accepted");
        client.write_all(b"mn\r\n").await.expect("room for it");
        let mut said = [0; 4];
        timeout(LONG, client.read_exact(&mut said)).await.expect("in time").expect("an answer");
        if &said != b"MN\r\n" {
            break said;
        }
        open.push(client);
        assert!(open.len() <= 8, "there is no limit");
    };
    assert_eq!(&told, b"ERRO");
    assert!((2..=8).contains(&open.len()), "{} clients", open.len());
}

#[tokio::test]
async fn every_limit_of_items_is_one_that_it_starts_with() {
    for bytes in [1, 1024, 3000, 100_000, 524_288, 600_000, 1_048_576, 3_000_000] {
        let server = MemcachedServer::builder().max_item_bytes(bytes).start().await;
        let settings = server.command("stats settings").await;
        let settings = String::from_utf8_lossy(&settings);
        let limit = settings.lines().find_map(|line| line.strip_prefix("STAT item_size_max "));
        let limit: u32 = limit.and_then(|limit| limit.parse().ok()).expect("a number");
        assert!(limit >= bytes && limit < bytes.max(1024) * 2, "{limit} for {bytes}");
    }
}
