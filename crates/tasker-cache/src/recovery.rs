//! The background task that applies what is pending and lets the circuit close, so that no user's
//! request has to.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tasker_cache_breaker::{CircuitBreaker, CircuitState, Permit};
use tasker_cache_core::{Backend, ErrorKind, Key, Result};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::inner::Inner;
use crate::ledger::{Snapshot, Target, Token};
use crate::status;
use crate::targets;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How many keys one request deletes at most.
const LARGEST_BATCH: usize = 512;

/// After how many declined keys a round leaves the others to the next.
const MOST_DECLINED: usize = 64;

/// Beyond this a TTL counts as "not while this process lives".
const LONGEST_WAIT: Duration = Duration::from_secs(10 * 365 * 86_400);

/// How often the task shows that its runtime drives it.
const BEAT: Duration = Duration::from_secs(1);

/// After how long without a beat another task takes over.
const OVERDUE: Duration = Duration::from_secs(5);

/// Every how many calls the beat is looked at: the others need no clock.
const LOOK_EVERY: u32 = 8;

/// The task of one cache: at most one at a time, started when there is something to do, on the
/// runtime of the call that found it, and gone with the last handle.
///
/// A runtime may exist and not be driven any more. Then the next call within another one starts
/// the task there.
#[derive(Debug)]
pub(crate) struct Recovery {
    /// The number of the task that runs; [`NOBODY`] while none does.
    on_duty: Arc<AtomicU64>,
    calls: AtomicU32,
    duty: Mutex<Duty>,
    /// How many keys the next request deletes: less after a failure, so that a backend which
    /// deletes them one by one gets on too.
    batch: AtomicUsize,
    /// How many keys, from the oldest, the next round leaves for its end: they were declined.
    declined: AtomicUsize,
}

const NOBODY: u64 = 0;

/// What a successor has to know of the task that ran last.
#[derive(Debug, Default)]
struct Duty {
    number: u64,
    task: Option<AbortHandle>,
    beat: Option<Instant>,
    /// The right to probe, which the task would otherwise take along.
    permit: Option<Permit<'static>>,
}

impl Default for Recovery {
    fn default() -> Self {
        Self {
            on_duty: Arc::default(),
            calls: AtomicU32::new(0),
            duty: Mutex::default(),
            batch: AtomicUsize::new(LARGEST_BATCH),
            declined: AtomicUsize::new(0),
        }
    }
}

impl Recovery {
    /// Starts the task unless it runs. Outside of a runtime the next call within one does.
    pub(crate) fn ensure(&self, cache: &Arc<Inner>) {
        let on_duty = self.on_duty.load(Ordering::Acquire);
        if on_duty != NOBODY && !self.is_overdue() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let mut duty = self.lock();
        if self.on_duty.load(Ordering::Acquire) != on_duty {
            // Somebody was quicker, or it has ended, and saw to its successor.
            return;
        }
        if let Some(idle) = duty.task.take() {
            idle.abort();
        }
        let number = duty.number + 1;
        *duty = Duty { number, beat: Some(Instant::now()), ..Duty::default() };
        self.on_duty.store(number, Ordering::Release);
        let running = Running { on_duty: Arc::clone(&self.on_duty), number };
        let work = beating(Arc::downgrade(cache), number, run(Arc::downgrade(cache), running));
        duty.task = Some(runtime.spawn(work).abort_handle());
    }

    fn is_overdue(&self) -> bool {
        // Calls that miss each other's step only make the looks rarer.
        let calls = self.calls.load(Ordering::Relaxed).wrapping_add(1);
        self.calls.store(calls, Ordering::Relaxed);
        calls.is_multiple_of(LOOK_EVERY)
            && self.lock().beat.is_some_and(|beat| beat.elapsed() >= OVERDUE)
    }

    fn beat(&self, number: u64) {
        let mut duty = self.lock();
        if duty.number == number {
            duty.beat = Some(Instant::now());
        }
    }

    /// Keeps the right to probe where a successor finds it.
    fn keep(&self, number: u64, permit: Permit<'static>) {
        let mut duty = self.lock();
        if duty.number == number {
            duty.permit = Some(permit);
        }
    }

    fn take_back(&self, number: u64) -> Option<Permit<'static>> {
        let mut duty = self.lock();
        if duty.number == number { duty.permit.take() } else { None }
    }

    fn lock(&self) -> MutexGuard<'_, Duty> {
        self.duty.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Recovery {
    fn drop(&mut self) {
        if let Some(task) = self.lock().task.take() {
            task.abort();
        }
    }
}

