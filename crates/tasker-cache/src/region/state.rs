//! What all handles of one region share, whatever the type of its values.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tasker_cache_core::{Key, KeyBuilder, Ttl};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::counters::{Bypass, Counting};
use crate::inner::Inner;
use crate::{Segments, Usage, targets};

/// One region of one cache.
#[derive(Debug)]
pub(crate) struct RegionState {
    pub(crate) usage: Usage,
    pub(crate) ttl: Duration,
    /// Whether the usage rule disabled it.
    pub(crate) disabled: bool,
    pub(crate) counters: Counting,
    pub(crate) base: KeyBuilder,
    loads: Semaphore,
    /// Whether a second, different usage of the path has been warned about.
    warned_of_usage: AtomicBool,
    /// Whether it has been logged that prefixes can't be deleted.
    told_unsupported: AtomicBool,
    /// Whether it has been logged that a value could not be encoded.
    told_unencodable: AtomicBool,
}

impl RegionState {
    /// Makes a region that the cache did not know, beside those that it does.
    pub(crate) fn new(cache: &Inner, usage: Usage, disabled: bool, known: usize) -> Self {
        Self {
            ttl: usage.ttl.unwrap_or(cache.settings.default_ttl),
            disabled,
            counters: Counting::new(&cache.telemetry.region(&usage.path, known)),
            base: KeyBuilder::region(&cache.settings.prefix, &usage.path, usage.version),
            loads: Semaphore::new(usage.max_concurrent_loads),
            warned_of_usage: AtomicBool::new(false),
            told_unsupported: AtomicBool::new(false),
            told_unencodable: AtomicBool::new(false),
            usage,
        }
    }

    pub(crate) fn key(&self, segments: &(impl Segments + ?Sized)) -> Key {
        let mut key = self.base.clone();
        segments.append_to(&mut key);
        key.key()
    }

    /// Tells why no read of this region may ask the cache, whatever its key.
    pub(crate) fn closed(&self, cache: &Inner) -> Option<Bypass> {
        if self.disabled || self.ttl.is_zero() { Some(Bypass::Usage) } else { cache.closed() }
    }

    /// Tells why a read of this key may not ask the cache.
    pub(crate) fn bypass(&self, cache: &Inner, key: &Key) -> Option<Bypass> {
        self.closed(cache).or_else(|| cache.ledger.is_pending(key).then_some(Bypass::Pending))
    }

    /// Returns how long the next entry lives; `None` when the region stores nothing.
    pub(crate) fn draw_ttl(&self) -> Option<Ttl> {
        if self.usage.jitter == 0.0 {
            return Ttl::new(self.ttl);
        }
        let shorter = 1.0 - self.usage.jitter * fastrand::f64();
        // The longest durations round up to what is none any more.
        let drawn = Duration::try_from_secs_f64(self.ttl.as_secs_f64() * shorter);
        Ttl::new(drawn.unwrap_or(self.ttl))
    }

    /// Waits for this load's turn: at most until `deadline`, and not at all within another load.
    pub(crate) async fn turn(
        &self,
        nested: bool,
        deadline: Instant,
    ) -> Option<SemaphorePermit<'_>> {
        if let Ok(permit) = self.loads.try_acquire() {
            return Some(permit);
        }
        if nested {
            return None;
        }
        timeout_at(deadline, self.loads.acquire()).await.ok()?.ok()
    }

    /// Logs, once, that a prefix stays cached until its TTL is over.
    pub(crate) fn tell_unsupported(&self, backend: &str) {
        if !self.told_unsupported.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: targets::REGION,
                backend,
                region = self.usage.path,
                "The backend can't delete by prefix; pattern invalidation relies on TTL expiry"
            );
        }
    }

    /// Logs, once, that a value is not cached because it has no encoded form.
    pub(crate) fn tell_unencodable(&self) {
        if !self.told_unencodable.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: targets::REGION,
                region = self.usage.path,
                "A value has no encoded form and is not cached"
            );
        }
    }

    pub(crate) fn warn_if_different(&self, usage: &Usage) {
        if *usage != self.usage && !self.warned_of_usage.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: targets::REGION,
                region = usage.path,
                "A region is used in two different ways; the first usage holds"
            );
        }
    }
}
