//! Which server, and within which limits.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::ConfigError;
use crate::url::Target;

/// What a Redis, Dragonfly or Valkey backend is made from.
///
/// ```
/// use std::time::Duration;
/// use tasker_cache_redis::RedisConfig;
///
/// let config = RedisConfig::new("redis://app:p%40ss@cache.internal:6379/1")?
///     .operation_timeout(Duration::from_millis(100));
/// assert!(!format!("{config:?}").contains("p%40ss"));
/// # Ok::<(), tasker_cache_redis::ConfigError>(())
/// ```
///
/// # URLs
///
/// | form | servers |
/// |---|---|
/// | `redis://user:password@host:6379/0` | one |
/// | `redis-cluster://user:password@host:6379,host:6380` | a cluster, from any of its nodes |
/// | `redis-sentinel://host:26379,host:26379/0?sentinelServiceName=main` | the primary that the Sentinels name |
/// | `unix:///run/redis.sock?db=0` | one, through its socket |
///
/// `rediss`, `rediss-cluster` and `rediss-sentinel` are the same with TLS. Whatever a URL means
/// something by, such as `@` or `/`, is percent-encoded in a user or password. A password alone is
/// `:password@`. Addresses of IPv6 stand in brackets.
#[derive(Clone)]
pub struct RedisConfig {
    pub(crate) target: Target,
    pub(crate) database: Option<u8>,
    pub(crate) max_connections: usize,
    pub(crate) connection_timeout: Duration,
    pub(crate) operation_timeout: Duration,
    pub(crate) tls_ca_file: Option<PathBuf>,
    pub(crate) tls_identity: Option<(PathBuf, PathBuf)>,
}

impl RedisConfig {
    /// Parses a URL. Everything else has its default.
    ///
    /// # Errors
    ///
    /// Fails on a scheme that is not known, on one for TLS where that is not compiled in, and on
    /// whatever would be ignored otherwise. The error holds no part of the URL.
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            target: Target::parse(url)?,
            database: None,
            max_connections: 10,
            connection_timeout: Duration::from_secs(5),
            operation_timeout: Duration::from_millis(250),
            tls_ca_file: None,
            tls_identity: None,
        })
    }

    /// Sets the number of the database: that of the URL by default, or 0.
    ///
    /// 0 leaves it to the URL; another that differs from the URL's is an error of
    /// [`Redis::new`](crate::Redis::new).
    #[must_use]
    pub fn database(mut self, number: u8) -> Self {
        self.database = Some(number).filter(|number| *number > 0);
        self
    }

    /// Sets the most connections to one server: at least 1, default 10.
    ///
    /// It is an upper bound, and one connection is what is used: reads that would wait for it are
    /// sent together.
    #[must_use]
    pub fn max_connections(mut self, most: usize) -> Self {
        self.max_connections = most;
        self
    }

    /// Sets how long one attempt to connect may take, and how long
    /// [`ready`](crate::Redis::ready) waits: default 5 s.
    #[must_use]
    pub fn connection_timeout(mut self, timeout: Duration) -> Self {
        self.connection_timeout = timeout;
        self
    }

    /// Sets the whole budget of one operation, waiting for its turn included: default 250 ms.
    #[must_use]
    pub fn operation_timeout(mut self, timeout: Duration) -> Self {
        self.operation_timeout = timeout;
        self
    }

    /// Sets the PEM file of the authorities to trust instead of the system's.
    #[must_use]
    pub fn tls_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls_ca_file = Some(path.into());
        self
    }

    /// Sets the PEM files of the client's certificate and of its private key.
    #[must_use]
    pub fn tls_identity(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls_identity = Some((cert.into(), key.into()));
        self
    }

    /// Checks what the setters can't, and returns the database.
    pub(crate) fn check(&self) -> Result<Option<u8>, ConfigError> {
        for (setting, timeout) in [
            ("connection_timeout", self.connection_timeout),
            ("operation_timeout", self.operation_timeout),
        ] {
            if timeout.is_zero() {
                return Err(ConfigError::OutOfRange { setting, range: "more than zero" });
            }
        }
        if self.max_connections == 0 {
            let setting = "max_connections";
            return Err(ConfigError::OutOfRange { setting, range: "1 or more" });
        }
        if !self.target.tls && (self.tls_ca_file.is_some() || self.tls_identity.is_some()) {
            return Err(ConfigError::TlsFilesWithoutTls);
        }
        match (self.target.database, self.database) {
            (Some(url), Some(set)) if url != set => Err(ConfigError::DatabaseConflict),
            (_, Some(_)) if self.target.is_cluster() => Err(ConfigError::DatabaseInCluster),
            (url, set) => Ok(set.or(url)),
        }
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("target", &self.target)
            .field("database", &self.database)
            .field("max_connections", &self.max_connections)
            .field("connection_timeout", &self.connection_timeout)
            .field("operation_timeout", &self.operation_timeout)
            .field("tls_ca_file", &self.tls_ca_file)
            .field("tls_identity", &self.tls_identity)
            .finish()
    }
}
