//! The contract of a backend, over moka's concurrent cache.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use moka::Expiry;
use moka::ops::compute::{CompResult, Op};
use moka::sync::Cache;
use tasker_cache_core::{
    Backend, Entry, Error, ErrorKind, Fill, Key, Lease, Limits, Lookup, Occupancy, Operation,
    Prefix, Profile, Refusal, Result, Scope, Ttl,
};

use crate::MokaConfig;
use crate::leases::Leases;
use crate::maintenance::Maintenance;

/// A cache in this process's memory; clones are handles on the same cache.
///
/// It stores entries as they are, with their decoded form, so a typed hit costs no decoding. Which
/// entries stay when it is full is decided by TinyLFU: those that are asked for often.
///
/// # Background work
///
/// The first write within a tokio runtime starts a task there that gives back the memory of
/// expired entries once a second. It ends when the cache is empty or its last handle is gone, and
/// starts anew on the next runtime if its own is gone.
#[derive(Clone)]
pub struct Moka {
    store: Arc<Store>,
}

pub(crate) struct Store {
    entries: Cache<Key, Slot>,
    leases: Leases,
    limits: Limits,
    weighed: bool,
    maintenance: Maintenance,
}

#[derive(Clone)]
struct Slot {
    entry: Entry,
    ttl: Duration,
}

impl Slot {
    fn weight(&self) -> u32 {
        u32::try_from(self.entry.payload().len()).unwrap_or(u32::MAX).max(1)
    }
}

/// Gives each entry its own time to live, when it is created and when it is replaced.
struct TimeToLive;

impl Expiry<Key, Slot> for TimeToLive {
    fn expire_after_create(&self, _: &Key, slot: &Slot, _: Instant) -> Option<Duration> {
        Some(slot.ttl)
    }

    fn expire_after_update(
        &self,
        _: &Key,
        slot: &Slot,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(slot.ttl)
    }
}

impl Moka {
    /// Its name in logs, metrics and `status()`.
    pub const NAME: &'static str = "moka";

    /// The longest TTL, a hundred years: moka takes none of more than a thousand.
    const MAX_TTL: Duration = Duration::from_secs(100 * 365 * 86_400);

    /// Makes a cache of at most `max_entries`. Needs no runtime.
    #[must_use]
    pub fn new(max_entries: u64) -> Self {
        Self::with_config(MokaConfig::default().max_capacity(max_entries))
    }

