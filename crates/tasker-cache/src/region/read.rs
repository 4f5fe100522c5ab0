//! Read by yourself, load together: the read path of a region.

use std::any::TypeId;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tasker_cache_core::{Entry, Error, Fill, Key, Lease, Lookup, Nonce, Refusal, Ttl};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::Instrument;

use super::Region;
use crate::leading::{self, Leading};
use crate::ledger::{Arrival, FollowerId, MAX_ROUNDS, Value, Verdict};
use crate::nesting::Nesting;
use crate::targets;

/// When a key that another process is loading is read again: about 140 ms in all.
const HELD_RETRIES: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_millis(40), Duration::from_millis(80)];

/// What a reader's own look at the cache found.
enum Look<V> {
    Hit(Arc<V>),
    Leased(Lease),
    Held(Nonce),
    /// Nothing, and nothing may be stored: not asked, failed, or no lease to be had.
    Unleased,
}

/// How a reader goes on after it found nothing.
enum Role {
    Lead {
        leading: Leading,
        held: Option<Nonce>,
    },
    /// The leader of an earlier flight left this one behind.
    Inherit(Leading),
    Alone,
}

/// One call of `get_or_load` that did not hit at once.
struct Reading<'a, V> {
    region: &'a Region<V>,
    key: &'a Key,
    deadline: Instant,
    nesting: Nesting,
}

/// Reads a value, and loads it if there is none.
///
/// The future may be dropped at any point: a follower then takes over its load.
pub(super) async fn get_or_load<V, F, Fut, E>(
    region: &Region<V>,
    key: &Key,
    loader: F,
) -> Result<Arc<V>, E>
where
    V: Send + Sync + 'static,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<V, E>>,
{
    let look = look(region, key, true).await;
    if let Look::Hit(value) = look {
        return Ok(value);
    }
    let reading = Reading {
        region,
        key,
        deadline: Instant::now() + region.state.usage.hold,
        nesting: Nesting::current(),
    };
    match reading.find_role(look).await {
        Ok(value) => Ok(value),
        Err(Role::Alone) => reading.load(None, loader).await.map(Arc::new),
        Err(Role::Lead { leading, held: None }) => reading.lead(leading, loader).await,
        Err(Role::Lead { leading, held: Some(nonce) }) => {
            match reading.wait_for_holder(leading, nonce).await {
                Ok(value) => Ok(value),
                Err(leading) => reading.lead(leading, loader).await,
            }
        }
        Err(Role::Inherit(leading)) => match reading.read_as_leader(leading).await {
            Ok(value) => Ok(value),
            Err(leading) => reading.lead(leading, loader).await,
        },
    }
}

impl<V: Send + Sync + 'static> Reading<'_, V> {
    /// Joins flights until one has a value for this reader, or it is its turn to load.
    async fn find_role(&self, mut look: Look<V>) -> Result<Arc<V>, Role> {
        for rounds in 0.. {
            let (lease, held) = match look {
                Look::Hit(value) => return Ok(value),
                Look::Leased(lease) => (Some(lease), None),
                Look::Held(nonce) => (None, Some(nonce)),
                Look::Unleased => (None, None),
            };
            if lease.is_none() && rounds >= MAX_ROUNDS {
                break;
            }
            match self.enter(lease, rounds) {
                Entered::Lead(leading) => return Err(Role::Lead { leading, held }),
                Entered::Within => break,
                Entered::Follow(id, verdict) => match self.follow(id, verdict).await {
                    Verdict::Value(value) => {
                        let Ok(value) = value.downcast() else { break };
                        self.region.state.counters.coalesced.increment();
                        return Ok(value);
                    }
                    Verdict::Lead(leading) => return Err(Role::Inherit(leading)),
                    Verdict::Alone => break,
                    Verdict::Retry => look = self::look(self.region, self.key, false).await,
                },
            }
        }
        Err(Role::Alone)
    }

