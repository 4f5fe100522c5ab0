//! A running `memcached`.

mod builder;
mod service;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

pub use self::builder::MemcachedBuilder;
use self::service::MemcachedService;
use crate::server::StartError;
use crate::server::daemon::Daemon;

/// How long a command may take.
const COMMAND: Duration = Duration::from_secs(60);

/// A running `memcached`, which ends when it is dropped.
///
/// ```no_run
/// # async fn example() {
/// use tasker_cache_testkit::server::MemcachedServer;
///
/// let server = MemcachedServer::start().await;
/// assert_eq!(server.command("set key 0 0 5\r\nvalue").await, "STORED\r\n");
/// server.restart().await;
/// assert_eq!(server.command("get key").await, "END\r\n");
/// # }
/// ```
#[derive(Debug)]
pub struct MemcachedServer {
    daemon: Daemon<MemcachedService>,
}

impl MemcachedServer {
    /// Starts a plain `memcached`: 64 MB, items of up to 1 MiB, 1,024 connections.
    ///
    /// # Panics
    ///
    /// If it can't be had within 20 s, with the end of its log.
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use tasker_cache_testkit::server::MemcachedServer;
    /// let server = MemcachedServer::start().await;
    /// # }
    /// ```
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Returns a builder, for a server with other limits.
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use tasker_cache_testkit::server::MemcachedServer;
    /// let server = MemcachedServer::builder().max_item_bytes(4096).start().await;
    /// # }
    /// ```
    pub fn builder() -> MemcachedBuilder {
        MemcachedBuilder::default()
    }

    async fn launch(service: MemcachedService) -> Result<Self, StartError> {
        Ok(Self { daemon: Daemon::start(service).await? })
    }

    /// Returns the address it listens on; it is kept over restarts.
    ///
    /// # Panics
    ///
    /// If it listens on a unix socket only.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let is_unix = self.daemon.service().is_unix;
        assert!(!is_unix, "a server on a unix socket has no address: use its `socket()`");
        self.daemon.place().address()
    }

    /// Returns the port it listens on; it is kept over restarts.
    ///
    /// # Panics
    ///
    /// If it listens on a unix socket only.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address().port()
    }

    /// Returns the file of its unix socket, if it was started with one.
    #[must_use]
    pub fn socket(&self) -> Option<PathBuf> {
        self.daemon.service().is_unix.then(|| self.daemon.place().socket())
    }

    /// Returns its URL: `tcp://127.0.0.1:PORT`, or `unix://…/socket` on a unix socket.
    #[must_use]
    pub fn url(&self) -> String {
        match self.socket() {
            Some(socket) => format!("unix://{}", socket.display()),
            None => self.url_at(self.address()),
        }
    }

    /// Returns a URL with another address in it: that of a
    /// [`FaultProxy`](crate::proxy::FaultProxy).
    #[must_use]
    #[expect(clippy::unused_self, reason = "as `RedisServer::url_at`, which needs it")]
    pub fn url_at(&self, address: SocketAddr) -> String {
        format!("tcp://{address}")
    }

    /// Returns the pid of the server's process; each start has another.
    ///
    /// # Panics
    ///
    /// If it was stopped or killed.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// Tells whether the process is there, paused or not.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.daemon.is_running()
    }

    /// Stops the process where it is (SIGSTOP); returns when it stands.
    ///
    /// Its connections stay open, and the kernel accepts further ones, but nobody answers.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn pause(&self) {
        self.daemon.pause();
    }

    /// Lets a paused process go on (SIGCONT): it then answers all that was sent meanwhile.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn resume(&self) {
        self.daemon.resume();
    }

    /// Kills the process (SIGKILL) and waits until it is gone; nothing if it does not run.
    pub async fn kill(&self) {
        self.daemon.kill().await;
    }

    /// Asks the process to end (SIGTERM) and waits until it is gone; nothing if it does not run.
    ///
    /// # Panics
    ///
    /// If it is still there after 20 s, as a paused one is.
    pub async fn stop(&self) {
        self.daemon.stop().await;
    }

    /// Starts it on the same port with nothing in it; kills it first if it still runs.
    ///
    /// # Panics
    ///
    /// If it is not ready within 20 s.
    pub async fn restart(&self) {
        self.daemon.restart(|_| Ok(())).await;
    }

    /// Sends a command of the text protocol, without its last line end, on a connection of its
    /// own; returns all that comes back, line ends included.
    ///
    /// What ends an answer differs from command to command, so a meta no-op (`mn`) is sent behind
    /// it, whose answer is cut off: no answer may itself have `MN` on a line of its own.
    ///
    /// # Panics
    ///
    /// If there is no answer within 60 s.
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use tasker_cache_testkit::server::MemcachedServer;
    /// let server = MemcachedServer::start().await;
    /// assert_eq!(server.command("flush_all").await, "OK\r\n");
    /// # }
    /// ```
    pub async fn command(&self, request: impl AsRef<[u8]>) -> Bytes {
        match self.try_command(request).await {
            Ok(reply) => reply,
            Err(error) => self.daemon.give_up(&format!("did not answer a command: {error}")),
        }
    }

    /// Sends a command like [`command`](Self::command), where the server may be down or paused.
    ///
    /// # Errors
    ///
    /// The connection's error, or [`TimedOut`](io::ErrorKind::TimedOut) after 60 s.
    pub async fn try_command(&self, request: impl AsRef<[u8]>) -> io::Result<Bytes> {
        let exchange = self.daemon.service().exchange(self.daemon.place(), request.as_ref());
        timeout(COMMAND, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Returns the folder that holds the server's log; it is removed with the server.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.daemon.place().folder()
    }
}
