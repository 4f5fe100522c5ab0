//! The right to fill one key, and what came of it.

use std::fmt;

use crate::{Entry, Key};

/// What a read that wants to fill on a miss found.
#[derive(Clone, Debug)]
#[must_use]
pub enum Lookup {
    /// The value.
    Hit(Entry),
    /// Nothing; the reader now holds the right to fill the key.
    Leased(Lease),
    /// Nothing yet; somebody else is loading. The nonce names that holder's stub.
    Held(Nonce),
    /// Nothing, and nothing can be stored: load, don't wait, don't fill.
    Unleased,
}

/// The right to fill one key once, granted by [`Backend::get_or_lease`].
///
/// Whatever deletes, replaces, evicts or expires the key afterwards revokes it. A lease that is
/// not used should be given back by [`Backend::release`], so that the next reader need not wait
/// for it to expire.
///
/// [`Backend::get_or_lease`]: crate::Backend::get_or_lease
/// [`Backend::release`]: crate::Backend::release
#[derive(Clone)]
#[must_use]
pub struct Lease {
    key: Key,
    token: [u8; 32],
}

impl Lease {
    /// Creates a lease; `token` is the backend's own and only it can read it.
    pub const fn new(key: Key, token: [u8; 32]) -> Self {
        Self { key, token }
    }

    /// Returns the key that it may fill.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// Returns the backend's token.
    #[must_use]
    pub const fn token(&self) -> &[u8; 32] {
        &self.token
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("key", &self.key).finish_non_exhaustive()
    }
}

/// What became of a fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Fill {
    /// The entry is stored.
    Stored,
    /// The entry is not stored.
    Refused(Refusal),
}

/// Why a fill was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The key was deleted, replaced, evicted or expired since the lease was granted, or the
    /// lease was held for too long.
    Revoked,
    /// The entry is over the backend's limit.
    TooLarge,
    /// The backend has no memory for it.
    OutOfMemory,
    /// The backend stores nothing.
    Unsupported,
}

/// A random 128-bit number that names one lease stub or one stored value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nonce([u8; 16]);

impl Nonce {
    /// Creates a nonce from its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Draws a fresh one from the operating system; `None` if that has no randomness to give.
    #[must_use]
    pub fn random() -> Option<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// Returns the 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}
