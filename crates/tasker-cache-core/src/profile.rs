//! What a backend can do, and within which limits.

use std::time::Duration;

/// Whether other processes see what this backend stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One store for every process: an invalidation reaches all of them.
    Shared,
    /// A store inside this process: other processes have their own.
    Local,
}

/// What a backend tells about itself.
///
/// ```
/// use tasker_cache_core::{Limits, Profile, Scope};
///
/// let profile = Profile::new("carrier-pigeon", Scope::Shared)
///     .limits(Limits::default().max_value_bytes(75))
///     .can_delete_prefix(false);
/// assert!(profile.stores);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// The backend's name in logs, metrics and errors: short, lowercase, constant.
    pub name: &'static str,
    /// Whether other processes see what it stores.
    pub scope: Scope,
    /// What it accepts.
    pub limits: Limits,
    /// Whether [`Backend::delete_prefix`](crate::Backend::delete_prefix) works.
    pub can_delete_prefix: bool,
    /// Whether it stores anything at all; false only for [`NoOp`](crate::NoOp) and its like.
    pub stores: bool,
}

impl Profile {
    /// Creates the profile of a backend that stores without limits and can delete prefixes.
    #[must_use]
    pub const fn new(name: &'static str, scope: Scope) -> Self {
        Self { name, scope, limits: Limits::unlimited(), can_delete_prefix: true, stores: true }
    }

    /// Sets what the backend accepts.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets whether prefixes can be deleted.
    #[must_use]
    pub const fn can_delete_prefix(mut self, can: bool) -> Self {
        self.can_delete_prefix = can;
        self
    }

    /// Sets whether anything is stored.
    #[must_use]
    pub const fn stores(mut self, stores: bool) -> Self {
        self.stores = stores;
        self
    }
}

/// The limits of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest key in bytes; a longer one is shortened by [`Key::fit`](crate::Key::fit).
    pub max_key_bytes: usize,
    /// The largest payload in bytes; a larger one is refused.
    pub max_value_bytes: usize,
    /// The granularity of a time to live.
    pub ttl_unit: Duration,
    /// The longest time to live; a longer one is clamped to it.
    pub max_ttl: Duration,
}

impl Limits {
    const fn unlimited() -> Self {
        Self {
            max_key_bytes: usize::MAX,
            max_value_bytes: usize::MAX,
            ttl_unit: Duration::from_nanos(1),
            max_ttl: Duration::MAX,
        }
    }

    /// Sets the longest key, in bytes.
    #[must_use]
    pub const fn max_key_bytes(mut self, bytes: usize) -> Self {
        self.max_key_bytes = bytes;
        self
    }

    /// Sets the largest payload, in bytes.
    #[must_use]
    pub const fn max_value_bytes(mut self, bytes: usize) -> Self {
        self.max_value_bytes = bytes;
        self
    }

    /// Sets the granularity of a time to live.
    #[must_use]
    pub const fn ttl_unit(mut self, unit: Duration) -> Self {
        self.ttl_unit = unit;
        self
    }

    /// Sets the longest time to live.
    #[must_use]
    pub const fn max_ttl(mut self, longest: Duration) -> Self {
        self.max_ttl = longest;
        self
    }
}

impl Default for Limits {
    /// No limits at all.
    fn default() -> Self {
        Self::unlimited()
    }
}

/// How much a local backend holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// Live entries.
    pub entries: u64,
    /// Bytes of encoded payload; `None` where the backend doesn't weigh its entries.
    pub bytes: Option<u64>,
}
