//! The handle that an application keeps.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tasker_cache_breaker::CircuitState;
use tasker_cache_core::{
    Backend, Entry, Error, ErrorKind, Key, KeyBuilder, NoOp, Profile, Scope, Ttl,
};

use crate::builder::Builder;
use crate::counters::Bypass;
use crate::inner::{Inner, Settings};
use crate::invalidation::{self, Invalidation};
use crate::ledger::Target;
use crate::recovery::{self, Leftover};
use crate::region::Region;
use crate::region::state::RegionState;
use crate::{Codec, Config, Json, Segments, Status, Usage, connect, targets};

/// A cache in front of a database: cheap to clone, made once and shared.
///
/// Most of what it does is done by its typed [regions](Cache::region). The raw operations on
/// bytes are for data that has no loader; they keep to themselves and never see a region's
/// entries.
///
/// No operation returns an error: every fault of the backend is a miss, and an invalidation that
/// could not be applied is applied later.
///
/// # Background work
///
/// While an invalidation is pending or the circuit is open, one task on the runtime of the call
/// that found it so tries to recover. It ends when there is nothing left to do, or with the last
/// handle. Making a cache spawns nothing and needs no runtime.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

impl Cache {
    /// How long [`close`](Cache::close) tries.
    pub const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

    pub(crate) fn new(inner: Inner) -> Self {
        let inner = Arc::new(inner);
        inner.telemetry.publish_all(&inner);
        inner.see_to_recovery();
        Self { inner }
    }

    /// Makes the cache that a configuration describes. It always succeeds: what can't be had is
    /// replaced by a cache that misses, with a warning.
    ///
    /// A backend on a network that can't be reached within its connection timeout is used as soon
    /// as it can: until then reads miss at once and invalidations are deferred.
    pub async fn connect(config: &Config) -> Self {
        connect::connect(config).await
    }

    /// Makes the cache that a configuration file describes; a file that can't be used is a
    /// warning and a cache that misses.
    pub async fn from_path(path: impl AsRef<Path>) -> Self {
        match Config::load(path) {
            Ok(config) => Self::connect(&config).await,
            Err(error) => connect::stand_in_for(&error),
        }
    }

    /// Makes a cache that stores nothing.
    #[must_use]
    pub fn noop() -> Self {
        Self::builder(NoOp).build()
    }

    /// Makes a cache of at most `max_entries` in this process's memory.
    #[cfg(feature = "moka")]
    #[must_use]
    pub fn in_memory(max_entries: u64) -> Self {
        Self::builder(tasker_cache_moka::Moka::new(max_entries)).build()
    }

    /// Starts to make a cache over any backend.
    pub fn builder(backend: impl Backend) -> Builder {
        Builder::new(Arc::new(backend))
    }

