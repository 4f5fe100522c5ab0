//! Sets keys in code, in the types that code has.

use std::time::Duration;

use config::{Value, ValueKind};

use super::keys::{self, Key};
use super::{Config, interpolate};

/// Where values are from that code has set.
const IN_CODE: &str = "set in code";

/// # Setters
///
/// They take values as they are: `${…}` is not expanded in them. A value out of its range comes up
/// in [`resolve`](Config::resolve). Durations are rounded up to the unit of their key.
impl Config {
    /// Turns the cache on or off; off unless set.
    pub fn enabled(self, enabled: bool) -> Self {
        self.set(&keys::ENABLED, enabled)
    }

    /// Names the backend, one of [`BackendName::KNOWN`](super::BackendName::KNOWN) in any case;
    /// `redis` unless set.
    pub fn backend(self, name: impl AsRef<str>) -> Self {
        self.set_text(&keys::BACKEND, name.as_ref())
    }

    /// Sets how long entries live in regions that don't say: 1 s to a day, an hour unless set.
    pub fn default_ttl(self, ttl: Duration) -> Self {
        self.set(&keys::DEFAULT_TTL, seconds(ttl))
    }

    /// Sets how long task templates live: 1 s to a day, an hour unless set.
    pub fn template_ttl(self, ttl: Duration) -> Self {
        self.set(&keys::TEMPLATE_TTL, seconds(ttl))
    }

    /// Sets how long analytics live: 1 s to a day, a minute unless set.
    pub fn analytics_ttl(self, ttl: Duration) -> Self {
        self.set(&keys::ANALYTICS_TTL, seconds(ttl))
    }

    /// Sets what every key in the store begins with: 1–64 of A–Z a–z 0–9 . _ -, `tasker` unless
    /// set.
    pub fn key_prefix(self, prefix: impl AsRef<str>) -> Self {
        self.set_text(&keys::KEY_PREFIX, prefix.as_ref())
    }

    /// Sets how long one operation of a shared backend may take: 1 ms to a minute, 250 ms unless
    /// set.
    pub fn operation_timeout(self, timeout: Duration) -> Self {
        self.set(&keys::OPERATION_TIMEOUT, millis(timeout))
    }

    /// Sets the largest encoded value that is stored, in bytes; 1 MiB unless set.
    pub fn max_value_bytes(self, bytes: u64) -> Self {
        self.set(&keys::MAX_VALUE_BYTES, bytes)
    }

    /// Sets the server of Redis or Dragonfly; `redis://localhost:6379` unless set.
    pub fn redis_url(self, url: impl AsRef<str>) -> Self {
        self.set_text(&keys::REDIS_URL, url.as_ref())
    }

    /// Sets the PEM file of the authorities to trust instead of the system's.
    pub fn redis_tls_ca_file(self, path: impl AsRef<str>) -> Self {
        self.set_text(&keys::REDIS_TLS_CA_FILE, path.as_ref())
    }

    /// Sets the PEM files of the client's certificate and private key.
    pub fn redis_tls_identity(self, certificate: impl AsRef<str>, key: impl AsRef<str>) -> Self {
        self.set_text(&keys::REDIS_TLS_CERT_FILE, certificate.as_ref())
            .set_text(&keys::REDIS_TLS_KEY_FILE, key.as_ref())
    }

    /// Sets the most connections to a Redis server: 1–100, 10 unless set.
    pub fn redis_max_connections(self, connections: u32) -> Self {
        self.set(&keys::REDIS_MAX_CONNECTIONS, connections)
    }

    /// Sets how long connecting to Redis may take: 1 s to a minute, 5 s unless set.
    pub fn redis_connection_timeout(self, timeout: Duration) -> Self {
        self.set(&keys::REDIS_CONNECTION_TIMEOUT, seconds(timeout))
    }

    /// Sets the number of the Redis database: 0–15, 0 unless set.
    pub fn redis_database(self, number: u8) -> Self {
        self.set(&keys::REDIS_DATABASE, number)
    }

    /// Sets the Memcached servers; `tcp://localhost:11211` unless set.
    pub fn memcached_urls<U: AsRef<str>>(self, urls: impl IntoIterator<Item = U>) -> Self {
        let text = |url: U| Value::from(interpolate::escape(url.as_ref()));
        let urls: Vec<Value> = urls.into_iter().map(text).collect();
        self.set(&keys::MEMCACHED_URL, ValueKind::Nil).set(&keys::MEMCACHED_URLS, urls)
    }

    /// Sets how long connecting to Memcached may take: 1 s to a minute, 5 s unless set.
    pub fn memcached_connection_timeout(self, timeout: Duration) -> Self {
        self.set(&keys::MEMCACHED_CONNECTION_TIMEOUT, seconds(timeout))
    }

    /// Sets the most connections to a Memcached server: 1–100, 4 unless set.
    pub fn memcached_max_connections(self, connections: u32) -> Self {
        self.set(&keys::MEMCACHED_MAX_CONNECTIONS, connections)
    }

    /// Sets the most entries in memory: 1–1,000,000, 10,000 unless set.
    pub fn moka_max_capacity(self, entries: u64) -> Self {
        self.set(&keys::MOKA_MAX_CAPACITY, entries)
    }

    /// Sets the most bytes of encoded values in memory; not limited unless set.
    pub fn moka_max_bytes(self, bytes: u64) -> Self {
        self.set(&keys::MOKA_MAX_BYTES, bytes)
    }

    /// Turns the circuit breaker of a shared backend on or off; on unless set.
    pub fn breaker_enabled(self, enabled: bool) -> Self {
        self.set(&keys::BREAKERS_ENABLED, enabled)
    }

    /// Sets how many failures in a row open the circuit: 1–100, 5 unless set.
    pub fn breaker_failure_threshold(self, failures: u32) -> Self {
        self.set(&keys::CACHE_FAILURES, failures)
    }

    /// Sets how long an open circuit stays open before it is tested: 1 s to 5 minutes, 15 s unless
    /// set.
    pub fn breaker_timeout(self, timeout: Duration) -> Self {
        self.set(&keys::CACHE_TIMEOUT, seconds(timeout))
    }

    /// Sets how many successful tests close the circuit: 1–50, 2 unless set.
    pub fn breaker_success_threshold(self, successes: u32) -> Self {
        self.set(&keys::CACHE_SUCCESSES, successes)
    }

    fn set_text<K>(self, key: &Key<K>, text: &str) -> Self {
        self.set(key, interpolate::escape(text))
    }

    fn set<K>(mut self, key: &Key<K>, value: impl Into<ValueKind>) -> Self {
        self.tree.put(key.path, Value::new(Some(&IN_CODE.to_owned()), value));
        self
    }
}

fn seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add((duration.subsec_nanos() > 0).into())
}

fn millis(duration: Duration) -> u64 {
    let rounded_up = duration.as_nanos().div_ceil(1_000_000);
    u64::try_from(rounded_up).unwrap_or(u64::MAX)
}