/// Says that the task runs, until it ends, its runtime drops it, or another one takes over.
struct Running {
    on_duty: Arc<AtomicU64>,
    number: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        let (mine, order) = (self.number, Ordering::AcqRel);
        // A successor's number stays.
        let _ = self.on_duty.compare_exchange(mine, NOBODY, order, Ordering::Relaxed);
    }
}

/// Does the work, and shows meanwhile that it is driven.
async fn beating(cache: Weak<Inner>, number: u64, work: impl Future<Output = ()>) {
    let mut work = pin!(work);
    while timeout(BEAT, &mut work).await.is_err() {
        if let Some(cache) = cache.upgrade() {
            cache.recovery.beat(number);
        }
    }
}

async fn run(cache: Weak<Inner>, running: Running) {
    let mut pause = FIRST_PAUSE;
    loop {
        sleep(pause.mul_f64(0.8 + 0.4 * fastrand::f64())).await;
        let Some(cache) = cache.upgrade() else {
            return;
        };
        if !cache.needs_recovery() {
            drop(running);
            // What came in between the look and the drop found the task running.
            cache.see_to_recovery();
            return;
        }
        let result = round(&cache, running.number).await;
        greet(&cache).await;
        cache.telemetry.publish(&cache);
        pause = match result {
            Round::Progress => FIRST_PAUSE,
            Round::Failed => (pause * 2).min(LONGEST_PAUSE),
            Round::Waiting(until) => until.clamp(FIRST_PAUSE, LONGEST_PAUSE),
        };
    }
}

/// Logs the first answer of a backend that could not be reached when the cache was made.
async fn greet(cache: &Inner) {
    let closed = cache.circuit().is_none_or(|state| state == CircuitState::Closed);
    if !closed || !cache.awaited.load(Ordering::Relaxed) {
        return;
    }
    if cache.bare.ping().await.is_ok() && cache.awaited.swap(false, Ordering::Relaxed) {
        let backend = cache.identity.name;
        tracing::info!(target: targets::CONNECT, backend, "Cache backend connected (recovered)");
    }
}

/// What one round came to.
enum Round {
    Progress,
    Failed,
    /// There is nothing to do before this long.
    Waiting(Duration),
}

/// Applies what is pending. While the circuit is not closed, a round in which every key was
/// deleted and a ping was answered is one success of a probe.
async fn round(cache: &Arc<Inner>, number: u64) -> Round {
    let work = cache.ledger.snapshot();
    if cache.circuit().is_none_or(|state| state == CircuitState::Closed) {
        return replay_all(cache, work).await;
    }
    // A backend that was never reached was told of once. Each test of its circuit that fails
    // would tell of it again, so it is only tested once a ping has been answered.
    if cache.awaited.load(Ordering::Relaxed)
        && let Err(error) = cache.bare.ping().await
    {
        cache.faults.note(&error);
        return Round::Failed;
    }
    let breaker = cache.breaker.as_ref();
    let Some(permit) = breaker.and_then(CircuitBreaker::try_probe_owned) else {
        if !work.keys.is_empty() || !work.prefixes.is_empty() {
            return replay_all(cache, work).await;
        }
        let until = breaker.and_then(|breaker| breaker.until_probe());
        return Round::Waiting(until.unwrap_or(LONGEST_PAUSE));
    };
    let probed = async {
        // A backend that has no connection tries for one at a ping, and at nothing else.
        if !work.keys.is_empty() {
            cache.bare.ping().await?;
            replay_keys(cache, &work).await?;
        }
        cache.bare.ping().await
    };
    cache.recovery.keep(number, permit);
    let probed = probed.await;
    let Some(permit) = cache.recovery.take_back(number) else {
        return Round::Failed;
    };
    match probed {
        Ok(()) => {
            permit.success();
            // Prefixes don't hold the circuit: they stay bypassed by themselves.
            replay_prefixes(cache, &work).await;
            Round::Progress
        }
        Err(error) => {
            cache.faults.note(&error);
            permit.failure();
            Round::Failed
        }
    }
}

