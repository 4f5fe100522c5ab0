//! The connection: made on the first call, kept up by one task, replaced when it is stuck.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike, FredResult};
use fred::types::config::Options;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use crate::answers::Answers;
use crate::cause::Cause;
use crate::connect::{Connector, Server};

/// The target of the log lines, which stays as it is.
const TARGET: &str = "tasker_cache_redis";

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The pause until the next attempt where somebody asks for one.
const WOKEN_PAUSE: Duration = Duration::from_millis(100);

/// What an attempt may take when it is not the first: a network that comes back in between is
/// found soon. Each fourth has all of the connection timeout, for networks that need it.
const SHORT_ATTEMPT: Duration = Duration::from_secs(2);
const FULL_ATTEMPT_EACH: u32 = 4;

/// By how much a step may be late before another runtime takes over from one that stands still.
const GRACE: Duration = Duration::from_secs(5);

/// How long an answer takes until somebody sees to it that its question has left; far less than
/// what would be noticed, and on most networks more than an answer takes.
pub(crate) const PUSH: Duration = Duration::from_millis(4);

/// A connection that lived for less is tried again with a pause only.
const STABLE: Duration = Duration::from_secs(1);

/// Keeps one connection; what it spawned ends with it.
pub(crate) struct Link {
    connector: Arc<Connector>,
    supervisor: RwLock<Option<Supervisor>>,
    server: Arc<AtomicU8>,
}

/// The task that connects, waits until the connection is gone, and connects again.
struct Supervisor {
    task: JoinHandle<()>,
    phase: watch::Receiver<Phase>,
    due: Arc<Due>,
    wake: Arc<Notify>,
}

/// Until when the next step of a supervisor should have come. While there is a connection there is
/// no such time; whoever finds that it is gone sets one.
struct Due(Mutex<Option<Instant>>);

impl Due {
    fn within(time: Duration) -> Self {
        Self(Mutex::new(Self::in_time(time)))
    }

    fn set(&self, time: Duration) {
        *self.lock() = Self::in_time(time);
    }

    fn clear(&self) {
        *self.lock() = None;
    }

    fn is_over(&self) -> bool {
        let mut due = self.lock();
        if due.is_none() {
            *due = Self::in_time(Duration::ZERO);
        }
        due.is_some_and(|due| due < Instant::now())
    }

