//! What can be wrong with a configuration, and why there is no connection.

use std::fmt;
use std::path::PathBuf;

use tasker_cache_core::ErrorKind;

use crate::cause::Cause;

/// A configuration that can't be used.
///
/// Its words never hold any part of the URL: a user or password may be in each of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no `scheme://`.
    #[error("the URL has no scheme; known are {}", crate::url::SCHEMES.join(", "))]
    NoScheme,
    /// The scheme is none of those that are known.
    #[error("the URL's scheme is not known; known are {}", crate::url::SCHEMES.join(", "))]
    UnknownScheme,
    /// The scheme asks for TLS, and this build has none. It never falls back to plaintext.
    #[error(
        "the URL asks for TLS, which is not compiled in: enable the feature `redis-rustls` of \
         tasker-cache, or `rustls` of tasker-cache-redis"
    )]
    TlsNotCompiled,
    /// The URL names no server, or no socket.
    #[error("the URL names no server")]
    NoServer,
    /// A host has characters that no host has.
    #[error(
        "the URL's host can't be one; in a user or password `@`, `:`, `/`, `?`, `#` and `%` must \
         be percent-encoded"
    )]
    Host,
    /// There is a `#`, which in a user or password must be encoded, and stands nowhere else.
    #[error("the URL has a `#`; in a user or password it must be written `%23`")]
    Fragment,
    /// A port is not 1–65535.
    #[error("the URL's port is not 1–65535")]
    Port,
    /// Several servers where one is meant.
    #[error("the URL names several servers, which only `redis-cluster` and `redis-sentinel` take")]
    SeveralServers,
    /// A `%` without two hex digits, or text that is not UTF-8.
    #[error("the URL has a `%` that doesn't begin a percent-encoded character")]
    Encoding,
    /// A user without a password; the client would not log in at all.
    #[error("the URL has a user without a password; a password alone is written `:password@`")]
    UserWithoutPassword,
    /// The database is not a number from 0 to 255.
    #[error("the database is not a number from 0 to 255")]
    Database,
    /// The URL and the configuration name different databases, or the URL does in two places.
    #[error("the URL and the configuration, or two parts of the URL, name different databases")]
    DatabaseConflict,
    /// A cluster has database 0 only.
    #[error("a cluster has no other database than 0")]
    DatabaseInCluster,
    /// A parameter behind `?` that means nothing here.
    #[error("the URL has a parameter that is not known; known are {known}")]
    UnknownParameter {
        /// What this scheme takes.
        known: &'static str,
    },
    /// A parameter that is there twice.
    #[error("the URL has a parameter twice that may be there once")]
    ParameterTwice,
    /// A Sentinel URL without `sentinelServiceName`.
    #[error("the URL has no parameter `sentinelServiceName`")]
    NoService,
    /// TLS files beside a URL that is not for TLS: the connection would be in plaintext.
    #[error("TLS files are configured, but the URL is not for TLS: write `rediss`")]
    TlsFilesWithoutTls,
    /// A TLS file that can't be read or used.
    #[error("the TLS file {} {problem}", path.display())]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, as words that follow its name.
        problem: &'static str,
    },
    /// The system's certificates can't be used.
    #[error("the system has no certificates to trust; name a file with those of the authority")]
    NoSystemCertificates,
    /// A number out of its range.
    #[error("{setting} is not {range}")]
    OutOfRange {
        /// The setter's name.
        setting: &'static str,
        /// What it takes.
        range: &'static str,
    },
}

/// Why there is no connection yet; it is tried again in the background.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ConnectError(pub(crate) Cause);

impl ConnectError {
    /// Returns the kind of error that operations fail with for this reason.
    #[must_use]
    pub const fn kind(self) -> ErrorKind {
        self.0.kind()
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectError({})", self.0)
    }
}

impl std::error::Error for ConnectError {}
