//! Which server to connect to, with how many connections, and for how long to wait.

use std::time::Duration;

use crate::ConfigError;
use crate::address::Address;
use crate::backend::ITEM_OVERHEAD;

/// The largest item of a server that was started without the option `-I`.
const MAX_ITEM_BYTES: usize = 1024 * 1024;

/// The settings of one server's [`Memcached`](crate::Memcached).
///
/// ```
/// use std::time::Duration;
/// use tasker_cache_memcached::MemcachedConfig;
///
/// let config = MemcachedConfig::new("tcp://localhost:11211")?
///     .max_connections(2)
///     .operation_timeout(Duration::from_millis(100));
/// # Ok::<(), tasker_cache_memcached::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct MemcachedConfig {
    pub(crate) address: Address,
    pub(crate) max_connections: usize,
    pub(crate) connection_timeout: Duration,
    pub(crate) operation_timeout: Duration,
    pub(crate) max_item_bytes: usize,
    /// Lets a fill go out on another connection than the one that granted its lease: the fault
    /// that the tests plant.
    #[cfg(test)]
    pub(crate) fills_on_any_connection: bool,
}

impl MemcachedConfig {
    /// Creates the settings for the server at `tcp://host:port`, `tcp://host` (port 11211),
    /// `host:port` or `unix:///path`. A host is a name or an IPv4 address.
    ///
    /// # Errors
    ///
    /// Fails for anything else. In particular for what the client would silently ignore or can't
    /// do: credentials, TLS, IPv6 addresses.
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            address: Address::parse(url)?,
            max_connections: 4,
            connection_timeout: Duration::from_secs(5),
            operation_timeout: Duration::from_millis(250),
            max_item_bytes: MAX_ITEM_BYTES,
            #[cfg(test)]
            fills_on_any_connection: false,
        })
    }

    /// Sets how many connections there are at most: 1–100, default 4; others become the nearest
    /// of these.
    ///
    /// Each is opened when the first key of its share is asked for.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.clamp(1, 100);
        self
    }

    /// Sets how long connecting may take until the server has answered: default 5 s.
    pub fn connection_timeout(mut self, timeout: Duration) -> Self {
        self.connection_timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// Sets how long one operation may take, waiting for its turn included: default 250 ms.
    pub fn operation_timeout(mut self, timeout: Duration) -> Self {
        self.operation_timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// Sets the size of the largest item that is sent to the server: default 1 MiB, which is
    /// memcached's own default for its option `-I`.
    ///
    /// An item is the payload and 365 bytes for its key and headers. What exceeds this is refused
    /// without a round trip; what exceeds the server's own limit is refused by the server.
    pub fn max_item_bytes(mut self, bytes: usize) -> Self {
        self.max_item_bytes = bytes;
        self
    }

    /// Makes room for values of this many bytes, in place of [`max_item_bytes`] by itself: the
    /// largest item becomes the default or what such a value needs, whichever is more.
    ///
    /// The server has to be started with an option `-I` that allows for as much.
    ///
    /// [`max_item_bytes`]: Self::max_item_bytes
    pub fn max_value_bytes(self, bytes: usize) -> Self {
        // Its default is also the largest value by default, which without its overhead fits.
        let needed = if bytes > MAX_ITEM_BYTES { bytes.saturating_add(ITEM_OVERHEAD) } else { 0 };
        self.max_item_bytes(needed.max(MAX_ITEM_BYTES))
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "the fault is planted in the unit tests alone")]
    pub(crate) const fn has_planted_fault(&self) -> bool {
        false
    }

    #[cfg(test)]
    pub(crate) const fn has_planted_fault(&self) -> bool {
        self.fills_on_any_connection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_brought_into_their_ranges() {
        let config = MemcachedConfig::new("localhost:1").expect("valid");

        assert_eq!(config.clone().max_connections(0).max_connections, 1);
        assert_eq!(config.clone().max_connections(1_000).max_connections, 100);
        assert!(!config.operation_timeout(Duration::ZERO).operation_timeout.is_zero());
    }
}
