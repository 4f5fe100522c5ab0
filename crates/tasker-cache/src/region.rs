//! A typed handle on one kind of cached data.

mod read;
pub(crate) mod state;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use tasker_cache_core::{Entry, Error, Key, KeyBuilder, Lookup};

use self::state::RegionState;
use crate::counters::Bypass;
use crate::inner::Inner;
use crate::invalidation::{self, Invalidation};
use crate::leading;
use crate::ledger::Target;
use crate::{Codec, Segments};

/// A typed handle on one kind of cached data; made by [`Cache::region`](crate::Cache::region).
///
/// Handles are cheap to clone and to make: all handles of one path share flights, pending
/// invalidations and counters.
///
/// # What is guaranteed
///
/// If [`invalidate`](Region::invalidate) of a key returned [`Applied`](Invalidation::Applied)
/// before a read of that key starts, in any process, or returned
/// [`Deferred`](Invalidation::Deferred) in this one, the read never returns a value whose loader
/// began before that invalidation was called. That holds for every read of this type, whatever
/// fails in between, and rests on two things that are the caller's: invalidate after the commit,
/// and let the load's snapshot begin inside the loader.
///
/// # Cancel safety
///
/// Every future may be dropped at any point. A dropped load is taken over by another reader; a
/// dropped invalidation is finished by the cache.
pub struct Region<V> {
    cache: Arc<Inner>,
    state: Arc<RegionState>,
    codec: Arc<dyn Codec<V>>,
}

