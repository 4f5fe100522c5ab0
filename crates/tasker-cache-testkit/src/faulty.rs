//! A backend that fails on demand: by script, by chance with a seed, or until it is told to stop.

use std::collections::VecDeque;
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tasker_cache_core::{
    Backend, Entry, Error, ErrorKind, Fill, Key, Lease, Lookup, Occupancy, Operation, Prefix,
    Profile, Result, Ttl, async_trait,
};
use tokio::time::sleep;

/// What goes wrong with one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It fails, and the backend never sees it.
    Error(ErrorKind),
    /// It takes this much longer.
    Delay(Duration),
    /// It never ends, and the backend never sees it.
    Hang,
    /// The backend performs it, but its answer is lost: it fails with
    /// [`Timeout`](ErrorKind::Timeout).
    LostReply,
}

/// How often what goes wrong by chance, each in a thousand operations; the sum is at most 1,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Odds {
    /// [`Fault::Error`] of kind [`Unavailable`](ErrorKind::Unavailable).
    pub errors: u32,
    /// [`Fault::Delay`] of up to 20 ms.
    pub delays: u32,
    /// [`Fault::Hang`].
    pub hangs: u32,
    /// [`Fault::LostReply`].
    pub lost_replies: u32,
}

/// A backend whose operations fail on demand; clones share one plan and one count.
///
/// Until it is told otherwise it forwards everything. What is scripted comes first, then what is
/// [always](Faulty::always) to happen, then chance.
///
/// ```
/// use std::sync::Arc;
/// use tasker_cache_core::{Backend, ErrorKind, NoOp};
/// use tasker_cache_testkit::{Fault, Faulty};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let backend = Faulty::new(NoOp);
/// backend.script([None, Some(Fault::Error(ErrorKind::Timeout))]);
///
/// assert!(backend.ping().await.is_ok());
/// assert_eq!(backend.ping().await.expect_err("scripted").kind(), ErrorKind::Timeout);
/// assert!(backend.ping().await.is_ok());
/// assert_eq!(backend.calls(), 3);
/// # }
/// ```
pub struct Faulty<B: ?Sized> {
    plan: Arc<Mutex<Plan>>,
    inner: Arc<B>,
}

#[derive(Debug, Default)]
struct Plan {
    script: VecDeque<Option<Fault>>,
    always: Option<Fault>,
    chance: Option<(fastrand::Rng, Odds)>,
    calls: u64,
}

impl<B: Backend> Faulty<B> {
    /// Wraps a backend, and lets everything through.
    pub fn new(inner: B) -> Self {
        Self { plan: Arc::default(), inner: Arc::new(inner) }
    }
}

impl<B: ?Sized> Faulty<B> {
    /// Returns the backend, to reach it past the faults.
    #[must_use]
    pub fn inner(&self) -> &Arc<B> {
        &self.inner
    }

    /// Appends what happens to the next operations, in the order in which they begin.
    pub fn script(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.plan().script.extend(faults);
    }

    /// Makes every operation fail like this from here on.
    pub fn always(&self, fault: Fault) {
        self.plan().always = Some(fault);
    }

    /// Makes operations fail by chance from here on; the same seed gives the same faults to the
    /// same sequence of operations.
    pub fn by_chance(&self, seed: u64, odds: Odds) {
        self.plan().chance = Some((fastrand::Rng::with_seed(seed), odds));
    }

    /// Ends all faults; operations that hang go on hanging.
    pub fn heal(&self) {
        let mut plan = self.plan();
        let calls = plan.calls;
        *plan = Plan { calls, ..Plan::default() };
    }

    /// Returns how many operations have begun, failed ones included.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.plan().calls
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Backend + ?Sized> Faulty<B> {
    async fn perform<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let failed = |kind| Error::new(kind, operation, self.inner.profile().name);
        let fault = self.plan().next();
        match fault {
            None => call.await,
            Some(Fault::Error(kind)) => Err(failed(kind)),
            Some(Fault::Delay(delay)) => {
                sleep(delay).await;
                call.await
            }
            Some(Fault::Hang) => pending().await,
            Some(Fault::LostReply) => call.await.and_then(|_| Err(failed(ErrorKind::Timeout))),
        }
    }
}

impl Plan {
    fn next(&mut self) -> Option<Fault> {
        self.calls += 1;
        if let Some(scripted) = self.script.pop_front() {
            return scripted;
        }
        self.always.or_else(|| self.chance.as_mut().and_then(|(random, odds)| odds.draw(random)))
    }
}

impl Odds {
    const LONGEST_DELAY_MS: u64 = 20;

    fn draw(&self, random: &mut fastrand::Rng) -> Option<Fault> {
        let delay = Duration::from_millis(random.u64(0..=Self::LONGEST_DELAY_MS));
        let faults = [
            (self.errors, Fault::Error(ErrorKind::Unavailable)),
            (self.delays, Fault::Delay(delay)),
            (self.hangs, Fault::Hang),
            (self.lost_replies, Fault::LostReply),
        ];
        let mut drawn = random.u32(0..1_000);
        for (of_a_thousand, fault) in faults {
            if drawn < of_a_thousand {
                return Some(fault);
            }
            drawn -= of_a_thousand;
        }
        None
    }
}

// Each call names `B`: `Arc<B>` is a backend too, and would box every future once more.
#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: Backend + ?Sized> Backend for Faulty<B> {
    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.perform(Operation::Get, B::get(&self.inner, key)).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        self.perform(Operation::GetMany, B::get_many(&self.inner, keys)).await
    }

    async fn get_or_lease(&self, key: &Key, hold: Duration) -> Result<Lookup> {
        self.perform(Operation::GetOrLease, B::get_or_lease(&self.inner, key, hold)).await
    }

    async fn fill(&self, lease: Lease, entry: Entry, ttl: Ttl) -> Result<Fill> {
        self.perform(Operation::Fill, B::fill(&self.inner, lease, entry, ttl)).await
    }

    async fn release(&self, lease: Lease) -> Result<()> {
        self.perform(Operation::Release, B::release(&self.inner, lease)).await
    }

    async fn set(&self, key: &Key, entry: Entry, ttl: Ttl) -> Result<()> {
        self.perform(Operation::Set, B::set(&self.inner, key, entry, ttl)).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        self.perform(Operation::Delete, B::delete(&self.inner, key)).await
    }

    async fn delete_many(&self, keys: &[Key]) -> Result<()> {
        self.perform(Operation::DeleteMany, B::delete_many(&self.inner, keys)).await
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        self.perform(Operation::DeletePrefix, B::delete_prefix(&self.inner, prefix)).await
    }

    async fn ping(&self) -> Result<()> {
        self.perform(Operation::Ping, B::ping(&self.inner)).await
    }

    fn profile(&self) -> Profile {
        self.inner.profile()
    }

    fn occupancy(&self) -> Option<Occupancy> {
        self.inner.occupancy()
    }
}

impl<B: ?Sized> Clone for Faulty<B> {
    fn clone(&self) -> Self {
        Self { plan: Arc::clone(&self.plan), inner: Arc::clone(&self.inner) }
    }
}

impl<B: Backend + ?Sized> fmt::Debug for Faulty<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty")
            .field("inner", &self.inner.profile().name)
            .field("plan", &*self.plan())
            .finish()
    }
}
