//! Who may fill which key, beside the cache: in it, the admission policy would evict the stubs of
//! cold keys at once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tasker_cache_core::{Key, Lease, Nonce, Prefix};
use tokio::time::Instant;

/// The leases of one cache. What orders them with the entries is the cache's lock on the key:
/// every method but [`sweep`](Leases::sweep) and the readers is called within it.
#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: u64,
    held: HashMap<Key, Held>,
}

#[derive(Debug)]
struct Held {
    number: u64,
    /// None is: beyond what the clock can tell.
    until: Option<Instant>,
}

impl Held {
    fn is_live(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

impl Leases {
    /// Grants a lease, or tells who holds it.
    pub(crate) fn grant(&self, key: &Key, hold: Duration) -> Result<Lease, Nonce> {
        let now = Instant::now();
        let mut state = self.lock();
        if let Some(held) = state.held.get(key).filter(|held| held.is_live(now)) {
            return Err(Nonce::new(token(held.number)));
        }
        state.last += 1;
        let number = state.last;
        state.held.insert(key.clone(), Held { number, until: now.checked_add(hold) });
        Ok(Lease::new(key.clone(), token(number)))
    }

    /// Ends a lease; tells whether it still stood.
    pub(crate) fn end(&self, lease: &Lease) -> bool {
        let mut state = self.lock();
        let mine = |held: &Held| token::<32>(held.number) == *lease.token();
        if !state.held.get(lease.key()).is_some_and(mine) {
            return false;
        }
        state.held.remove(lease.key()).is_some_and(|held| held.is_live(Instant::now()))
    }

    /// Ends whatever lease there is on a key.
    pub(crate) fn revoke(&self, key: &Key) {
        self.lock().held.remove(key);
    }

    /// Returns the keys below a prefix that are leased.
    pub(crate) fn covered(&self, prefix: &Prefix) -> Vec<Key> {
        self.lock().held.keys().filter(|key| prefix.covers(key)).cloned().collect()
    }

    /// Forgets the leases that have expired; tells whether any is left.
    pub(crate) fn sweep(&self) -> bool {
        let now = Instant::now();
        let mut state = self.lock();
        state.held.retain(|_, held| held.is_live(now));
        if state.held.is_empty() {
            state.held.shrink_to_fit();
        }
        !state.held.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a lease's number as a token or a nonce; numbers are never used twice.
fn token<const N: usize>(number: u64) -> [u8; N] {
    let mut bytes = [0; N];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes
}
