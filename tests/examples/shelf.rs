//! The backend of the book's chapter on writing one: entries in a map behind a lock.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tasker_cache::backend::{
    Backend, Entry, Error, ErrorKind, Fill, Key, Lease, Limits, Lookup, Nonce, Occupancy,
    Operation, Prefix, Profile, Refusal, Result, Scope, Ttl, async_trait,
};
use tasker_cache::{Cache, Consistency, Invalidation, Usage};
use tokio::time::Instant;

/// A map in this process's memory; clones are handles on the same map.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    slots: Arc<Mutex<HashMap<Key, Slot>>>,
    room: usize,
}

/// What stands under a key: a value, or the stub of whoever is loading it.
#[derive(Debug)]
struct Slot {
    content: Content,
    until: Instant,
}

#[derive(Clone, Debug)]
enum Content {
    Value(Entry),
    Stub(Nonce),
}

impl Slot {
    fn is_live(&self) -> bool {
        self.until > Instant::now()
    }

    /// Tells whether it is an entry that can be read.
    fn is_entry(&self) -> bool {
        self.is_live() && matches!(self.content, Content::Value(_))
    }
}

impl Shelf {
    const NAME: &str = "shelf";
    const MAX_PAYLOAD: usize = 1024 * 1024;
    const YEAR: Duration = Duration::from_secs(365 * 86_400);

    /// Makes a shelf with room for so many entries.
    pub(crate) fn new(room: usize) -> Self {
        Self { slots: Arc::default(), room }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Key, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something under a key, whatever is there; false if there is no room.
    fn put(&self, slots: &mut HashMap<Key, Slot>, key: Key, content: Content, ttl: Ttl) -> bool {
        if slots.len() >= self.room && !slots.contains_key(&key) {
            slots.retain(|_, slot| slot.is_live());
            if slots.len() >= self.room {
                return false;
            }
        }
        let until = Instant::now() + ttl.fitted(&self.profile().limits);
        slots.insert(key, Slot { content, until });
        true
    }
}

/// Returns what is under a key and has not expired.
fn found(slots: &HashMap<Key, Slot>, key: &Key) -> Option<Content> {
    slots.get(key).filter(|slot| slot.is_live()).map(|slot| slot.content.clone())
}

/// Tells whether the stub of this lease is still under its key.
fn stands(slots: &HashMap<Key, Slot>, lease: &Lease) -> bool {
    matches!(found(slots, lease.key()), Some(Content::Stub(nonce)) if token(nonce) == *lease.token())
}

/// Writes a nonce as a lease's token, which is longer.
fn token(nonce: Nonce) -> [u8; 32] {
    let mut token = [0; 32];
    token[..16].copy_from_slice(nonce.as_bytes());
    token
}

#[async_trait]
impl Backend for Shelf {
    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        match found(&self.slots(), key) {
            Some(Content::Value(entry)) => Ok(Some(entry)),
            Some(Content::Stub(_)) | None => Ok(None),
        }
    }

    async fn get_or_lease(&self, key: &Key, hold: Duration) -> Result<Lookup> {
        let mut slots = self.slots();
        match found(&slots, key) {
            Some(Content::Value(entry)) => return Ok(Lookup::Hit(entry)),
            Some(Content::Stub(nonce)) => return Ok(Lookup::Held(nonce)),
            None => {}
        }
        let (Some(nonce), Some(hold)) = (Nonce::random(), Ttl::new(hold)) else {
            return Ok(Lookup::Unleased);
        };
        if self.put(&mut slots, key.clone(), Content::Stub(nonce), hold) {
            Ok(Lookup::Leased(Lease::new(key.clone(), token(nonce))))
        } else {
            Ok(Lookup::Unleased)
        }
    }

    async fn fill(&self, lease: Lease, entry: Entry, ttl: Ttl) -> Result<Fill> {
        let mut slots = self.slots();
        if !stands(&slots, &lease) {
            return Ok(Fill::Refused(Refusal::Revoked));
        }
        if entry.payload().len() > Self::MAX_PAYLOAD {
            slots.remove(lease.key());
            return Ok(Fill::Refused(Refusal::TooLarge));
        }
        // There is room: the stub is replaced.
        self.put(&mut slots, lease.key().clone(), Content::Value(entry), ttl);
        Ok(Fill::Stored)
    }

    async fn release(&self, lease: Lease) -> Result<()> {
        let mut slots = self.slots();
        if stands(&slots, &lease) {
            slots.remove(lease.key());
        }
        Ok(())
    }

    async fn set(&self, key: &Key, entry: Entry, ttl: Ttl) -> Result<()> {
        let mut slots = self.slots();
        if entry.payload().len() > Self::MAX_PAYLOAD {
            slots.remove(key);
            return Err(Error::new(ErrorKind::TooLarge, Operation::Set, Self::NAME));
        }
        if self.put(&mut slots, key.clone(), Content::Value(entry), ttl) {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::OutOfMemory, Operation::Set, Self::NAME))
        }
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        Ok(self.slots().remove(key).is_some_and(|slot| slot.is_entry()))
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        let mut slots = self.slots();
        let removed = slots.extract_if(|key, _| prefix.covers(key));
        Ok(removed.filter(|(_, slot)| slot.is_entry()).count() as u64)
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }

    fn profile(&self) -> Profile {
        let limits = Limits::default().max_value_bytes(Self::MAX_PAYLOAD).max_ttl(Self::YEAR);
        Profile::new(Self::NAME, Scope::Local).limits(limits)
    }

    fn occupancy(&self) -> Option<Occupancy> {
        let entries = self.slots().values().filter(|slot| slot.is_entry()).count();
        Some(Occupancy { entries: entries as u64, bytes: None })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let cache = Cache::builder(Shelf::new(10_000)).prefix("app").build();
    let squares = cache.region(Usage::new("square").consistency(Consistency::Local));

    for _ in 0..2 {
        let square = squares.get_or_load(12, || async { Ok::<u64, Infallible>(12 * 12) });
        assert_eq!(square.await, Ok(Arc::new(144)));
    }
    assert_eq!(cache.status().counters.hits, 1);

    assert_eq!(squares.invalidate(12).await, Invalidation::Applied);
    assert_eq!(squares.get(12).await, None);
    println!("{}", cache.status());
}
