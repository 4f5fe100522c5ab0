//! A server with TLS has it, and certificates that fit together.
#![cfg(feature = "tls")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use tasker_cache_testkit::server::{
    RedisBuilder, RedisCluster, RedisReplicas, RedisServer, TlsFiles,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

fn tls() -> RedisBuilder {
    RedisServer::builder().tls()
}

/// Shakes hands as a client that trusts one authority, and shows a certificate if it has one;
/// returns what a server answers to `PING`.
async fn answer(
    server: &RedisServer,
    ca: &Path,
    identity: Option<&TlsFiles>,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = match identity {
        None => config.with_no_client_auth(),
        Some(files) => {
            let chain = vec![CertificateDer::from_pem_file(files.client_certificate())?];
            config
                .with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(files.client_key())?)?
        }
    };
    let stream = TcpStream::connect(server.address()).await?;
    let name = ServerName::try_from("127.0.0.1")?;
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut answer = vec![0; 7];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

async fn is_answered(server: &RedisServer, ca: &Path, identity: Option<&TlsFiles>) -> bool {
    answer(server, ca, identity).await.is_ok_and(|answer| answer == b"+PONG\r\n")
}

#[tokio::test]
async fn the_server_is_trusted_by_its_authority_alone() {
    let server = tls().start().await;
    assert_eq!(server.url(), format!("rediss://127.0.0.1:{}", server.port()));
    let files = server.tls_files().expect("it has TLS");
    assert!(is_answered(&server, &server.ca_file(), None).await);
    assert!(!is_answered(&server, &files.wrong_ca(), None).await);
}

#[tokio::test]
async fn a_server_that_demands_certificates_answers_nobody_without() {
    let server = RedisServer::builder().tls_with_client_certificates().start().await;
    let files = server.tls_files().expect("it has TLS");
    assert!(is_answered(&server, &files.ca(), Some(files)).await);
    assert!(!is_answered(&server, &files.ca(), None).await);
    let other = tls().start().await;
    let stranger = other.tls_files().expect("it has TLS");
    assert!(!is_answered(&server, &files.ca(), Some(stranger)).await);
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