    /// Returns a typed handle on the data that `usage` describes, stored as JSON.
    ///
    /// Handles of one path share everything but the type; the first usage of a path holds. Of two
    /// types that are stored under one key, one is cached and the other loads.
    #[must_use]
    pub fn region<V>(&self, usage: Usage) -> Region<V>
    where
        V: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        self.region_with(usage, Json)
    }

    /// Returns a typed handle on the data that `usage` describes, stored as `codec` says.
    #[must_use]
    pub fn region_with<V, C>(&self, usage: Usage, codec: C) -> Region<V>
    where
        V: Send + Sync + 'static,
        C: Codec<V>,
    {
        Region::new(Arc::clone(&self.inner), self.region_state(usage, warn_of_rule), codec)
    }

    /// Returns a region whose rule, if it is disabled, is put in words by `rule`.
    pub(crate) fn region_ruled<V>(&self, usage: Usage, rule: impl FnOnce(&Profile)) -> Region<V>
    where
        V: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let state = self.region_state(usage, |_, profile| rule(profile));
        Region::new(Arc::clone(&self.inner), state, Json)
    }

    fn region_state(&self, usage: Usage, rule: impl FnOnce(&str, &Profile)) -> Arc<RegionState> {
        let path = usage.path.clone();
        self.inner.regions.get(&self.inner, usage, |profile| rule(&path, profile))
    }

    /// Returns the bytes stored under a raw key; `None` on a miss, a fault or a bypass.
    pub async fn get<K: Segments>(&self, key: K) -> Option<Bytes> {
        let Inner { raw, ledger, backend, .. } = &*self.inner;
        // Asked before the key is built: an open circuit costs nothing.
        if let Some(reason) = self.inner.closed() {
            raw.bypassed(reason).increment();
            self.inner.see_to_recovery();
            return None;
        }
        let key = self.key(&key);
        if ledger.is_pending(&key) {
            raw.bypassed(Bypass::Pending).increment();
            self.inner.see_to_recovery();
            return None;
        }
        match backend.get(&key).await {
            Ok(entry) => {
                let counter = if entry.is_some() { &raw.hits } else { &raw.misses };
                counter.increment();
                entry.map(|entry| entry.payload().clone())
            }
            Err(error) => {
                raw.failed_reads.increment();
                self.inner.note_failure(&error);
                None
            }
        }
    }

    /// Stores bytes under a raw key, whatever is there: best effort, and outside of what is
    /// guaranteed for regions.
    ///
    /// A zero TTL, or a value over the size limit, stores nothing and deletes what is there. While
    /// a [`delete`](Cache::delete) of the key is pending nothing is stored.
    pub async fn set<K: Segments>(&self, key: K, value: impl Into<Bytes>, ttl: Duration) {
        let Inner { raw, ledger, backend, settings, .. } = &*self.inner;
        if let Some(Bypass::Disabled | Bypass::Circuit) = self.inner.closed() {
            self.inner.see_to_recovery();
            return;
        }
        let key = self.key(&key);
        let value = value.into();
        let fits = value.len() <= settings.max_value_bytes;
        if !fits {
            raw.too_large.increment();
        }
        let Some(ttl) = Ttl::new(ttl).filter(|_| fits) else {
            self.delete_key(key).await;
            return;
        };
        if ledger.is_pending(&key) {
            raw.fills_refused.increment();
            self.inner.see_to_recovery();
            return;
        }
        self.inner.regions.note_ttl(ttl.get());
        match backend.set(&key, Entry::new(value), ttl).await {
            Ok(()) => raw.fills.increment(),
            Err(error) => self.set_failed(&key, &error).await,
        }
    }

    /// Deletes a raw key, as reliably as a region's [`invalidate`](Region::invalidate).
    pub async fn delete<K: Segments>(&self, key: K) -> Invalidation {
        self.delete_key(self.key(&key)).await
    }

    async fn delete_key(&self, key: Key) -> Invalidation {
        invalidation::invalidate(&self.inner, &self.inner.raw, Target::Key(key), false).await
    }

    async fn set_failed(&self, key: &Key, error: &Error) {
        let raw = &self.inner.raw;
        if error.kind() == ErrorKind::TooLarge {
            raw.too_large.increment();
            // The old value must not outlive the attempt to replace it.
            self.delete_key(key.clone()).await;
        } else {
            raw.failed_fills.increment();
            self.inner.note_failure(error);
        }
    }

    fn key(&self, segments: &impl Segments) -> Key {
        let mut key = KeyBuilder::raw(&self.inner.settings.prefix);
        segments.append_to(&mut key);
        key.key()
    }

    /// Makes a round trip to the backend; false when it fails or the circuit is not closed. It
    /// brings the metrics up to date, as [`status`](Cache::status) does.
    pub async fn health_check(&self) -> bool {
        self.inner.telemetry.publish_all(&self.inner);
        match self.inner.backend.ping().await {
            Ok(()) => self.circuit_state().is_none_or(|state| state == CircuitState::Closed),
            Err(error) => {
                self.inner.note_failure(&error);
                false
            }
        }
    }

    /// Returns the circuit's state; `None` where there is no breaker: local backends and `noop`.
    #[must_use]
    pub fn circuit_state(&self) -> Option<CircuitState> {
        self.inner.circuit()
    }

    /// Returns a snapshot for people and machines. It does no I/O; a local backend counts its
    /// entries. With the feature `metrics` the gauges are brought up to date.
    #[must_use]
    pub fn status(&self) -> Status {
        self.inner.telemetry.publish_all(&self.inner);
        Status::of(&self.inner)
    }

    /// Returns the backend's configured name: `redis`, `dragonfly`, `memcached`, `moka`, `noop`
    /// or that of another backend's profile.
    #[must_use]
    pub fn backend_name(&self) -> &'static str {
        self.inner.identity.name
    }

    /// Tells whether other processes see what is stored.
    #[must_use]
    pub fn is_distributed(&self) -> bool {
        self.inner.profile.stores && self.inner.profile.scope == Scope::Shared
    }

    /// Tells whether anything is stored at all.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.inner.profile.stores
    }

    /// Turns the operator's switch: while it is on, reads don't ask the cache and nothing is
    /// filled. Invalidations and raw writes still run, so nothing old comes back with it.
    pub fn bypass(&self, on: bool) {
        self.inner.switched_off.store(on, Ordering::Relaxed);
    }

    /// Tries once more to apply pending invalidations, for at most
    /// [`CLOSE_DEADLINE`](Cache::CLOSE_DEADLINE), and tells what is left.
    ///
    /// Call it before the process ends. What is left then is forgotten with the process, and
    /// other processes may serve it until its TTL is over.
    pub async fn close(&self) -> Leftover {
        recovery::flush(&self.inner, Self::CLOSE_DEADLINE).await
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }
}

fn warn_of_rule(path: &str, profile: &Profile) {
    let backend = profile.name;
    tracing::warn!(
        target: targets::REGION,
        backend,
        region = path,
        "Cache provider '{backend}' is not shared between processes; region '{path}' disabled"
    );
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("backend", &self.backend_name())
            .field("prefix", &self.inner.settings.prefix)
            .field("circuit", &self.circuit_state())
            .finish_non_exhaustive()
    }
}
