//! How a lease names the connection and the stub that it stands for.

use tasker_cache_core::{Key, Lease, Nonce};

/// One connection, apart from every other one, of any client and any process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionId([u8; 16]);

impl ConnectionId {
    /// Draws one; `None` if the operating system has no random numbers to give.
    pub(crate) fn draw() -> Option<Self> {
        Nonce::random().map(|nonce| Self(*nonce.as_bytes()))
    }

    /// Where the marks of its commands begin: not where those of another connection do.
    pub(crate) fn first_mark(self) -> u64 {
        let mut mark = [0; 8];
        mark.copy_from_slice(&self.0[..8]);
        u64::from_le_bytes(mark)
    }
}

/// What a fill or release compares: the item's CAS number, which says something on the connection
/// that gave it only. The server counts from 1 again when it restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stub {
    pub(crate) lane: usize,
    pub(crate) connection: ConnectionId,
    pub(crate) cas: u64,
}

impl Stub {
    pub(crate) fn into_lease(self, key: Key) -> Lease {
        let mut token = [0; 32];
        token[..8].copy_from_slice(&(self.lane as u64).to_le_bytes());
        token[8..16].copy_from_slice(&self.cas.to_le_bytes());
        token[16..].copy_from_slice(&self.connection.0);
        Lease::new(key, token)
    }

    /// Reads a lease; one that this crate did not grant names no lane or connection that exists.
    pub(crate) fn of(lease: &Lease) -> Self {
        let token = lease.token();
        let number = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&token[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        let mut connection = [0; 16];
        connection.copy_from_slice(&token[16..]);
        Self {
            lane: usize::try_from(number(0)).unwrap_or(usize::MAX),
            cas: number(8),
            connection: ConnectionId(connection),
        }
    }
}

/// Names the stub with this CAS number, the same for every process that sees it. The server's
/// own stubs are empty, so there is nothing else to name them by.
pub(crate) fn nonce(key: &Key, cas: u64) -> Nonce {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&cas.to_le_bytes());
    bytes[8..].copy_from_slice(&key.fingerprint().as_bytes()[..8]);
    Nonce::new(bytes)
}

#[cfg(test)]
mod tests {
    use tasker_cache_core::KeyBuilder;

    use super::*;

    fn key(segment: &str) -> Key {
        KeyBuilder::raw("p").segment(segment).key()
    }

    #[test]
    fn a_lease_comes_back_as_the_stub_that_it_was_made_of() {
        let connection = ConnectionId::draw().expect("randomness");
        let stub = Stub { lane: 3, connection, cas: u64::MAX - 1 };

        assert_eq!(Stub::of(&stub.into_lease(key("a"))), stub);
    }

    #[test]
    fn a_nonce_depends_on_the_key_and_the_stub_alone() {
        assert_eq!(nonce(&key("a"), 7), nonce(&key("a"), 7));
        assert_ne!(nonce(&key("a"), 7), nonce(&key("a"), 8));
        assert_ne!(nonce(&key("a"), 7), nonce(&key("b"), 7));
    }
}
