//! A configuration in its final form: checked, expanded and typed.

use std::path::PathBuf;
use std::time::Duration;

use super::backend_name::BackendName;
use super::error::{ConfigError, ConfigErrorKind};
use super::given::Given;
use super::keys::{self, Key};
use super::kinds::Kind;
use super::secret_url::SecretUrl;
use super::url_forms::UrlForm;

/// A configuration in its final form, from [`Config::resolve`](super::Config::resolve).
///
/// Every backend's settings are there, whichever is named; each has its default or a value within
/// its range.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Resolved {
    /// Whether to cache at all.
    pub enabled: bool,
    /// The backend that is named.
    pub backend: BackendName,
    /// How long entries live in regions that don't say.
    pub default_ttl: Duration,
    /// How long task templates live.
    pub template_ttl: Duration,
    /// How long analytics live.
    pub analytics_ttl: Duration,
    /// What every key in the store begins with.
    pub key_prefix: String,
    /// How long one operation of a shared backend may take.
    pub operation_timeout: Duration,
    /// The largest encoded value that is stored, in bytes.
    pub max_value_bytes: usize,
    /// For Redis and Dragonfly.
    pub redis: RedisSettings,
    /// For Memcached.
    pub memcached: MemcachedSettings,
    /// For Moka.
    pub moka: MokaSettings,
    /// The circuit breaker in front of a shared backend; none if they are turned off.
    pub breaker: Option<BreakerValues>,
}

/// What is configured for Redis and Dragonfly.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RedisSettings {
    /// The server; of a form that Redis takes only if it is the backend that is named.
    pub url: SecretUrl,
    /// The PEM file of the authorities to trust instead of the system's.
    pub tls_ca_file: Option<PathBuf>,
    /// The PEM file of the client's certificate; there if and only if the key is.
    pub tls_cert_file: Option<PathBuf>,
    /// The PEM file of the client's private key.
    pub tls_key_file: Option<PathBuf>,
    /// The most connections to one server.
    pub max_connections: usize,
    /// How long connecting may take.
    pub connection_timeout: Duration,
    /// The number of the database.
    pub database: u8,
}

/// What is configured for Memcached.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MemcachedSettings {
    /// The servers, at least one; of a form that Memcached takes only if it is the backend that
    /// is named.
    pub urls: Vec<SecretUrl>,
    /// How long connecting may take.
    pub connection_timeout: Duration,
    /// The most connections to one server.
    pub max_connections: usize,
}

/// What is configured for Moka.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MokaSettings {
    /// The most entries.
    pub max_capacity: u64,
    /// The most bytes that the encoded values may take together, if that is limited too.
    pub max_bytes: Option<u64>,
}

/// What is configured for the circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerValues {
    /// How many failures in a row open the circuit.
    pub failure_threshold: u32,
    /// How long it stays open before it is tested.
    pub timeout: Duration,
    /// How many successful tests close it.
    pub success_threshold: u32,
}

impl Resolved {
    pub(super) fn of(given: &Given<'_>) -> Result<Self, ConfigError> {
        let resolved = Self {
            enabled: given.read(&keys::ENABLED)?,
            backend: given.read(&keys::BACKEND)?,
            default_ttl: given.read(&keys::DEFAULT_TTL)?,
            template_ttl: given.read(&keys::TEMPLATE_TTL)?,
            analytics_ttl: given.read(&keys::ANALYTICS_TTL)?,
            key_prefix: given.read(&keys::KEY_PREFIX)?,
            operation_timeout: given.read(&keys::OPERATION_TIMEOUT)?,
            max_value_bytes: given.read(&keys::MAX_VALUE_BYTES)?,
            redis: RedisSettings::of(given)?,
            memcached: MemcachedSettings::of(given)?,
            moka: MokaSettings::of(given)?,
            breaker: breaker(given)?,
        };
        resolved.check_urls(given)?;
        Ok(resolved)
    }

    /// Checks the URLs of the backend that is named; those of the others are not in use.
    fn check_urls(&self, given: &Given<'_>) -> Result<(), ConfigError> {
        match self.backend {
            BackendName::Redis | BackendName::Dragonfly => {
                check_url(given, &keys::REDIS_URL, UrlForm::Redis, &self.redis.url)?;
                self.check_redis(given)
            }
            BackendName::Memcached => self.memcached.urls.iter().try_for_each(|url| {
                if given.has(&keys::MEMCACHED_URLS) {
                    check_url(given, &keys::MEMCACHED_URLS, UrlForm::Memcached, url)
                } else {
                    check_url(given, &keys::MEMCACHED_URL, UrlForm::Memcached, url)
                }
            }),
            _ => Ok(()),
        }
    }

