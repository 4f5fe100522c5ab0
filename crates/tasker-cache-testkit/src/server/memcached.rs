//! A running `memcached`.

mod builder;
mod service;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

pub use self::builder::MemcachedBuilder;
use self::service::MemcachedService;
use crate::server::StartError;
use crate::server::control::control;
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

control!(MemcachedServer);

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
}
