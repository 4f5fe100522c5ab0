//! A server with TLS has it, and certificates that fit together; `openssl` is the client.
#![cfg(feature = "tls")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use tasker_cache_testkit::server::{
    RedisBuilder, RedisCluster, RedisReplicas, RedisServer, TlsFiles,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn tls() -> RedisBuilder {
    RedisServer::builder().tls()
}

/// Tells whether a client that trusts one authority, and shows a certificate if it has one, can
/// shake hands with a server and is answered.
fn is_answered(server: &RedisServer, ca: &Path, identity: Option<&TlsFiles>) -> bool {
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-ign_eof", "-verify_return_error", "-verify_ip", "127.0.0.1"]);
    openssl.arg("-connect").arg(server.address().to_string()).arg("-CAfile").arg(ca);
    if let Some(files) = identity {
        openssl.arg("-cert").arg(files.client_certificate()).arg("-key").arg(files.client_key());
    }
    let openssl = openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut client = openssl.spawn().expect("openssl is installed");
    // It fails if the client has been refused already.
    let _ = client.stdin.take().expect("it is piped").write_all(b"PING\r\nQUIT\r\n");
    let output = client.wait_with_output().expect("it can be waited for");
    String::from_utf8_lossy(&output.stdout).contains("+PONG")
}

#[tokio::test]
async fn the_server_is_trusted_by_its_authority_alone() {
    let server = tls().start().await;
    assert_eq!(server.url(), format!("rediss://127.0.0.1:{}", server.port()));
    let files = server.tls_files().expect("it has TLS");
    assert!(is_answered(&server, &server.ca_file(), None));
    assert!(!is_answered(&server, &files.wrong_ca(), None));
}

#[tokio::test]
async fn a_server_that_demands_certificates_answers_nobody_without() {
    let server = RedisServer::builder().tls_with_client_certificates().start().await;
    let files = server.tls_files().expect("it has TLS");
    assert!(is_answered(&server, &files.ca(), Some(files)));
    assert!(!is_answered(&server, &files.ca(), None));
    let other = tls().start().await;
    let stranger = other.tls_files().expect("it has TLS");
    assert!(!is_answered(&server, &files.ca(), Some(stranger)));
}

#[tokio::test]
async fn nothing_is_said_in_plain_text() {
    let server = tls().start().await;
    let mut client = TcpStream::connect(server.address()).await.expect("it accepts");
    client.write_all(b"PING\r\nPING\r\n").await.expect("it is open");
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"+PONG"), "{answer:?}");
}

#[tokio::test]
async fn the_administrator_needs_no_tls() {
    let server = tls().password("p@ss").start().await;
    assert!(server.command(&["SET", "key", "value"]).await.is_ok());
    server.restart().await;
    assert_eq!(server.command(&["DBSIZE"]).await.integer(), Some(0));
}

#[tokio::test]
async fn a_cluster_can_talk_tls() {
    let cluster = RedisCluster::start_with(3, tls()).await;
    assert!(cluster.url().starts_with("rediss-cluster://127.0.0.1:"), "{}", cluster.url());
    let ca = |node: &RedisServer| node.ca_file();
    assert_eq!(ca(&cluster.nodes()[0]), ca(&cluster.nodes()[2]), "they have one authority");
}

#[tokio::test]
async fn a_replica_can_talk_tls() {
    let pair = RedisReplicas::start_with(tls()).await;
    assert!(pair.primary().command(&["SET", "key", "value"]).await.is_ok());
    pair.in_sync().await;
    assert_eq!(pair.replica().command(&["GET", "key"]).await.text(), Some("value"));
}