    /// Asks the backend, if there is one, whether it can make something of the URL.
    #[cfg(feature = "redis")]
    fn check_redis(&self, given: &Given<'_>) -> Result<(), ConfigError> {
        let parsed = tasker_cache_redis::RedisConfig::new(self.redis.url.expose());
        let refuse = |error| {
            let problem = format!("can't be used: {error}");
            given.not_allowed(&keys::REDIS_URL, (ConfigErrorKind::NotAllowed, problem))
        };
        parsed.map(drop).map_err(refuse)
    }

    #[cfg(not(feature = "redis"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as with the feature")]
    fn check_redis(&self, _: &Given<'_>) -> Result<(), ConfigError> {
        Ok(())
    }
}

impl RedisSettings {
    fn of(given: &Given<'_>) -> Result<Self, ConfigError> {
        let settings = Self {
            url: given.read(&keys::REDIS_URL)?,
            tls_ca_file: given.read(&keys::REDIS_TLS_CA_FILE)?,
            tls_cert_file: given.read(&keys::REDIS_TLS_CERT_FILE)?,
            tls_key_file: given.read(&keys::REDIS_TLS_KEY_FILE)?,
            max_connections: given.read(&keys::REDIS_MAX_CONNECTIONS)?,
            connection_timeout: given.read(&keys::REDIS_CONNECTION_TIMEOUT)?,
            database: given.read(&keys::REDIS_DATABASE)?,
        };
        let pair = (&keys::REDIS_TLS_CERT_FILE, &keys::REDIS_TLS_KEY_FILE);
        let (alone, other) = match (&settings.tls_cert_file, &settings.tls_key_file) {
            (Some(_), None) => pair,
            (None, Some(_)) => (pair.1, pair.0),
            _ => return Ok(settings),
        };
        Err(given.conflict(
            alone,
            &format!("stands without `{}`", other.name()),
            "give both or neither",
        ))
    }
}

impl MemcachedSettings {
    fn of(given: &Given<'_>) -> Result<Self, ConfigError> {
        let url = given.read(&keys::MEMCACHED_URL)?;
        let urls = match given.read(&keys::MEMCACHED_URLS)? {
            None => vec![url],
            Some(_) if given.has(&keys::MEMCACHED_URL) => {
                let problem = format!("stands beside `{}`", keys::MEMCACHED_URL.name());
                return Err(given.conflict(
                    &keys::MEMCACHED_URLS,
                    &problem,
                    "remove one of the two",
                ));
            }
            Some(urls) => urls,
        };
        Ok(Self {
            urls,
            connection_timeout: given.read(&keys::MEMCACHED_CONNECTION_TIMEOUT)?,
            max_connections: given.read(&keys::MEMCACHED_MAX_CONNECTIONS)?,
        })
    }
}

impl MokaSettings {
    fn of(given: &Given<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            max_capacity: given.read(&keys::MOKA_MAX_CAPACITY)?,
            max_bytes: given.read(&keys::MOKA_MAX_BYTES)?,
        })
    }
}

/// The cache's own values go before those for all components.
fn breaker(given: &Given<'_>) -> Result<Option<BreakerValues>, ConfigError> {
    let enabled = given.read(&keys::BREAKERS_ENABLED)?;
    let values = BreakerValues {
        failure_threshold: given.read_or(&keys::CACHE_FAILURES, &keys::DEFAULT_FAILURES)?,
        timeout: given.read_or(&keys::CACHE_TIMEOUT, &keys::DEFAULT_TIMEOUT)?,
        success_threshold: given.read_or(&keys::CACHE_SUCCESSES, &keys::DEFAULT_SUCCESSES)?,
    };
    Ok(enabled.then_some(values))
}

fn check_url<K: Kind>(
    given: &Given<'_>,
    key: &Key<K>,
    form: UrlForm,
    url: &SecretUrl,
) -> Result<(), ConfigError> {
    match form.refusal(url) {
        Some(problem) => {
            Err(given.not_allowed(key, (ConfigErrorKind::NotAllowed, problem.to_owned())))
        }
        None => Ok(()),
    }
}
