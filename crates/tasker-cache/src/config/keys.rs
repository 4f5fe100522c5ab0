//! The table of all keys, with their kinds and defaults: the one place where each of them stands.

use std::time::Duration;

use config::Value;

use super::kinds::{Backend, File, Kind, Maybe, Prefix, Switch, Url, Urls, Whole};
use super::url_forms::UrlForm;

/// A key: its path, what stands there unless it is given, and what may stand there.
pub(super) struct Key<K> {
    pub(super) path: &'static str,
    pub(super) default: &'static str,
    pub(super) kind: K,
}

impl<K> Key<K> {
    /// Returns the last part of the path.
    pub(super) fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }
}

/// A key of whatever kind.
pub(super) trait Row: Sync {
    fn path(&self) -> &'static str;
    /// Returns the default as it would be written; none is an empty text.
    fn default(&self) -> &'static str;
    fn range(&self) -> String;
    fn show(&self, value: &Value) -> Option<String>;
}

impl<K: Kind> Row for Key<K> {
    fn path(&self) -> &'static str {
        self.path
    }

    fn default(&self) -> &'static str {
        self.default
    }

    fn range(&self) -> String {
        self.kind.range()
    }

    fn show(&self, value: &Value) -> Option<String> {
        self.kind.show(value)
    }
}

/// Declares each key and the table of them.
macro_rules! keys {
    ($($name:ident: $kind:ty = $path:literal, $default:literal, $value:expr;)+) => {
        $(pub(super) static $name: Key<$kind> =
            Key { path: $path, default: $default, kind: $value };)+

        /// Every key, in the order of the documentation.
        pub(super) static KEYS: &[&dyn Row] = &[$(&$name,)+];
    };
}

keys! {
    ENABLED: Switch = "cache.enabled", "false", Switch;
    BACKEND: Backend = "cache.backend", "redis", Backend;
    DEFAULT_TTL: Whole<Duration> = "cache.default_ttl_seconds", "3600", TTL;
    TEMPLATE_TTL: Whole<Duration> = "cache.template_ttl_seconds", "3600", TTL;
    ANALYTICS_TTL: Whole<Duration> = "cache.analytics_ttl_seconds", "60", TTL;
    KEY_PREFIX: Prefix = "cache.key_prefix", "tasker", Prefix;
    OPERATION_TIMEOUT: Whole<Duration> =
        "cache.operation_timeout_ms", "250", Whole::millis(1, 60_000);
    // The length of a stored payload is written in 32 bits.
    MAX_VALUE_BYTES: Whole<usize> =
        "cache.max_value_bytes", "1048576", Whole::new(1, 4_294_967_295, |n| usize::try_from(n).ok());

    REDIS_URL: Url = "cache.redis.url", "redis://localhost:6379", Url(UrlForm::Redis);
    REDIS_TLS_CA_FILE: Maybe<File> = "cache.redis.tls_ca_file", "", Maybe(File);
    REDIS_TLS_CERT_FILE: Maybe<File> = "cache.redis.tls_cert_file", "", Maybe(File);
    REDIS_TLS_KEY_FILE: Maybe<File> = "cache.redis.tls_key_file", "", Maybe(File);
    REDIS_MAX_CONNECTIONS: Whole<usize> = "cache.redis.max_connections", "10", CONNECTIONS;
    REDIS_CONNECTION_TIMEOUT: Whole<Duration> =
        "cache.redis.connection_timeout_seconds", "5", Whole::seconds(1, 60);
    REDIS_DATABASE: Whole<u8> =
        "cache.redis.database", "0", Whole::new(0, 15, |n| u8::try_from(n).ok());

    MEMCACHED_URL: Url =
        "cache.memcached.url", "tcp://localhost:11211", Url(UrlForm::Memcached);
    MEMCACHED_URLS: Maybe<Urls> =
        "cache.memcached.urls", "", Maybe(Urls(UrlForm::Memcached));
    MEMCACHED_CONNECTION_TIMEOUT: Whole<Duration> =
        "cache.memcached.connection_timeout_seconds", "5", Whole::seconds(1, 60);
    MEMCACHED_MAX_CONNECTIONS: Whole<usize> = "cache.memcached.max_connections", "4", CONNECTIONS;

    MOKA_MAX_CAPACITY: Whole<u64> =
        "cache.moka.max_capacity", "10000", Whole::new(1, 1_000_000, Some);
    MOKA_MAX_BYTES: Maybe<Whole<u64>> =
        "cache.moka.max_bytes", "", Maybe(Whole::new(1, u64::MAX, Some));

    BREAKERS_ENABLED: Switch = "circuit_breakers.enabled", "true", Switch;
    DEFAULT_FAILURES: Whole<u32> =
        "circuit_breakers.default_config.failure_threshold", "5", FAILURES;
    DEFAULT_TIMEOUT: Whole<Duration> =
        "circuit_breakers.default_config.timeout_seconds", "15", OPEN_FOR;
    DEFAULT_SUCCESSES: Whole<u32> =
        "circuit_breakers.default_config.success_threshold", "2", SUCCESSES;
    CACHE_FAILURES: Whole<u32> =
        "circuit_breakers.component_configs.cache.failure_threshold", "5", FAILURES;
    CACHE_TIMEOUT: Whole<Duration> =
        "circuit_breakers.component_configs.cache.timeout_seconds", "15", OPEN_FOR;
    CACHE_SUCCESSES: Whole<u32> =
        "circuit_breakers.component_configs.cache.success_threshold", "2", SUCCESSES;
}

const TTL: Whole<Duration> = Whole::seconds(1, 86_400);
const CONNECTIONS: Whole<usize> = Whole::new(1, 100, |n| usize::try_from(n).ok());
const FAILURES: Whole<u32> = Whole::new(1, 100, |n| u32::try_from(n).ok());
const OPEN_FOR: Whole<Duration> = Whole::seconds(1, 300);
const SUCCESSES: Whole<u32> = Whole::new(1, 50, |n| u32::try_from(n).ok());

/// Every table that holds keys, outermost first.
pub(super) fn tables() -> Vec<&'static str> {
    let mut tables: Vec<&str> = Vec::new();
    for key in KEYS {
        for (at, _) in key.path().match_indices('.') {
            let table = &key.path()[..at];
            if !tables.contains(&table) {
                tables.push(table);
            }
        }
    }
    tables
}
