//! What a Redis server can be started with.

use std::io;

use tasker_cache_testkit::proxy::FaultProxy;
use tasker_cache_testkit::server::{Program, RedisServer, Reply};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// What a client says in one line, and the first line of the answer to the last of them.
async fn said(server: &RedisServer, lines: &[&str]) -> io::Result<String> {
    let mut stream = BufReader::new(TcpStream::connect(server.address()).await?);
    let mut answer = String::new();
    for line in lines {
        answer.clear();
        stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).await?;
        stream.read_line(&mut answer).await?;
    }
    Ok(answer)
}

#[tokio::test]
async fn a_password_is_demanded_and_percent_encoded_in_the_url() {
    let server = RedisServer::builder().password("p@ss :/é").start().await;
    let refused = said(&server, &["GET key"]).await.expect("an answer");
    assert!(refused.starts_with("-NOAUTH"), "{refused}");
    let accepted = said(&server, &["AUTH \"p@ss :/é\"", "PING"]).await.expect("an answer");
    assert_eq!(accepted, "+PONG\r\n");
    let url = format!("redis://:p%40ss%20%3A%2F%C3%A9@127.0.0.1:{}", server.port());
    assert_eq!(server.url(), url);
    assert!(server.command(&["SET", "key", "value"]).await.is_ok());
}

#[tokio::test]
async fn a_user_may_do_what_its_rules_allow() {
    let server = RedisServer::builder().user("cache", "s3cret", "~app:* +get").start().await;
    let answers =
        async |line: &str| said(&server, &["AUTH cache s3cret", line]).await.expect("an answer");
    assert_eq!(answers("GET app:key").await, "$-1\r\n");
    assert!(answers("GET other").await.starts_with("-NOPERM"));
    assert!(answers("SET app:key value").await.starts_with("-NOPERM"));
    assert_eq!(server.url(), format!("redis://cache:s3cret@127.0.0.1:{}", server.port()));
    server.restart().await;
    assert_eq!(answers("GET app:key").await, "$-1\r\n");
}

#[tokio::test]
async fn a_unix_socket_takes_the_place_of_the_port() {
    let server = RedisServer::builder().unix_socket().password("p@ss").start().await;
    let socket = server.socket().expect("it has one");
    assert_eq!(server.url(), format!("unix://:p%40ss@{}", socket.display()));
    assert!(server.command(&["SET", "key", "value"]).await.is_ok());
    let proxy = FaultProxy::start(socket).await;
    let mut stream = TcpStream::connect(proxy.address()).await.expect("the proxy accepts");
    stream.write_all(b"PING\r\n").await.expect("it is open");
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("-NOAUTH"), "{answer}");
}

#[tokio::test]
async fn an_argument_is_handed_on() {
    let server = RedisServer::builder().arg("--maxmemory").arg("5mb").start().await;
    let reply = server.command(&["CONFIG", "GET", "maxmemory"]).await;
    assert_eq!(reply.items()[1].text(), Some("5242880"));
}

#[tokio::test]
async fn nothing_is_kept_on_disk_unless_it_is_asked_for() {
    let server = RedisServer::start().await;
    server.command(&["SET", "key", "value"]).await;
    server.stop().await;
    let data = server.folder().join("data");
    let left: Vec<_> = std::fs::read_dir(data).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn debug_commands_are_there_for_nemeses() {
    let server = RedisServer::start().await;
    assert!(server.command(&["DEBUG", "SLEEP", "0"]).await.is_ok());
    assert!(matches!(server.command(&["NO", "SUCH"]).await, Reply::Error(_)));
}

#[tokio::test]
async fn a_killed_server_answers_nobody() {
    let server = RedisServer::start().await;
    server.kill().await;
    assert!(!server.is_running());
    assert!(server.try_command(&["PING"]).await.is_err());
    assert!(TcpStream::connect(server.address()).await.is_err());
    server.kill().await;
    server.restart().await;
    assert!(server.is_running());
}

#[tokio::test]
async fn a_start_that_fails_shows_the_log() {
    let start = RedisServer::builder().arg("--no-such-option").arg("1").try_start().await;
    let error = start.expect_err("there is no such option").to_string();
    assert!(
        error.starts_with("redis-server ended when it was started (exit status: 1)"),
        "{error}"
    );
    assert!(error.contains("no-such-option"), "{error}");
}

#[tokio::test]
async fn options_that_do_not_go_together_are_refused_in_words() {
    let builder = RedisServer::builder();
    for builder in [
        builder.clone().program(Program::Memcached),
        builder.clone().program(Program::Dragonfly).unix_socket(),
    ] {
        assert!(builder.try_start().await.is_err());
    }
}

#[tokio::test]
async fn secrets_are_not_in_debug() {
    let server = RedisServer::builder().password("hush1").user("cache", "hush2", "~*");
    assert!(!format!("{server:?}").contains("hush"));
    let server = server.start().await;
    assert!(!format!("{server:?}").contains("hush"));
}
