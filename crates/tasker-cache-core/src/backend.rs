//! The contract between the cache and a store.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Entry, Error, ErrorKind, Fill, Key, Lease, Lookup, Occupancy, Operation, Prefix, Profile,
    Result, Ttl,
};

/// A store of entries, one per key.
///
/// The trait is object-safe: the cache holds an `Arc<dyn Backend>`, and `Arc<T>` implements it
/// too. Wrappers implement it and forward every method.
///
/// # Contract for implementers
///
/// The conformance suite of `tasker-cache-testkit` tests each of these sentences.
///
/// *Keys.*
///
/// - A call answers for its own key only; two keys that are not equal never share a value.
/// - A prefix covers the key with just its segments and all below it, and nothing else: deleting
///   prefix `a` leaves `ab` alone.
///
/// *Entries.*
///
/// - An entry comes back whole or not at all, whatever bytes it has, none included.
/// - An expired, foreign or unreadable value is `None`, never an error.
/// - A time to live is kept per entry, and setting an entry again replaces it. An entry is never
///   gone before its time by more than one [`ttl_unit`](crate::Limits::ttl_unit), unless it was
///   evicted or deleted, and never readable after it.
/// - An entry over the backend's limits is refused, as [`Fill::Refused`] or
///   [`ErrorKind::TooLarge`], and what was there before is not served any more.
///
/// *Leases.*
///
/// - A lease is granted to at most one holder at a time; others get [`Lookup::Held`] with the
///   holder's nonce until the lease is filled, released or revoked, or its `hold` is over.
/// - [`fill`](Backend::fill) stores only if nothing has deleted, replaced or evicted the key
///   since the lease was granted; a lease fills at most once.
/// - A leased key has no value: [`get`](Backend::get) returns `None`.
/// - [`Lookup::Unleased`] means that nothing can be stored: a backend that stores nothing, one
///   that is out of memory or lacks the permission, a key that holds a value of a newer format
///   or of another type.
/// - An undecodable value that is not newer is replaced by the lease, so that keys heal after a
///   migration.
///
/// *Futures.*
///
/// - A future may be dropped at any await, and the next call on the same backend still answers
///   for its own key.
/// - A write that was started goes on without its caller; one that was given up is never
///   executed later, as far as the client can prevent it.
/// - A call ends by itself even if the server never answers.
/// - A read joins only a batch that has not been handed to the client yet, never one on the wire.
///
/// # Errors
///
/// An error says that the outcome of the operation is unknown or that it was declined. Its
/// [`kind`](Error::kind) tells whether the backend is unwell. Every method can fail with any kind
/// unless its documentation says less.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Reads one entry.
    async fn get(&self, key: &Key) -> Result<Option<Entry>>;

    /// Reads many entries; the answers stand in the order of the keys.
    ///
    /// The provided method reads them one after the other.
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        let mut entries = Vec::with_capacity(keys.len());
        for key in keys {
            entries.push(self.get(key).await?);
        }
        Ok(entries)
    }

    /// Reads one entry and, if there is none, asks for the right to fill it.
    ///
    /// `hold` is how long the lease lives unless it is filled, released or revoked before; it is
    /// rounded and clamped like a [`Ttl`], and a fill that comes later is refused.
    async fn get_or_lease(&self, key: &Key, hold: Duration) -> Result<Lookup>;

    /// Stores an entry under the key of a lease, if that still stands.
    async fn fill(&self, lease: Lease, entry: Entry, ttl: Ttl) -> Result<Fill>;

    /// Gives a lease back unused: removes it if it still stands, and nothing else.
    ///
    /// The provided method does nothing, and the lease expires after its `hold`.
    async fn release(&self, lease: Lease) -> Result<()> {
        drop(lease);
        Ok(())
    }

    /// Stores an entry unconditionally, revoking any lease on the key.
    ///
    /// This is the one write that can put an older value over a newer one. The cache uses it for
    /// its raw operations only, never for what a loader returned.
    async fn set(&self, key: &Key, entry: Entry, ttl: Ttl) -> Result<()>;

    /// Deletes an entry and revokes any lease on its key; tells whether there was an entry.
    ///
    /// When it returns `Ok`, no later read, by anyone, sees what was there before. Deleting what
    /// isn't there is `Ok(false)`.
    async fn delete(&self, key: &Key) -> Result<bool>;

    /// Deletes many entries; `Ok` acknowledges all of them.
    ///
    /// The provided method deletes them one after the other.
    async fn delete_many(&self, keys: &[Key]) -> Result<()> {
        for key in keys {
            self.delete(key).await?;
        }
        Ok(())
    }

    /// Deletes every entry that a prefix covers, revokes their leases, and tells how many entries
    /// there were.
    ///
    /// # Errors
    ///
    /// The provided method fails with [`ErrorKind::Unsupported`], and so does every backend whose
    /// [`can_delete_prefix`](Profile::can_delete_prefix) is false.
    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        let _ = prefix;
        let name = self.profile().name;
        Err(Error::new(ErrorKind::Unsupported, Operation::DeletePrefix, name))
    }

    /// Makes a full round trip to wherever the entries are.
    async fn ping(&self) -> Result<()>;

    /// Returns what the backend can do, without I/O.
    fn profile(&self) -> Profile;

    /// Returns how much a local backend holds; `None` where it can't be told without I/O.
    fn occupancy(&self) -> Option<Occupancy> {
        None
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: Backend + ?Sized> Backend for Arc<B> {
    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        (**self).get(key).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        (**self).get_many(keys).await
    }

    async fn get_or_lease(&self, key: &Key, hold: Duration) -> Result<Lookup> {
        (**self).get_or_lease(key, hold).await
    }

    async fn fill(&self, lease: Lease, entry: Entry, ttl: Ttl) -> Result<Fill> {
        (**self).fill(lease, entry, ttl).await
    }

    async fn release(&self, lease: Lease) -> Result<()> {
        (**self).release(lease).await
    }

    async fn set(&self, key: &Key, entry: Entry, ttl: Ttl) -> Result<()> {
        (**self).set(key, entry, ttl).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        (**self).delete(key).await
    }

    async fn delete_many(&self, keys: &[Key]) -> Result<()> {
        (**self).delete_many(keys).await
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        (**self).delete_prefix(prefix).await
    }

    async fn ping(&self) -> Result<()> {
        (**self).ping().await
    }

    fn profile(&self) -> Profile {
        (**self).profile()
    }

    fn occupancy(&self) -> Option<Occupancy> {
        (**self).occupancy()
    }
}
