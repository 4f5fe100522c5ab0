//! How much the cache may hold.

use serde::Deserialize;

/// The limits of an in-memory cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MokaConfig {
    /// The most entries: 1–1,000,000, default 10,000. Not used with `max_bytes`.
    pub max_capacity: u64,
    /// The most bytes of encoded payload, all entries together; an entry counts as one byte at
    /// least. Keys, decoded forms and bookkeeping come on top: some 300 bytes an entry.
    pub max_bytes: Option<u64>,
}

impl MokaConfig {
    /// Sets the most entries; 0 is taken as 1.
    #[must_use]
    pub fn max_capacity(mut self, entries: u64) -> Self {
        self.max_capacity = entries.max(1);
        self
    }

    /// Limits the bytes of encoded payload instead of the number of entries.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }
}

impl Default for MokaConfig {
    fn default() -> Self {
        Self { max_capacity: 10_000, max_bytes: None }
    }
}