    fn in_time(time: Duration) -> Option<Instant> {
        Instant::now().checked_add(time.saturating_add(GRACE))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervisor {
    /// Tells whether it is there and its runtime is driven, as far as can be seen.
    fn runs(&self) -> bool {
        let is_connected = matches!(&*self.phase.borrow(), Phase::Live(live) if !live.is_over());
        !self.task.is_finished() && (is_connected || !self.due.is_over())
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
enum Phase {
    /// Calls may wait for the attempt that runs, until this instant.
    Connecting(Instant),
    Live(Arc<Live>),
    /// The last attempt, which began at this instant, failed; the next ones run while calls fail at
    /// once.
    Down(Cause, Instant),
}

/// An established connection.
pub(crate) struct Live {
    pub(crate) client: Client,
    pub(crate) runtime: Handle,
    task: AbortHandle,
    /// The answers that came. A request that timed out while none came tells that it is stuck.
    pub(crate) answers: Answers,
    /// Set once the server refused `SET … NX GET`.
    pub(crate) leases_by_script: AtomicBool,
    /// Set while somebody checks that answers still fit their questions.
    pub(crate) checking: AtomicBool,
    /// Set while somebody sees to it that nothing stays in the client.
    pushing: AtomicBool,
}

impl Live {
    pub(crate) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// Makes the client send all that it has, in a task.
    ///
    /// While there is more to come, a client of a cluster (fred 10.1) holds back what it has for
    /// a node. If what comes is nothing to send, as a redirection that is not followed or a
    /// request that was given up, then what it has stays until somebody asks the next question. A
    /// ping is one, and makes it send at once to all nodes; it must not be given up itself.
    pub(crate) fn push(self: &Arc<Self>) {
        if self.pushing.swap(true, Ordering::AcqRel) {
            return;
        }
        let live = Arc::clone(self);
        self.runtime.spawn(async move {
            let options = Options { fail_fast: true, ..Options::default() };
            let client = live.client.with_options(&options);
            let _: Result<FredResult<()>, _> = timeout(PUSH, client.ping(None)).await;
            live.pushing.store(false, Ordering::Release);
        });
    }
}

impl Link {
    pub(crate) fn new(connector: Arc<Connector>) -> Self {
        Self { connector, supervisor: RwLock::default(), server: Arc::default() }
    }

    pub(crate) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Returns the name of the server that was last connected to.
    pub(crate) fn server(&self) -> &'static str {
        match self.server.load(Ordering::Relaxed) {
            1 => Server::Valkey.name(),
            2 => Server::Dragonfly.name(),
            _ => Server::Redis.name(),
        }
    }

    /// Returns the connection, starting one if there is none on a runtime that still runs, and
    /// waiting for an attempt that may yet succeed.
    pub(crate) async fn live(&self, deadline: Instant) -> Result<Arc<Live>, Cause> {
        if let Some(live) = self.ready_at_once() {
            return Ok(live);
        }
        let mut phase = self.phase()?;
        loop {
            let patience = match &*phase.borrow_and_update() {
                Phase::Live(live) if !live.is_over() => return Ok(Arc::clone(live)),
                Phase::Live(_) => deadline,
                Phase::Connecting(patience) => deadline.min(*patience),
                Phase::Down(cause, _) => return Err(*cause),
            };
            match timeout_at(patience, phase.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Cause::Closed),
                Err(_) => return Err(Cause::TimedOut),
            }
        }
    }

    /// Returns the connection; where there is none, has it tried and waits for what comes of that:
    /// of an attempt that begins from now on.
    pub(crate) async fn tried(&self, deadline: Instant) -> Result<Arc<Live>, Cause> {
        let asked = Instant::now();
        let running = {
            let supervisor = self.supervisor.read().unwrap_or_else(PoisonError::into_inner);
            let running = supervisor.as_ref().filter(|supervisor| supervisor.runs());
            running.map(|running| (running.phase.clone(), Arc::clone(&running.wake)))
        };
        if let Some((mut phase, wake)) = running {
            let is_told_before =
                |phase: &Phase| matches!(phase, Phase::Down(_, begun) if *begun < asked);
            if is_told_before(&phase.borrow()) {
                wake.notify_one();
                let told = phase.wait_for(|phase| !is_told_before(phase));
                // Who is late is told so below.
                let _ = timeout_at(deadline, told).await;
            }
        }
        self.live(deadline).await
    }

    /// Waits for the first attempt that comes to an end; one that failed is not repeated here.
    pub(crate) async fn connected(&self) -> Result<(), Cause> {
        let deadline = Instant::now() + self.connector.connection_timeout;
        let mut phase = self.phase()?;
        loop {
            match &*phase.borrow_and_update() {
                Phase::Live(live) if !live.is_over() => return Ok(()),
                Phase::Down(cause, _) => return Err(*cause),
                Phase::Live(_) | Phase::Connecting(_) => {}
            }
            match timeout_at(deadline, phase.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Cause::Closed),
                Err(_) => return Err(Cause::TimedOut),
            }
        }
    }

    /// Throws a connection away that is stuck, and with it all that waits in it, and connects anew
    /// on the runtime of this call. Calls don't wait for that.
    pub(crate) fn replace(&self, stuck: &Arc<Live>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let mut supervisor = self.supervisor.write().unwrap_or_else(PoisonError::into_inner);
        let is_current = supervisor.as_ref().is_some_and(|current| {
            matches!(&*current.phase.borrow(), Phase::Live(live) if Arc::ptr_eq(live, stuck))
        });
        if is_current {
            tracing::debug!(target: TARGET, "Connection to the server is stuck and is replaced");
            *supervisor = Some(self.start(&runtime, Phase::Down(Cause::TimedOut, Instant::now())));
        }
        // Also where its runtime doesn't run to see the end of its supervisor.
        stuck.task.abort();
    }

    /// Returns the connection if there is one.
    pub(crate) fn ready_at_once(&self) -> Option<Arc<Live>> {
        let supervisor = self.supervisor.read().unwrap_or_else(PoisonError::into_inner);
        match &*supervisor.as_ref()?.phase.borrow() {
            Phase::Live(live) if !live.is_over() => Some(Arc::clone(live)),
            _ => None,
        }
    }

    fn phase(&self) -> Result<watch::Receiver<Phase>, Cause> {
        {
            let supervisor = self.supervisor.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(running) = supervisor.as_ref().filter(|supervisor| supervisor.runs()) {
                return Ok(running.phase.clone());
            }
        }
        let runtime = Handle::try_current().map_err(|_| Cause::NoRuntime)?;
        let mut supervisor = self.supervisor.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = supervisor.as_ref().filter(|supervisor| supervisor.runs()) {
            return Ok(running.phase.clone());
        }
        let patience = Instant::now() + self.connector.operation_timeout;
        let started = self.start(&runtime, Phase::Connecting(patience));
        Ok(supervisor.insert(started).phase.clone())
    }

    fn start(&self, runtime: &Handle, first: Phase) -> Supervisor {
        let (sender, phase) = watch::channel(first);
        let due = Arc::new(Due::within(self.connector.connection_timeout));
        let wake = Arc::new(Notify::new());
        let (connector, server) = (Arc::clone(&self.connector), Arc::clone(&self.server));
        let supervising = supervise(connector, sender, server, Arc::clone(&due), Arc::clone(&wake));
        Supervisor { task: runtime.spawn(supervising), phase, due, wake }
    }
}

async fn supervise(
    connector: Arc<Connector>,
    phase: watch::Sender<Phase>,
    server: Arc<AtomicU8>,
    due: Arc<Due>,
    wake: Arc<Notify>,
) {
    let mut backoff = Backoff::default();
    loop {
        let limit = backoff.limit(connector.connection_timeout);
        due.set(limit);
        let begun = Instant::now();
        match connector.connect(limit).await {
            Ok(mut connected) => {
                server.store(connected.server as u8, Ordering::Relaxed);
                tracing::debug!(
                    target: TARGET,
                    server = connected.server.name(),
                    "Connected to the server"
                );
                let lives_since = Instant::now();
                due.clear();
                phase.send_replace(Phase::Live(Arc::new(Live {
                    client: connected.client,
                    runtime: Handle::current(),
                    task: connected.task.handle(),
                    answers: Answers::new(connector.is_cluster),
                    leases_by_script: AtomicBool::new(false),
                    checking: AtomicBool::new(false),
                    pushing: AtomicBool::new(false),
                })));
                connected.task.ended().await;
                tracing::debug!(target: TARGET, "Connection to the server is lost");
                if lives_since.elapsed() >= STABLE {
                    backoff = Backoff::default();
                    let patience = Instant::now() + connector.operation_timeout;
                    phase.send_replace(Phase::Connecting(patience));
                    continue;
                }
                phase.send_replace(Phase::Down(Cause::Closed, begun));
            }
            Err(cause) => {
                tracing::debug!(target: TARGET, %cause, "Could not connect to the server");
                phase.send_replace(Phase::Down(cause, begun));
            }
        }
        let pause = backoff.pause();
        due.set(pause);
        paused(pause, &wake).await;
    }
}

/// Waits for so long, or less if somebody wants to know how things are.
async fn paused(pause: Duration, wake: &Notify) {
    let begun = Instant::now();
    let woken = async {
        wake.notified().await;
        sleep_until(begun + WOKEN_PAUSE).await;
    };
    tokio::select! {
        () = sleep(pause) => {}
        () = woken => {}
    }
}

/// How long to wait before the next attempt, and how long that one may take.
#[derive(Default)]
struct Backoff {
    failures: u32,
}

impl Backoff {
    fn limit(&self, full: Duration) -> Duration {
        if self.failures.is_multiple_of(FULL_ATTEMPT_EACH) { full } else { full.min(SHORT_ATTEMPT) }
    }

