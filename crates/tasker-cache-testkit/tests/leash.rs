//! A server is gone when the process that started it is, however that ended.
#![expect(clippy::expect_used, reason = "a test ends where its assumption is wrong")]

use std::env;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tasker_cache_testkit::server::{MemcachedServer, RedisServer};
use tokio::time::{Instant, sleep};

/// Tells the process that a test starts how it is to end.
const FATE: &str = "LEASH_TEST_FATE";

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

/// The same test in another process, which has started a server.
struct Other {
    process: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Other {
    fn start(test: &str, fate: &str) -> Self {
        let mut process = Command::new(env::current_exe().expect("a path"))
            .args(["--exact", test, "--nocapture"])
            .env(FATE, fate)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the test can be started again");
        let said = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut lines = said.lines().map(|line| line.expect("text"));
        // Where there is one core, the test's own name stands before it on the line.
        let said = |line: String| Some(line.split_once("server ")?.1.to_owned());
        let line = lines.find_map(said).expect("a server");
        let (address, folder) = line.split_once(' ').expect("an address and a folder");
        let (address, folder) = (address.parse().expect("an address"), folder.into());
        Self { process, address, folder }
    }

    /// Waits until nobody listens at the server's address and its folder is gone.
    async fn assert_leaves_nothing(mut self) {
        let status = self.process.wait().expect("it can be waited for");
        assert!(!status.success(), "it ended well");
        let deadline = Instant::now() + LONG;
        while TcpStream::connect(self.address).is_ok() || self.folder.exists() {
            assert!(Instant::now() < deadline, "the server or its folder is still there");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Says where a server is, then meets the fate that was asked for.
async fn meet_fate(fate: &str, address: SocketAddr, folder: &Path) {
    println!("server {address} {}", folder.display());
    match fate {
        "abort" => std::process::abort(),
        "exit" => std::process::exit(1),
        _ => sleep(LONG).await,
    }
}

#[tokio::test]
async fn a_redis_ends_with_a_process_that_aborts() {
    if let Ok(fate) = env::var(FATE) {
        let server = RedisServer::start().await;
        return meet_fate(&fate, server.address(), server.folder()).await;
    }
    let other = Other::start("a_redis_ends_with_a_process_that_aborts", "abort");
    other.assert_leaves_nothing().await;
}

#[tokio::test]
async fn a_paused_redis_ends_with_a_process_that_is_killed() {
    if let Ok(fate) = env::var(FATE) {
        let server = RedisServer::start().await;
        server.pause();
        return meet_fate(&fate, server.address(), server.folder()).await;
    }
    let mut other = Other::start("a_paused_redis_ends_with_a_process_that_is_killed", "sleep");
    TcpStream::connect(other.address).expect("it was running until here");
    other.process.kill().expect("it is ours");
    other.assert_leaves_nothing().await;
}

#[tokio::test]
async fn a_memcached_ends_with_a_process_that_exits() {
    if let Ok(fate) = env::var(FATE) {
        let server = MemcachedServer::start().await;
        return meet_fate(&fate, server.address(), server.folder()).await;
    }
    let other = Other::start("a_memcached_ends_with_a_process_that_exits", "exit");
    other.assert_leaves_nothing().await;
}

#[tokio::test]
async fn a_dropped_server_leaves_nothing() {
    let server = RedisServer::start().await;
    let (address, folder) = (server.address(), server.folder().to_owned());
    drop(server);
    assert!(TcpStream::connect(address).is_err(), "it is still there");
    assert!(!folder.exists(), "its folder is still there");
}