async fn replay_all(cache: &Arc<Inner>, work: Snapshot) -> Round {
    if work.keys.is_empty() && work.prefixes.is_empty() {
        return Round::Waiting(cache.ledger.next_expiry().unwrap_or(FIRST_PAUSE));
    }
    let all = match recorded(cache, replay_keys(cache, &work)).await {
        Ok(all) => all,
        Err(error) => {
            cache.faults.note(&error);
            return Round::Failed;
        }
    };
    let all = replay_prefixes(cache, &work).await && all;
    if all { Round::Progress } else { Round::Failed }
}

/// Lets a closed circuit know how it went; recovery goes past the guard that would.
async fn recorded<T>(cache: &Inner, replay: impl Future<Output = Result<T>>) -> Result<T> {
    let permit = cache.breaker.as_ref().and_then(|breaker| breaker.try_acquire());
    let done = replay.await;
    if let Some(permit) = permit {
        match &done {
            Ok(_) => permit.success(),
            Err(error) if error.kind().is_failure() => permit.failure(),
            Err(_) => permit.neutral(),
        }
    }
    done
}

/// Deletes what is pending until the backend fails; tells whether that was all.
async fn replay_keys(cache: &Inner, work: &Snapshot) -> Result<bool> {
    let known = cache.recovery.declined.swap(0, Ordering::Relaxed).min(work.keys.len());
    let (old, young) = work.keys.split_at(known);
    let of_young = replay_some(cache, young, work.upto, MOST_DECLINED).await?;
    if of_young == MOST_DECLINED {
        cache.recovery.declined.store(known + of_young, Ordering::Relaxed);
        return Ok(false);
    }
    let most = MOST_DECLINED - of_young;
    let of_old = replay_some(cache, old, work.upto, most).await?;
    if of_old == most {
        cache.recovery.declined.store(of_old, Ordering::Relaxed);
    }
    Ok(of_young + of_old == 0)
}

/// Deletes keys, batch by batch, until so many have been declined; tells how many were. A key that
/// the backend declines for itself stays pending, and holds up no other.
async fn replay_some(cache: &Inner, keys: &[Key], upto: Token, most: usize) -> Result<usize> {
    let mut declined = 0;
    let batch = &cache.recovery.batch;
    let mut rest = keys;
    while !rest.is_empty() && declined < most {
        let size = batch.load(Ordering::Relaxed);
        let (keys, later) = rest.split_at(size.min(rest.len()));
        if let Err(error) = cache.bare.delete_many(keys).await {
            batch.store((size / 2).max(1), Ordering::Relaxed);
            if error.kind().is_failure() {
                return Err(error);
            }
            cache.faults.note(&error);
            if keys.len() == 1 {
                declined += 1;
                rest = later;
            }
            continue;
        }
        batch.store((size * 2).min(LARGEST_BATCH), Ordering::Relaxed);
        for key in keys {
            cache.ledger.clear(&Target::Key(key.clone()), upto);
        }
        rest = later;
    }
    Ok(declined)
}

/// Deletes what can be; tells whether nothing failed.
async fn replay_prefixes(cache: &Inner, work: &Snapshot) -> bool {
    let mut all = true;
    for prefix in &work.prefixes {
        match cache.bare.delete_prefix(prefix).await {
            Ok(_) => cache.ledger.clear(&Target::Prefix(prefix.clone()), work.upto),
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                let longest = cache.regions.longest_ttl().min(LONGEST_WAIT);
                cache.ledger.expire_at(prefix, work.upto, Instant::now() + longest);
            }
            Err(error) => {
                cache.faults.note(&error);
                all = false;
                if error.kind().is_failure() {
                    break;
                }
            }
        }
    }
    all
}

/// What is still pending after [`Cache::close`](crate::Cache::close).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Leftover {
    /// Keys whose invalidation was not applied.
    pub keys: usize,
    /// Prefixes and whole regions whose invalidation was not applied.
    pub prefixes: usize,
}

impl Leftover {
    /// Tells whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.keys == 0 && self.prefixes == 0
    }
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing left to invalidate");
        }
        write!(f, "{} left to invalidate", status::targets(self.keys, self.prefixes))
    }
}

/// Tries once more to apply what is pending, for at most `deadline`.
pub(crate) async fn flush(cache: &Arc<Inner>, deadline: Duration) -> Leftover {
    if cache.ledger.has_pending() {
        let work = cache.ledger.snapshot();
        // What is still running at the deadline is only deletes; they may end in their own time.
        let _ = timeout(deadline, replay_all(cache, work)).await;
    }
    cache.telemetry.publish(cache);
    let (keys, prefixes) = cache.ledger.pending();
    Leftover { keys, prefixes }
}