    fn enter(&self, lease: Option<Lease>, rounds: u32) -> Entered {
        let cache = &self.region.cache;
        let within = self.nesting.flights(cache.id());
        let (arrival, may_fill) =
            cache.ledger.enter(self.key, TypeId::of::<V>(), lease.is_some(), &within, rounds);
        let lease = match lease {
            Some(lease) if !may_fill => {
                leading::release(cache, lease);
                None
            }
            lease => lease,
        };
        match arrival {
            Arrival::Lead(id) => {
                Entered::Lead(Leading::new(Arc::clone(cache), self.key.clone(), id, lease))
            }
            Arrival::Follow(id, verdict) => Entered::Follow(id, verdict),
            Arrival::Within => Entered::Within,
        }
    }

    /// Waits for somebody else's flight. Its leader may exist and never be polled again, so the
    /// flight is given up shortly before this reader has waited for as long as it may: whoever
    /// waits then still loads together.
    async fn follow(
        &self,
        id: FollowerId,
        mut verdict: oneshot::Receiver<Verdict<Leading>>,
    ) -> Verdict<Leading> {
        let patience = self.deadline - self.region.state.usage.hold / 10;
        let mut answer = timeout_at(patience, &mut verdict).await;
        if answer.is_err() {
            let cache = &self.region.cache;
            leading::tell(cache, cache.ledger.give_up(self.key, id), None);
            answer = timeout_at(self.deadline, verdict).await;
        }
        answer.ok().and_then(Result::ok).unwrap_or(Verdict::Alone)
    }

    /// Waits a little for the process that holds the key's lease, once per lease.
    async fn wait_for_holder(
        &self,
        mut leading: Leading,
        mut nonce: Nonce,
    ) -> Result<Arc<V>, Leading> {
        let ledger = &self.region.cache.ledger;
        for wait in HELD_RETRIES {
            if ledger.was_waited_for(self.key, nonce) {
                return Err(leading);
            }
            sleep(wait.mul_f64(0.5 + fastrand::f64())).await;
            leading.begin();
            match look(self.region, self.key, false).await {
                Look::Hit(value) => return Ok(finish(leading, value)),
                Look::Held(other) => nonce = other,
                Look::Leased(lease) => {
                    leading.attach(lease);
                    return Err(leading);
                }
                Look::Unleased => return Err(leading),
            }
        }
        ledger.note_waited_for(self.key, nonce, self.region.state.usage.hold);
        Err(leading)
    }

    /// Reads once more for all who wait, unless the lease came with the flight.
    async fn read_as_leader(&self, mut leading: Leading) -> Result<Arc<V>, Leading> {
        if leading.has_lease() {
            return Err(leading);
        }
        leading.begin();
        match look(self.region, self.key, false).await {
            Look::Hit(value) => Ok(finish(leading, value)),
            Look::Leased(lease) => {
                leading.attach(lease);
                Err(leading)
            }
            Look::Held(nonce) => self.wait_for_holder(leading, nonce).await,
            Look::Unleased => Err(leading),
        }
    }

    /// Loads for everybody who waits, and fills.
    async fn lead<F, Fut, E>(&self, mut leading: Leading, loader: F) -> Result<Arc<V>, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        match self.load(Some(&leading), loader).await {
            Ok(value) => {
                let value = Arc::new(value);
                let stored = match leading.take_lease() {
                    Some(lease) => self.fill(&leading, lease, &value).await,
                    None => false,
                };
                let shared: Value = Arc::<V>::clone(&value);
                leading.finish(&shared, stored);
                Ok(value)
            }
            Err(error) => {
                leading.fail();
                Err(error)
            }
        }
    }

    /// Runs the loader when it is its turn.
    async fn load<F, Fut, E>(&self, leading: Option<&Leading>, loader: F) -> Result<V, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        let Region { cache, state, .. } = self.region;
        let _turn = state.turn(self.nesting.is_nested(), self.deadline).await;
        state.counters.loads.increment();
        let load = state.counters.durations.begin();
        if let Some(leading) = leading {
            leading.begin();
        }
        let flight = leading.map(Leading::id);
        let region = state.usage.path();
        let span = tracing::debug_span!(target: targets::REGION, "load", region);
        let running = async { loader().await }.instrument(span);
        let result = self.nesting.load(cache.id(), flight, running).await;
        load.end(result.is_ok());
        result
    }

    /// Stores a loaded value if the lease still stands; tells whether it was stored.
    async fn fill(&self, leading: &Leading, lease: Lease, value: &Arc<V>) -> bool {
        let Region { cache, state, .. } = self.region;
        let Some((entry, ttl)) = self.region.entry(value).zip(state.draw_ttl()) else {
            leading::release(cache, lease);
            return false;
        };
        if !leading.send() {
            state.counters.fills_refused.increment();
            leading::release(cache, lease);
            return false;
        }
        self.region.store(lease, entry, ttl).await
    }
}