    /// Doubles from attempt to attempt up to the longest pause, of which up to half is left to
    /// chance: many processes that lost one server don't come back at the same instant.
    fn pause(&mut self) -> Duration {
        let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.failures.min(16)));
        self.failures = self.failures.saturating_add(1);
        doubled.min(LONGEST_PAUSE).mul_f64(0.5 + 0.5 * fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_two_seconds_and_differ() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..40).map(|_| backoff.pause()).collect();

        assert!(pauses[0] <= FIRST_PAUSE);
        assert!(pauses.iter().all(|pause| *pause <= LONGEST_PAUSE));
        assert!(pauses[20..].iter().all(|pause| *pause >= LONGEST_PAUSE / 2));
        assert!(pauses[20..].iter().any(|pause| *pause != pauses[39]));
    }

    #[test]
    fn no_attempt_takes_longer_than_configured_and_most_take_less() {
        let full = Duration::from_secs(30);
        let mut backoff = Backoff::default();
        let mut limits = Vec::new();
        for _ in 0..5 {
            limits.push(backoff.limit(full));
            backoff.pause();
        }

        let short = SHORT_ATTEMPT;
        assert_eq!(limits, [full, short, short, short, full]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_ends_early_if_somebody_asks() {
        let wake = Notify::new();
        let (longest, shortest) = (LONGEST_PAUSE, WOKEN_PAUSE);
        for (asked_after, expected) in [
            (longest * 2, longest),
            (shortest * 3, shortest * 3),
            (shortest / 2, shortest),
            (Duration::ZERO, shortest),
        ] {
            let begun = Instant::now();
            tokio::join!(paused(longest, &wake), async {
                sleep(asked_after.min(longest)).await;
                if asked_after < longest {
                    wake.notify_one();
                }
                assert!(begun.elapsed() <= expected);
            });
            assert_eq!(begun.elapsed(), expected, "asked after {asked_after:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_of_any_age_leaves_its_runtime_the_time_to_see_that_it_is_gone() {
        let due = Due::within(Duration::from_secs(1));
        due.clear();
        sleep(Duration::from_secs(60)).await;

        assert!(!due.is_over());
        sleep(GRACE / 2).await;
        assert!(!due.is_over());
        sleep(GRACE).await;
        assert!(due.is_over());

        due.set(Duration::MAX);
        assert!(!due.is_over());
    }
}
