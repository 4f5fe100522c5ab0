//! A server that speaks Redis' protocol: Redis itself, Valkey or Dragonfly.

mod builder;
mod service;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::timeout;

pub use self::builder::RedisBuilder;
use self::service::RedisService;
pub(crate) use self::service::field;
use crate::server::control::control;
use crate::server::daemon::Daemon;
use crate::server::{Program, Reply, StartError, TlsFiles};

/// How long a command may take.
const COMMAND: Duration = Duration::from_secs(60);

/// A running `redis-server`, `valkey-server` or `dragonfly`.
///
/// It keeps nothing on disk unless it is told to [`save`](Self::save), and ends when it is dropped.
///
/// ```no_run
/// # async fn example() {
/// use tasker_cache_testkit::server::RedisServer;
///
/// let server = RedisServer::start().await;
/// assert!(server.command(&["SET", "key", "value"]).await.is_ok());
/// server.kill().await;
/// server.restart().await;
/// assert_eq!(server.command(&["DBSIZE"]).await.integer(), Some(0));
/// # }
/// ```
#[derive(Debug)]
pub struct RedisServer {
    daemon: Daemon<RedisService>,
}

control!(RedisServer);

impl RedisServer {
    /// Starts a plain `redis-server`.
    ///
    /// # Panics
    ///
    /// If it can't be had within 20 s, with the end of its log.
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use tasker_cache_testkit::server::RedisServer;
    /// let server = RedisServer::start().await;
    /// # }
    /// ```
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Returns a builder, for a server with more to it.
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use tasker_cache_testkit::server::RedisServer;
    /// let server = RedisServer::builder().password("p@ss:/").start().await;
    /// # }
    /// ```
    pub fn builder() -> RedisBuilder {
        RedisBuilder::default()
    }

    async fn launch(service: RedisService) -> Result<Self, StartError> {
        Ok(Self { daemon: Daemon::start(service).await? })
    }

    /// Returns which program it is.
    #[must_use]
    pub fn program(&self) -> Program {
        self.daemon.service().program
    }

    /// Returns its URL, with the credentials of its user or else its password, percent-encoded.
    ///
    /// `redis://127.0.0.1:PORT`, `rediss://…` with TLS, `unix://…/socket` on a unix socket.
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use tasker_cache_testkit::server::RedisServer;
    /// let server = RedisServer::builder().password("p@ss").start().await;
    /// assert_eq!(server.url(), format!("redis://:p%40ss@127.0.0.1:{}", server.port()));
    /// # }
    /// ```
    #[must_use]
    pub fn url(&self) -> String {
        match self.socket() {
            Some(socket) => self.daemon.service().unix_url(&socket),
            None => self.url_at(self.address()),
        }
    }

    /// Returns its URL with another address in it: that of a
    /// [`FaultProxy`](crate::proxy::FaultProxy).
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use tasker_cache_testkit::{proxy::FaultProxy, server::RedisServer};
    /// let server = RedisServer::start().await;
    /// let proxy = FaultProxy::start(server.address()).await;
    /// let url = server.url_at(proxy.address());
    /// # }
    /// ```
    #[must_use]
    pub fn url_at(&self, address: SocketAddr) -> String {
        self.daemon.service().url(address)
    }

    /// Starts it on the same port with nothing in it; kills it first if it still runs.
    ///
    /// # Panics
    ///
    /// If it is not ready within 20 s.
    pub async fn restart(&self) {
        self.daemon.restart(|place| service::remove_if_there(&service::snapshot(place))).await;
    }

    /// Starts it on the same port with what it last [saved](Self::save); kills it first if it
    /// still runs. What was written since then is lost, and what was deleted is back.
    ///
    /// # Panics
    ///
    /// If nothing was saved, or it is not ready within 20 s.
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use tasker_cache_testkit::server::RedisServer;
    /// let server = RedisServer::start().await;
    /// server.command(&["SET", "key", "old"]).await;
    /// server.save().await;
    /// server.command(&["DEL", "key"]).await;
    /// server.restart_with_snapshot().await;
    /// assert_eq!(server.command(&["GET", "key"]).await.text(), Some("old"));
    /// # }
    /// ```
    pub async fn restart_with_snapshot(&self) {
        self.daemon
            .restart(|place| {
                let is_there = service::snapshot(place).is_file();
                let nothing = || io::Error::other("nothing was saved: call `save()` before");
                is_there.then_some(()).ok_or_else(nothing)
            })
            .await;
    }

    /// Writes what it holds to disk, for [`restart_with_snapshot`](Self::restart_with_snapshot).
    ///
    /// # Panics
    ///
    /// If it can't, as Dragonfly, which is started without a file to save to.
    pub async fn save(&self) {
        let reply = self.command(&["SAVE"]).await;
        assert!(reply.is_ok(), "the server did not save: {reply}");
    }

    /// Runs a command as an administrator, on a connection of its own.
    ///
    /// With Redis and Valkey it takes a unix socket beside the port, so it works with TLS too and
    /// no proxy sees it. `DEBUG` is allowed.
    ///
    /// # Panics
    ///
    /// If there is no answer within 60 s. An error that the server answers is a [`Reply::Error`].
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use tasker_cache_testkit::server::RedisServer;
    /// let server = RedisServer::start().await;
    /// assert!(server.command(&["CONFIG", "SET", "maxmemory", "1"]).await.is_ok());
    /// let bytes: &[&[u8]] = &[b"SET", b"key", b"\xff\x00"];
    /// server.command(bytes).await;
    /// # }
    /// ```
    pub async fn command<A: AsRef<[u8]>>(&self, args: &[A]) -> Reply {
        match self.try_command(args).await {
            Ok(reply) => reply,
            Err(error) => self.daemon.give_up(&format!("did not answer a command: {error}")),
        }
    }

    /// Runs a command like [`command`](Self::command), where the server may be down or paused.
    ///
    /// # Errors
    ///
    /// The connection's error, or [`TimedOut`](io::ErrorKind::TimedOut) after 60 s.
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use tasker_cache_testkit::server::RedisServer;
    /// let server = RedisServer::start().await;
    /// server.kill().await;
    /// assert!(server.try_command(&["PING"]).await.is_err());
    /// # }
    /// ```
    pub async fn try_command<A: AsRef<[u8]>>(&self, args: &[A]) -> io::Result<Reply> {
        let exchange = self.daemon.service().exchange(self.daemon.place(), args);
        timeout(COMMAND, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Asks for a section of `INFO`; an error is in words.
    pub(crate) async fn info(&self, section: &str) -> Result<String, String> {
        let reply = self.try_command(&["INFO", section]).await;
        reply.map(|reply| reply.to_string()).map_err(|error| error.to_string())
    }

    /// Returns the certificates, if it was started with TLS.
    #[must_use]
    pub fn tls_files(&self) -> Option<&TlsFiles> {
        self.daemon.service().tls.as_ref().map(|tls| &*tls.files)
    }

    /// Returns the certificate of the authority that signed the server's, as PEM.
    ///
    /// # Panics
    ///
    /// If it was started without TLS.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        let files = self.tls_files();
        files.unwrap_or_else(|| panic!("the server was started without TLS")).ca()
    }
}
