//! Who may fill which key, beside the cache: in it, the admission policy would evict the stubs of
//! cold keys at once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tasker_cache_core::{Key, Lease, Nonce, Prefix};
use tokio::time::Instant;

/// The leases of one cache. What orders them with the entries is the cache's lock on the key:
/// every method but [`forget`](Leases::forget), [`covered`](Leases::covered) and
/// [`sweep`](Leases::sweep) is called within it.
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
    /// Whether its entry is being stored: it fills nothing more, and is known until the entry can
    /// be seen, so that whoever deletes a prefix finds one or the other.
    filling: bool,
}

impl Held {
    fn is_live(&self, now: Instant) -> bool {
        !self.filling && self.until.is_none_or(|until| until > now)
    }

    fn is(&self, lease: &Lease) -> bool {
        token::<32>(self.number) == *lease.token()
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
        state
            .held
            .insert(key.clone(), Held { number, until: now.checked_add(hold), filling: false });
        Ok(Lease::new(key.clone(), token(number)))
    }

    /// Begins to fill with a lease; tells whether it still stood. Once the entry is stored the
    /// lease has to be [forgotten](Leases::forget).
    pub(crate) fn begin_fill(&self, lease: &Lease) -> bool {
        let now = Instant::now();
        let mut state = self.lock();
        let Some(held) = state.held.get_mut(lease.key()).filter(|held| held.is(lease)) else {
            return false;
        };
        let stands = held.is_live(now);
        held.filling = true;
        stands
    }

    /// Removes a lease that was filled or given back, and no other of its key.
    pub(crate) fn forget(&self, lease: &Lease) {
        let mut state = self.lock();
        if state.held.get(lease.key()).is_some_and(|held| held.is(lease)) {
            state.held.remove(lease.key());
        }
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
        state.held.retain(|_, held| held.filling || held.is_live(now));
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

#[cfg(test)]
mod tests {
    use tasker_cache_core::KeyBuilder;

    use super::*;

    const HOLD: Duration = Duration::from_secs(60);

    fn granted(leases: &Leases) -> Lease {
        let key = KeyBuilder::region("app", "thing", 0).segment("a").key();
        leases.grant(&key, HOLD).expect("nobody holds it")
    }

    #[test]
    fn a_lease_that_is_being_filled_is_covered_until_it_is_forgotten() {
        let leases = Leases::default();
        let lease = granted(&leases);
        let all = KeyBuilder::region("app", "thing", 0).prefix();

        assert!(leases.begin_fill(&lease));
        assert!(leases.sweep(), "it outlasts a sweep");
        assert_eq!(leases.covered(&all).len(), 1);

        leases.forget(&lease);
        assert!(leases.covered(&all).is_empty());
    }

    #[test]
    fn a_lease_that_is_being_filled_fills_no_second_time_and_holds_nobody_up() {
        let leases = Leases::default();
        let first = granted(&leases);
        assert!(leases.begin_fill(&first));
        assert!(!leases.begin_fill(&first));

        let second = granted(&leases);
        leases.forget(&first);

        assert!(leases.begin_fill(&second), "it is not the first's to forget");
    }
}
