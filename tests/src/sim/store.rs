//! What the simulated store holds, and how it executes a request.

use std::collections::HashMap;
use std::time::Duration;

use tasker_cache_core::{Entry, Fill, Key, Lease, Lookup, Nonce, Refusal};
use tokio::time::Instant;

use super::weather::{Planted, Weather};

const TOMBSTONE: Duration = Duration::from_millis(10);

pub(super) struct Store {
    pub(super) slots: HashMap<Key, Slot>,
    pub(super) random: fastrand::Rng,
    pub(super) reachable: bool,
    pub(super) executed: u64,
    /// How often it has restarted; a connection does not outlive that.
    pub(super) run: u64,
    weather: Weather,
    last: u64,
}

pub(super) struct Slot {
    held: Held,
    number: u64,
    until: Instant,
}

enum Held {
    Value(Entry),
    Stub,
    Tombstone,
}

impl Store {
    pub(super) fn new(seed: u64, weather: Weather) -> Self {
        Self {
            slots: HashMap::new(),
            random: fastrand::Rng::with_seed(seed),
            reachable: true,
            executed: 0,
            run: 0,
            weather,
            last: 0,
        }
    }

    pub(super) fn restart(&mut self) {
        self.slots.clear();
        self.run += 1;
        if self.weather.counter {
            self.last = 0;
        }
    }

    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn live(&mut self, key: &Key) -> Option<&Slot> {
        if self.slots.get(key)?.until <= Instant::now() {
            self.slots.remove(key);
        }
        self.slots.get(key)
    }

    fn put(&mut self, key: Key, held: Held, life: Duration) -> u64 {
        let number = self.number();
        self.slots.insert(key, Slot { held, number, until: Instant::now() + life });
        number
    }

    pub(super) fn set(&mut self, key: Key, entry: Entry, life: Duration) {
        self.put(key, Held::Value(entry), life);
    }

    pub(super) fn value(&mut self, key: &Key) -> Option<Entry> {
        match &self.live(key)?.held {
            Held::Value(entry) => Some(entry.clone()),
            Held::Stub | Held::Tombstone => None,
        }
    }

    pub(super) fn lease(&mut self, key: Key, hold: Duration) -> Lookup {
        match self.live(&key) {
            Some(Slot { held: Held::Value(entry), .. }) => return Lookup::Hit(entry.clone()),
            Some(Slot { held: Held::Stub, number, .. }) => {
                return Lookup::Held(Nonce::new(widen(*number, 0)));
            }
            Some(Slot { held: Held::Tombstone, .. }) | None => {}
        }
        let number = if self.weather.planted == Some(Planted::ExpiringTombstone) {
            self.number()
        } else {
            self.put(key.clone(), Held::Stub, hold)
        };
        Lookup::Leased(Lease::new(key, widen(number, self.run)))
    }

    pub(super) fn fill(&mut self, lease: &Lease, entry: Entry, life: Duration) -> Fill {
        if !self.may_fill(lease) {
            return Fill::Refused(Refusal::Revoked);
        }
        self.put(lease.key().clone(), Held::Value(entry), life);
        Fill::Stored
    }

    fn may_fill(&mut self, lease: &Lease) -> bool {
        match self.weather.planted {
            Some(Planted::BlindFill) => true,
            Some(Planted::ExpiringTombstone) => {
                !matches!(self.live(lease.key()), Some(Slot { held: Held::Tombstone, .. }))
            }
            Some(Planted::OtherConnection) => self.has_number(lease),
            None => self.is_of_this_run(lease) && self.has_number(lease),
        }
    }

    fn is_of_this_run(&self, lease: &Lease) -> bool {
        lease.token()[8..16] == self.run.to_le_bytes()
    }

    fn has_number(&mut self, lease: &Lease) -> bool {
        let counter = self.weather.counter;
        self.live(lease.key()).is_some_and(|slot| {
            // A counter tells values from stubs no better than one stub from another.
            (counter || matches!(slot.held, Held::Stub))
                && lease.token()[..8] == slot.number.to_le_bytes()
        })
    }

    pub(super) fn release(&mut self, lease: &Lease) {
        if self.is_of_this_run(lease) && self.has_number(lease) {
            self.slots.remove(lease.key());
        }
    }

    pub(super) fn delete(&mut self, key: &Key) -> bool {
        let removed = self.slots.remove(key);
        if self.weather.planted == Some(Planted::ExpiringTombstone) {
            self.put(key.clone(), Held::Tombstone, TOMBSTONE);
        }
        matches!(removed, Some(Slot { held: Held::Value(_), .. }))
    }

    pub(super) fn delete_matching(&mut self, matches: impl Fn(&Key) -> bool) -> u64 {
        let mut keys: Vec<Key> = self.slots.keys().filter(|key| matches(key)).cloned().collect();
        keys.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        for key in &keys {
            self.delete(key);
        }
        u64::try_from(keys.len()).unwrap_or(u64::MAX)
    }
}

fn widen<const N: usize>(number: u64, run: u64) -> [u8; N] {
    let mut bytes = [0; N];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes[8..16].copy_from_slice(&run.to_le_bytes());
    bytes
}