impl<V: Send + Sync + 'static> Region<V> {
    pub(crate) fn new(cache: Arc<Inner>, state: Arc<RegionState>, codec: impl Codec<V>) -> Self {
        Self { cache, state, codec: Arc::new(codec) }
    }

    /// Returns the region's path.
    #[must_use]
    pub fn path(&self) -> &str {
        self.state.usage.path()
    }

    /// Tells whether the region may use the cache: false when the usage rule disabled it, and it
    /// then just loads.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        !self.state.disabled
    }

    /// Builds a key of this region, to be used more than once.
    #[must_use]
    pub fn key<K: Segments>(&self, segments: K) -> Key {
        self.state.key(&segments)
    }

    /// Returns the value from the cache, or else from the loader, whose value is then cached.
    ///
    /// Concurrent readers of one key load once; see the book's chapter on concepts for who may use
    /// whose load. A reader waits for others at most as long as the usage's
    /// [`hold`](crate::Usage::hold), then loads for itself. The loader may borrow, and may read
    /// the cache itself.
    ///
    /// # Errors
    ///
    /// Returns the loader's own error, unchanged, and no other: every fault of the cache is a
    /// miss.
    pub async fn get_or_load<K, F, Fut, E>(&self, key: K, loader: F) -> Result<Arc<V>, E>
    where
        K: Segments,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        let key = self.state.key(&key);
        read::get_or_load(self, &key, loader).await
    }

    /// Returns the value from the cache; `None` on a miss, a fault or a bypass.
    pub async fn get<K: Segments>(&self, key: K) -> Option<Arc<V>> {
        // Asked before the key is built: an open circuit costs nothing.
        if let Some(reason) = self.state.closed(&self.cache) {
            self.state.counters.bypassed(reason).increment();
            self.cache.see_to_recovery();
            return None;
        }
        let key = self.state.key(&key);
        if self.cache.ledger.is_pending(&key) {
            self.state.counters.bypassed(Bypass::Pending).increment();
            self.cache.see_to_recovery();
            return None;
        }
        match self.cache.backend.get(&key).await {
            Ok(entry) => self.found(entry),
            Err(error) => {
                self.failed(&error, 1);
                None
            }
        }
    }

    /// Returns the values from the cache, in the order of the keys, in one request.
    pub async fn get_many<K: Segments>(&self, keys: &[K]) -> Vec<Option<Arc<V>>> {
        let Self { cache, state, .. } = self;
        let mut values = vec![None; keys.len()];
        let mut asked = Vec::with_capacity(keys.len());
        let mut positions = Vec::with_capacity(keys.len());
        for (position, key) in keys.iter().enumerate() {
            let key = state.key(key);
            if let Some(reason) = state.bypass(cache, &key) {
                state.counters.bypassed(reason).increment();
            } else {
                asked.push(key);
                positions.push(position);
            }
        }
        if asked.len() < keys.len() {
            cache.see_to_recovery();
        }
        if asked.is_empty() {
            return values;
        }
        match cache.backend.get_many(&asked).await {
            Ok(entries) => {
                for (position, entry) in positions.into_iter().zip(entries) {
                    values[position] = self.found(entry);
                }
            }
            Err(error) => self.failed(&error, asked.len() as u64),
        }
        values
    }

    /// Replaces what is cached by a value that the caller knows to be current.
    ///
    /// This is a fill, not a blind write: whatever is cached or being loaded is invalidated, and
    /// the value is stored unless something invalidates the key meanwhile. Best effort: it is not
    /// stored when the invalidation is deferred or another reader has begun to load.
    ///
    /// An invalidation by another process is noticed from the moment in which this one holds the
    /// key's lease. Where several processes write one key, use [`invalidate`](Region::invalidate),
    /// or keep the database's lock on it until `put` has returned.
    pub async fn put<K: Segments>(&self, key: K, value: &V) {
        let Self { cache, state, .. } = self;
        let key = state.key(&key);
        let (applied, leading) =
            invalidation::replace(cache, &state.counters, key.clone(), state.disabled).await;
        if applied != Invalidation::Applied || state.bypass(cache, &key).is_some() {
            return;
        }
        let Some((payload, ttl)) = self.encode(value).zip(state.draw_ttl()) else {
            return;
        };
        match cache.backend.get_or_lease(&key, state.usage.hold).await {
            Ok(Lookup::Leased(lease)) if leading.send() => {
                self.store(lease, Entry::new(payload), ttl).await;
            }
            Ok(Lookup::Leased(lease)) => {
                state.counters.fills_refused.increment();
                leading::release(cache, lease);
            }
            Ok(_) => state.counters.fills_refused.increment(),
            Err(error) => {
                state.counters.failed_fills.increment();
                cache.note_failure(&error);
            }
        }
    }

    /// Makes sure that no later read returns what is cached under this key.
    ///
    /// It returns in bounded time in every state of the backend.
    pub async fn invalidate<K: Segments>(&self, key: K) -> Invalidation {
        self.invalidate_target(Target::Key(self.state.key(&key))).await
    }

    /// Invalidates the key with just these segments and all below it.
    pub async fn invalidate_prefix<K: Segments>(&self, segments: K) -> Invalidation {
        let mut prefix: KeyBuilder = self.state.base.clone();
        segments.append_to(&mut prefix);
        self.invalidate_target(Target::Prefix(prefix.prefix())).await
    }

    /// Invalidates everything in this region.
    pub async fn invalidate_all(&self) -> Invalidation {
        self.invalidate_prefix(()).await
    }

    async fn invalidate_target(&self, target: Target) -> Invalidation {
        let Self { cache, state, .. } = self;
        let done = invalidation::invalidate(cache, &state.counters, target, state.disabled).await;
        if done == Invalidation::Unsupported {
            state.tell_unsupported(cache.identity.name);
        }
        done
    }

    /// Counts and decodes what a read that does not fill was answered.
    fn found(&self, entry: Option<Entry>) -> Option<Arc<V>> {
        let value = entry.and_then(|entry| self.decode(&entry));
        let counters = &self.state.counters;
        let counter = if value.is_some() { &counters.hits } else { &counters.misses };
        counter.increment();
        value
    }

    fn failed(&self, error: &Error, reads: u64) {
        self.state.counters.failed_reads.add(reads);
        self.cache.note_failure(error);
    }

    fn decode(&self, entry: &Entry) -> Option<Arc<V>> {
        let value = entry.decode(|bytes| self.codec.decode(bytes));
        // The error is dropped on purpose: it may quote the value.
        value.inspect_err(|_| self.state.counters.undecodable.increment()).ok()
    }

    fn encode(&self, value: &V) -> Option<Bytes> {
        let Ok(payload) = self.codec.encode(value) else {
            self.state.tell_unencodable();
            return None;
        };
        if payload.len() > self.cache.settings.max_value_bytes {
            self.state.counters.too_large.increment();
            return None;
        }
        Some(payload)
    }
}

impl<V> Clone for Region<V> {
    fn clone(&self) -> Self {
        Self {
            cache: Arc::clone(&self.cache),
            state: Arc::clone(&self.state),
            codec: Arc::clone(&self.codec),
        }
    }
}

impl<V> fmt::Debug for Region<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region")
            .field("usage", &self.state.usage)
            .field("enabled", &!self.state.disabled)
            .finish_non_exhaustive()
    }
}