    /// Makes a cache as configured. Needs no runtime.
    #[must_use]
    pub fn with_config(config: MokaConfig) -> Self {
        let capacity = config.max_bytes.unwrap_or(config.max_capacity);
        let mut builder = Cache::builder().max_capacity(capacity).expire_after(TimeToLive);
        let mut limits = Limits::default().max_ttl(Self::MAX_TTL);
        if let Some(bytes) = config.max_bytes {
            builder = builder.weigher(|_, slot: &Slot| slot.weight());
            limits = limits.max_value_bytes(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        let store = Store {
            entries: builder.build(),
            leases: Leases::default(),
            limits,
            weighed: config.max_bytes.is_some(),
            maintenance: Maintenance::default(),
        };
        Self { store: Arc::new(store) }
    }
}

impl Store {
    /// Runs `change` under the lock that orders every write of this key.
    fn compute(
        &self,
        key: &Key,
        change: impl FnOnce(Option<&Slot>) -> Op<Slot>,
    ) -> CompResult<Key, Slot> {
        self.entries.entry(key.clone()).and_compute_with(|entry| {
            let slot = entry.map(moka::Entry::into_value);
            change(slot.as_ref())
        })
    }

    fn slot(&self, entry: Entry, ttl: Ttl) -> Option<Slot> {
        let fits = entry.payload().len() <= self.limits.max_value_bytes;
        fits.then(|| Slot { entry, ttl: ttl.fitted(&self.limits) })
    }

    fn delete(&self, key: &Key) -> bool {
        let result = self.compute(key, |slot| {
            self.leases.revoke(key);
            if slot.is_some() { Op::Remove } else { Op::Nop }
        });
        matches!(result, CompResult::Removed(_))
    }

    /// Gives back the memory of what has expired; tells whether anything is left.
    pub(crate) fn maintain(&self) -> bool {
        self.entries.run_pending_tasks();
        let leased = self.leases.sweep();
        leased || self.entries.entry_count() > 0
    }

    pub(crate) fn ensure_maintenance_unless_empty(self: &Arc<Self>) {
        if self.maintain() {
            self.maintenance.ensure(self);
        }
    }
}

#[async_trait]
impl Backend for Moka {
    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        Ok(self.store.entries.get(key).map(|slot| slot.entry))
    }

    async fn get_or_lease(&self, key: &Key, hold: Duration) -> Result<Lookup> {
        if let Some(slot) = self.store.entries.get(key) {
            return Ok(Lookup::Hit(slot.entry));
        }
        let mut lookup = Lookup::Unleased;
        self.store.compute(key, |slot| {
            lookup = match slot {
                Some(slot) => Lookup::Hit(slot.entry.clone()),
                None => match self.store.leases.grant(key, hold) {
                    Ok(lease) => Lookup::Leased(lease),
                    Err(holder) => Lookup::Held(holder),
                },
            };
            Op::Nop
        });
        self.store.maintenance.ensure(&self.store);
        Ok(lookup)
    }

    async fn fill(&self, lease: Lease, entry: Entry, ttl: Ttl) -> Result<Fill> {
        let slot = self.store.slot(entry, ttl);
        let mut filled = Fill::Refused(Refusal::Revoked);
        self.store.compute(lease.key(), |_| {
            if !self.store.leases.begin_fill(&lease) {
                return Op::Nop;
            }
            let Some(slot) = slot else {
                filled = Fill::Refused(Refusal::TooLarge);
                return Op::Nop;
            };
            filled = Fill::Stored;
            Op::Put(slot)
        });
        self.store.leases.forget(&lease);
        self.store.maintenance.ensure(&self.store);
        Ok(filled)
    }

    async fn release(&self, lease: Lease) -> Result<()> {
        self.store.compute(lease.key(), |_| {
            self.store.leases.forget(&lease);
            Op::Nop
        });
        Ok(())
    }

    async fn set(&self, key: &Key, entry: Entry, ttl: Ttl) -> Result<()> {
        let Some(slot) = self.store.slot(entry, ttl) else {
            self.store.delete(key);
            return Err(Error::new(ErrorKind::TooLarge, Operation::Set, Self::NAME));
        };
        self.store.compute(key, |_| {
            self.store.leases.revoke(key);
            Op::Put(slot)
        });
        self.store.maintenance.ensure(&self.store);
        Ok(())
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        Ok(self.store.delete(key))
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        // A lease granted later belongs to a load that begins later; one granted before is among
        // these, so what it fills meanwhile is deleted too, or its entry can be seen already.
        let leased = self.store.leases.covered(prefix);
        let stored = self.store.entries.iter().map(|(key, _)| key);
        let stored: Vec<_> = stored.filter(|key| prefix.covers(key)).collect();
        let deleted = leased
            .iter()
            .chain(stored.iter().map(|key| &**key))
            .filter(|key| self.store.delete(key))
            .count();
        Ok(u64::try_from(deleted).unwrap_or(u64::MAX))
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }

    fn profile(&self) -> Profile {
        Profile::new(Self::NAME, Scope::Local).limits(self.store.limits)
    }

    fn occupancy(&self) -> Option<Occupancy> {
        let Store { entries, weighed, .. } = &*self.store;
        entries.run_pending_tasks();
        let bytes = weighed.then(|| entries.weighted_size());
        Some(Occupancy { entries: entries.entry_count(), bytes })
    }
}

impl fmt::Debug for Moka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moka").field("limits", &self.store.limits).finish_non_exhaustive()
    }
}
