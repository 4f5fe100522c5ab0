//! A simulated shared store: requests and replies take random time, get lost, or arrive late.
//!
//! Under a paused clock the random delays are a random interleaving, the same for the same seed.

mod store;
mod weather;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tasker_cache_core::{
    Backend, Entry, Error, ErrorKind, Fill, Key, Lease, Limits, Lookup, Operation, Prefix, Profile,
    Result, Scope, Ttl,
};
use tokio::time::sleep;

use self::store::Store;
pub use self::weather::{Planted, Weather};

/// A hundred years, after which nobody looks.
const MAX_TTL: Duration = Duration::from_secs(100 * 365 * 86_400);

/// A shared store; clones are connections of other processes to it.
#[derive(Clone)]
pub struct Sim {
    store: Arc<Mutex<Store>>,
    weather: Weather,
}

impl Sim {
    /// Makes an empty store; the same seed gives the same delays and losses.
    #[must_use]
    pub fn new(seed: u64, weather: Weather) -> Self {
        Self { store: Arc::new(Mutex::new(Store::new(seed, weather))), weather }
    }

    /// Cuts the store off, or connects it again.
    pub fn reachable(&self, reachable: bool) {
        self.with(|store| store.reachable = reachable);
    }

    /// Removes one entry or stub, as an eviction does.
    pub fn evict(&self, key: &Key) {
        self.with(|store| store.slots.remove(key));
    }

    /// Restarts the store, empty; what is under way does not arrive any more.
    pub fn restart(&self) {
        self.with(Store::restart);
    }

    /// Returns how many requests the store has executed.
    #[must_use]
    pub fn executed(&self) -> u64 {
        self.with(|store| store.executed)
    }

    fn with<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        change(&mut self.store.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Draws a delay and decides by chance whether something happens.
    fn draw(&self, of_a_thousand: u32) -> (Duration, bool) {
        let latency = self.weather.latency_ms;
        self.with(|store| {
            let longest = if store.random.u8(..) < 32 { latency * 20 } else { latency };
            let delay = Duration::from_millis(store.random.u64(0..=longest));
            (delay, store.random.u32(0..1000) < of_a_thousand)
        })
    }

    /// Performs a request in a task of its own: it goes on without its caller.
    async fn call<T: Send + 'static>(
        &self,
        operation: Operation,
        execute: impl FnOnce(&mut Store) -> T + Send + 'static,
    ) -> Result<T> {
        let performing = tokio::spawn(self.clone().perform(operation, execute));
        let gone = |_| Error::new(ErrorKind::Unavailable, operation, "sim");
        performing.await.map_err(gone)?
    }

    async fn perform<T: Send + 'static>(
        self,
        operation: Operation,
        execute: impl FnOnce(&mut Store) -> T + Send + 'static,
    ) -> Result<T> {
        let failed = |kind| Err(Error::new(kind, operation, "sim"));
        let (delay, lost) = self.draw(self.weather.lost_requests);
        let run = self.with(|store| store.run);
        sleep(delay).await;
        if lost || !self.with(|store| store.reachable && store.run == run) {
            return failed(ErrorKind::Unavailable);
        }
        let (delay, late) = self.draw(self.weather.late);
        if late {
            let store = self.clone();
            tokio::spawn(async move {
                sleep(delay * 5).await;
                store.with(|store| (store.run == run).then(|| execute(store)));
            });
            return failed(ErrorKind::Timeout);
        }
        let done = self.with(|store| {
            store.executed += 1;
            execute(store)
        });
        let (delay, lost) = self.draw(self.weather.lost_replies);
        sleep(delay).await;
        let lost = lost || self.with(|store| store.run != run);
        if lost { failed(ErrorKind::Timeout) } else { Ok(done) }
    }
}

#[async_trait]
impl Backend for Sim {
    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        let key = key.clone();
        self.call(Operation::Get, move |store| store.value(&key)).await
    }

    async fn get_or_lease(&self, key: &Key, hold: Duration) -> Result<Lookup> {
        let key = key.clone();
        self.call(Operation::GetOrLease, move |store| store.lease(key, hold)).await
    }

    async fn fill(&self, lease: Lease, entry: Entry, ttl: Ttl) -> Result<Fill> {
        self.call(Operation::Fill, move |store| store.fill(&lease, entry, ttl.get().min(MAX_TTL)))
            .await
    }

    async fn release(&self, lease: Lease) -> Result<()> {
        self.call(Operation::Release, move |store| store.release(&lease)).await
    }

    async fn set(&self, key: &Key, entry: Entry, ttl: Ttl) -> Result<()> {
        let key = key.clone();
        self.call(Operation::Set, move |store| store.set(key, entry, ttl.get().min(MAX_TTL))).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        let key = key.clone();
        self.call(Operation::Delete, move |store| store.delete(&key)).await
    }

    async fn delete_many(&self, keys: &[Key]) -> Result<()> {
        if self.weather.one_by_one {
            for key in keys {
                self.delete(key).await?;
            }
            return Ok(());
        }
        let keys = keys.to_vec();
        self.call(Operation::DeleteMany, move |store| {
            for key in &keys {
                store.delete(key);
            }
        })
        .await
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        if !self.weather.prefixes {
            return Err(Error::new(ErrorKind::Unsupported, Operation::DeletePrefix, "sim"));
        }
        let prefix = prefix.clone();
        self.call(Operation::DeletePrefix, move |store| {
            store.delete_matching(|key| prefix.covers(key))
        })
        .await
    }

    async fn ping(&self) -> Result<()> {
        self.call(Operation::Ping, |_| ()).await
    }

    fn profile(&self) -> Profile {
        Profile::new("sim", Scope::Shared)
            .limits(Limits::default().max_ttl(MAX_TTL))
            .can_delete_prefix(self.weather.prefixes)
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim").field("weather", &self.weather).finish_non_exhaustive()
    }
}
