//! Whom TLS trusts, and that nothing goes in plaintext.
#![cfg(feature = "rustls")]
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{TIMEOUT, config, entry, idle, key, minute, text};
use tasker_cache_core::Backend;
use tasker_cache_redis::{ConfigError, Redis, RedisConfig};
use tasker_cache_testkit::server::{RedisCluster, RedisSentinel, RedisServer};

async fn answer(config: RedisConfig) -> Result<(), String> {
    let backend = Redis::new(config).expect("a configuration");
    backend.ready().await.map_err(|error| error.to_string())?;
    backend.ping().await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_server_of_the_private_authority_is_trusted_and_others_are_not() {
    let server = RedisServer::builder().tls().password("p@ss:/").start().await;
    let files = server.tls_files().expect("started with TLS");
    let url = config(&server.url());

    assert_eq!(answer(url.clone().tls_ca_file(files.ca())).await, Ok(()));
    let refused = Err("the server's certificate was not accepted".to_owned());
    assert_eq!(answer(url.clone().tls_ca_file(files.wrong_ca())).await, refused);
    assert_eq!(answer(url).await, refused, "the system's authorities don't know it");
}

#[tokio::test]
async fn all_nodes_of_a_cluster_are_reached_with_tls() {
    let builder = RedisServer::builder().tls().password("p@ss:/");
    let cluster = RedisCluster::start_with(3, builder).await;
    let files = cluster.nodes()[0].tls_files().expect("started with TLS");
    let backend = config(&cluster.url()).tls_ca_file(files.ca());
    let backend = Redis::new(backend).expect("a configuration");
    backend.ready().await.expect("the authority is known");

    for number in 0..30 {
        let key = key(&number.to_string());
        backend.set(&key, entry("v"), minute()).await.expect("it runs");
        assert_eq!(text(backend.get(&key).await.expect("it runs")).as_deref(), Some("v"));
    }
}

#[tokio::test]
async fn sentinels_and_the_primary_that_they_name_are_reached_with_tls() {
    let builder = RedisServer::builder().tls().password("p@ss:/");
    let watched = RedisSentinel::start_with(1, builder).await;
    let files = watched.servers().primary().tls_files().expect("started with TLS");
    assert!(watched.url().starts_with("rediss-sentinel://"));

    let known = config(&watched.url()).tls_ca_file(files.ca());
    assert_eq!(answer(known).await, Ok(()));
    let stranger = config(&watched.url()).tls_ca_file(files.wrong_ca());
    assert!(answer(stranger).await.is_err());
}

#[tokio::test]
async fn a_server_that_asks_who_we_are_is_told() {
    let server = RedisServer::builder().tls_with_client_certificates().start().await;
    let files = server.tls_files().expect("started with TLS");
    let anonymous = config(&server.url()).tls_ca_file(files.ca());
    let known = anonymous.clone().tls_identity(files.client_certificate(), files.client_key());

    assert_eq!(answer(known).await, Ok(()));
    assert!(answer(anonymous).await.is_err());
}

#[tokio::test]
async fn plaintext_and_tls_do_not_meet() {
    let (plain, tls) = (RedisServer::start().await, RedisServer::builder().tls().start().await);
    let files = tls.tls_files().expect("started with TLS");

    let to_plain = plain.url().replace("redis://", "rediss://");
    let to_plain = config(&to_plain).connection_timeout(TIMEOUT).tls_ca_file(files.ca());
    assert!(answer(to_plain).await.is_err());
    let to_tls = tls.url().replace("rediss://", "redis://");
    let to_tls = idle(&to_tls);
    assert!(to_tls.ready().await.is_err());
}

#[test]
fn files_that_are_of_no_use_are_named() {
    let url = config("rediss://host");
    let refused = |config: RedisConfig| Redis::new(config).expect_err("refused").to_string();

    let missing = refused(url.clone().tls_ca_file("no/such.pem"));
    assert_eq!(missing, "the TLS file no/such.pem can't be read, or is not PEM");
    let empty = refused(url.clone().tls_ca_file("Cargo.toml"));
    assert_eq!(empty, "the TLS file Cargo.toml holds no certificate");
    let identity = url.tls_identity("Cargo.toml", "Cargo.toml");
    let error = Redis::new(identity).expect_err("refused");
    assert!(matches!(error, ConfigError::TlsFile { .. }), "{error}");
}
