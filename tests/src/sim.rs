//! A simulated shared store: requests and replies take random time, get lost, or arrive late.
//!
//! Under a paused clock the random delays are a random interleaving, the same for the same seed.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tasker_cache_core::{
    Backend, Entry, Error, ErrorKind, Fill, Key, Lease, Limits, Lookup, Nonce, Operation, Prefix,
    Profile, Refusal, Result, Scope, Ttl,
};
use tokio::time::{Instant, sleep};

/// A hundred years, after which nobody looks.
const MAX_TTL: Duration = Duration::from_secs(100 * 365 * 86_400);

/// How the store misbehaves.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// The longest that a request or a reply usually takes, in milliseconds. One in eight takes
    /// up to twenty times as long, so that much can happen in between.
    pub latency_ms: u64,
    /// How many of a thousand requests never arrive.
    pub lost_requests: u32,
    /// How many of a thousand replies never arrive, although the request was executed.
    pub lost_replies: u32,
    /// How many of a thousand requests are reported as failed and executed later all the same.
    pub late: u32,
    /// Whether a fill stores whatever its lease is worth: the planted fault.
    pub blind_fills: bool,
    /// Whether each key of a batch takes a round trip of its own.
    pub one_by_one: bool,
}

impl Weather {
    /// Delays and nothing else.
    pub const CALM: Self = Self {
        latency_ms: 3,
        lost_requests: 0,
        lost_replies: 0,
        late: 0,
        blind_fills: false,
        one_by_one: false,
    };

    /// A network that loses a good part of what is sent.
    pub const STORMY: Self = Self { lost_requests: 60, lost_replies: 60, late: 60, ..Self::CALM };
}

/// A shared store; clones are connections of other processes to it.
#[derive(Clone)]
pub struct Sim {
    store: Arc<Mutex<Store>>,
    weather: Weather,
}

#[derive(Default)]
struct Store {
    slots: HashMap<Key, Slot>,
    random: fastrand::Rng,
    reachable: bool,
    leases: u64,
    executed: u64,
}

enum Slot {
    Value(Entry, Instant),
    Stub(u64, Instant),
}

impl Sim {
    /// Makes an empty store; the same seed gives the same delays and losses.
    #[must_use]
    pub fn new(seed: u64, weather: Weather) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        let store = Store { random, reachable: true, ..Store::default() };
        Self { store: Arc::new(Mutex::new(store)), weather }
    }

    /// Cuts the store off, or connects it again.
    pub fn reachable(&self, reachable: bool) {
        self.with(|store| store.reachable = reachable);
    }

    /// Removes one entry or stub, as an eviction does.
    pub fn evict(&self, key: &Key) {
        self.with(|store| store.slots.remove(key));
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
        sleep(delay).await;
        if lost || !self.with(|store| store.reachable) {
            return failed(ErrorKind::Unavailable);
        }
        let (delay, late) = self.draw(self.weather.late);
        if late {
            let store = self.clone();
            tokio::spawn(async move {
                sleep(delay * 5).await;
                store.with(execute);
            });
            return failed(ErrorKind::Timeout);
        }
        let done = self.with(|store| {
            store.executed += 1;
            execute(store)
        });
        let (delay, lost) = self.draw(self.weather.lost_replies);
        sleep(delay).await;
        if lost { failed(ErrorKind::Timeout) } else { Ok(done) }
    }
}

impl Store {
    fn live(&mut self, key: &Key) -> Option<&Slot> {
        let now = Instant::now();
        let (Slot::Value(_, until) | Slot::Stub(_, until)) = self.slots.get(key)?;
        if *until <= now {
            self.slots.remove(key);
        }
        self.slots.get(key)
    }

    fn value(&mut self, key: &Key) -> Option<Entry> {
        match self.live(key)? {
            Slot::Value(entry, _) => Some(entry.clone()),
            Slot::Stub(..) => None,
        }
    }

    fn lease(&mut self, key: Key, hold: Duration) -> Lookup {
        match self.live(&key) {
            Some(Slot::Value(entry, _)) => return Lookup::Hit(entry.clone()),
            Some(Slot::Stub(number, _)) => return Lookup::Held(Nonce::new(widen(*number))),
            None => {}
        }
        self.leases += 1;
        let number = self.leases;
        self.slots.insert(key.clone(), Slot::Stub(number, Instant::now() + hold));
        Lookup::Leased(Lease::new(key, widen(number)))
    }

    fn still_mine(&mut self, lease: &Lease) -> bool {
        matches!(self.live(lease.key()), Some(Slot::Stub(number, _)) if widen::<32>(*number) == *lease.token())
    }
}

fn widen<const N: usize>(number: u64) -> [u8; N] {
    let mut bytes = [0; N];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes
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
        let blind = self.weather.blind_fills;
        self.call(Operation::Fill, move |store| {
            if !blind && !store.still_mine(&lease) {
                return Fill::Refused(Refusal::Revoked);
            }
            let until = Instant::now() + ttl.get().min(MAX_TTL);
            store.slots.insert(lease.key().clone(), Slot::Value(entry, until));
            Fill::Stored
        })
        .await
    }

    async fn release(&self, lease: Lease) -> Result<()> {
        self.call(Operation::Release, move |store| {
            if store.still_mine(&lease) {
                store.slots.remove(lease.key());
            }
        })
        .await
    }

    async fn set(&self, key: &Key, entry: Entry, ttl: Ttl) -> Result<()> {
        let key = key.clone();
        self.call(Operation::Set, move |store| {
            store.slots.insert(key, Slot::Value(entry, Instant::now() + ttl.get().min(MAX_TTL)));
        })
        .await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        let key = key.clone();
        self.call(Operation::Delete, move |store| {
            matches!(store.slots.remove(&key), Some(Slot::Value(..)))
        })
        .await
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
            store.slots.retain(|key, _| !keys.contains(key));
        })
        .await
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        let prefix = prefix.clone();
        self.call(Operation::DeletePrefix, move |store| {
            let before = store.slots.len();
            store.slots.retain(|key, _| !prefix.covers(key));
            u64::try_from(before - store.slots.len()).unwrap_or(u64::MAX)
        })
        .await
    }

    async fn ping(&self) -> Result<()> {
        self.call(Operation::Ping, |_| ()).await
    }

    fn profile(&self) -> Profile {
        Profile::new("sim", Scope::Shared).limits(Limits::default().max_ttl(MAX_TTL))
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim").field("weather", &self.weather).finish_non_exhaustive()
    }
}
