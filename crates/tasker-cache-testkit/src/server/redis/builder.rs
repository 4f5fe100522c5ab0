//! How a server that speaks Redis' protocol is to be started.

use std::net::SocketAddr;

use crate::server::redis::service::{RedisService, User};
use crate::server::{Program, RedisServer, StartError};

/// Says how a [`RedisServer`] is to be started.
///
/// ```no_run
/// # async fn example() {
/// use tasker_cache_testkit::server::{Program, RedisServer};
///
/// let server = RedisServer::builder()
///     .program(Program::Valkey)
///     .user("cache", "s3cret", "~app:* +@read +@write")
///     .arg("--maxmemory")
///     .arg("64mb")
///     .start()
///     .await;
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder starts nothing by itself"]
pub struct RedisBuilder {
    pub(super) service: RedisService,
}

impl Default for RedisBuilder {
    fn default() -> Self {
        Self { service: RedisService::new(Program::Redis) }
    }
}

impl RedisBuilder {
    /// Takes another program than Redis: [`Program::Valkey`] or [`Program::Dragonfly`].
    ///
    /// Dragonfly is started in its cache mode with 512 MB, on plain TCP only.
    pub fn program(mut self, program: Program) -> Self {
        self.service.program = program;
        self
    }

    /// Demands this password of the default user; any characters but NUL. Default: none.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.service.password = Some(password.into());
        self
    }

    /// Adds a user with a password and the rules of its ACL, such as `~app:* +@read`; the URL then
    /// names that user. The harness itself goes on as the default user.
    pub fn user(
        mut self,
        name: impl Into<String>,
        password: impl Into<String>,
        rules: impl Into<String>,
    ) -> Self {
        let (name, password, rules) = (name.into(), password.into(), rules.into());
        self.service.user = Some(User { name, password, rules });
        self
    }

    /// Listens on a unix socket instead of a port.
    pub fn unix_socket(mut self) -> Self {
        self.service.is_unix = true;
        self
    }

    /// Talks TLS only, with a certificate by an authority of its own; the URL is `rediss://…`.
    ///
    /// Builders that are cloned from here on share the authority.
    ///
    /// # Panics
    ///
    /// If the certificates can't be written.
    #[cfg(feature = "tls")]
    pub fn tls(mut self) -> Self {
        let files = crate::server::TlsFiles::make();
        let files = files.unwrap_or_else(|error| panic!("no certificates could be made: {error}"));
        let files = std::sync::Arc::new(files);
        self.service.tls = Some(crate::server::redis::service::Tls { files, asks_clients: false });
        self
    }

    /// Talks TLS like [`tls`](Self::tls), and only to clients with a certificate by the same
    /// authority.
    ///
    /// # Panics
    ///
    /// As [`tls`](Self::tls).
    #[cfg(feature = "tls")]
    pub fn tls_with_client_certificates(mut self) -> Self {
        self = self.tls();
        if let Some(tls) = &mut self.service.tls {
            tls.asks_clients = true;
        }
        self
    }

    /// Makes it a node of a cluster.
    pub(crate) fn node(mut self) -> Self {
        self.service.is_node = true;
        self
    }

    /// Returns the password of the default user, which other servers need.
    pub(crate) fn default_password(&self) -> Option<&str> {
        self.service.password.as_deref()
    }

    /// Makes it a replica.
    pub(crate) fn replica_of(mut self, primary: SocketAddr) -> Self {
        self.service.primary = Some(primary);
        self
    }

    /// Adds an argument to the command line, behind those of the harness.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.service.extra.push(arg.into());
        self
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Panics
    ///
    /// If it can't be had within 20 s, with the end of its log.
    pub async fn start(self) -> RedisServer {
        self.try_start().await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts the server and waits until it answers, at most 20 s.
    ///
    /// # Errors
    ///
    /// [`StartError`], in words.
    pub async fn try_start(self) -> Result<RedisServer, StartError> {
        self.service.check()?;
        RedisServer::launch(self.service).await
    }
}