/// What the critical section decided.
enum Entered {
    Lead(Leading),
    Follow(FollowerId, oneshot::Receiver<Verdict<Leading>>),
    Within,
}

fn finish<V: Send + Sync + 'static>(leading: Leading, value: Arc<V>) -> Arc<V> {
    let shared: Value = Arc::<V>::clone(&value);
    leading.finish(&shared, false);
    value
}

/// Looks once, with the intent to fill. Only the first look of a read is counted.
async fn look<V: Send + Sync + 'static>(region: &Region<V>, key: &Key, first: bool) -> Look<V> {
    let Region { cache, state, .. } = region;
    let counters = &state.counters;
    if let Some(reason) = state.bypass(cache, key) {
        if first {
            counters.bypassed(reason).increment();
        }
        cache.see_to_recovery();
        return Look::Unleased;
    }
    let (look, counter) = match ask(region, key).await {
        Ok(look @ Look::Hit(_)) => (look, &counters.hits),
        Ok(look) => (look, &counters.misses),
        Err(error) => {
            cache.note_failure(&error);
            (Look::Unleased, &counters.failed_reads)
        }
    };
    if first {
        counter.increment();
    }
    look
}

/// Asks the backend. An entry that doesn't decode is deleted, so that the key heals; if it has
/// been deleted lately, somebody stores such entries all the time, and this one is left alone.
async fn ask<V: Send + Sync + 'static>(region: &Region<V>, key: &Key) -> Result<Look<V>, Error> {
    let Region { cache, state, .. } = region;
    let hold = state.usage.hold;
    loop {
        return Ok(match cache.backend.get_or_lease(key, hold).await? {
            Lookup::Hit(entry) => match region.decode(&entry) {
                Some(value) => Look::Hit(value),
                None if !cache.ledger.may_heal(key, hold) => Look::Unleased,
                None => {
                    cache.backend.delete(key).await?;
                    continue;
                }
            },
            Lookup::Leased(lease) => Look::Leased(lease),
            Lookup::Held(nonce) => Look::Held(nonce),
            Lookup::Unleased => Look::Unleased,
        });
    }
}

impl<V: Send + Sync + 'static> Region<V> {
    /// Encodes a value; `None`, counted, when it can't or must not be stored.
    pub(super) fn entry(&self, value: &Arc<V>) -> Option<Entry> {
        let payload = self.encode(value)?;
        Some(Entry::with_decoded(payload, Arc::clone(value)))
    }

    /// Sends a fill and counts what became of it.
    pub(super) async fn store(&self, lease: Lease, entry: Entry, ttl: Ttl) -> bool {
        let counters = &self.state.counters;
        let counter = match self.cache.backend.fill(lease, entry, ttl).await {
            Ok(Fill::Stored) => {
                counters.fills.increment();
                return true;
            }
            Ok(Fill::Refused(Refusal::TooLarge)) => &counters.too_large,
            Ok(Fill::Refused(_)) => &counters.fills_refused,
            Err(error) => {
                self.cache.note_failure(&error);
                &counters.failed_fills
            }
        };
        counter.increment();
        false
    }
}
