//! The circuit breaker: one atomic word, and a compare-and-set for each step.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Clock;
use crate::transitions::Recorder;
use crate::word::{Phase, Word};
use crate::{BreakerSettings, CircuitState, Permit, Probe, Transitions};

/// A circuit breaker: it lets calls through while they go well, and refuses them at once while
/// they don't.
///
/// It spawns nothing, waits for nothing and needs no runtime. Share it by reference or in an
/// [`Arc`]. See the [crate's documentation](crate) for the states and settings.
///
/// # Guarantees
///
/// - A call in a closed circuit without failures costs one atomic load, and telling that it went
///   well another; nothing is written.
/// - A call refused by an open circuit costs one atomic load and, with [`Probe::ByCallers`], one
///   look at the clock; nothing is allocated.
/// - At most one probe is in flight.
/// - A result counts only in the period in which its call began: once the circuit has opened,
///   what earlier calls report changes nothing.
/// - What a probe did before it told its success is visible to every call that the closed circuit
///   lets through.
pub struct CircuitBreaker {
    word: AtomicU64,
    settings: BreakerSettings,
    clock: Clock,
    recorder: Recorder,
}

impl CircuitBreaker {
    /// Creates a closed circuit.
    #[must_use]
    pub fn new(settings: BreakerSettings) -> Self {
        Self::starting(Word::CLOSED, settings)
    }

    /// Creates an open circuit, for something that is known not to be reachable yet.
    ///
    /// That is no transition, so nothing is logged. The first probe is due at once: nothing has
    /// been tried yet that it would have to wait for.
    #[must_use]
    pub fn new_open(settings: BreakerSettings) -> Self {
        Self::starting(Word::OPEN, settings)
    }

    fn starting(word: Word, settings: BreakerSettings) -> Self {
        Self {
            word: AtomicU64::new(word.pack()),
            settings,
            clock: Clock::start(),
            recorder: Recorder::default(),
        }
    }

    /// Names what the circuit leads to, such as a server's address, where there are several: the
    /// log lines then have it as their field `circuit`.
    #[must_use]
    pub fn named(mut self, name: impl Into<Box<str>>) -> Self {
        self.recorder.name = Some(name.into());
        self
    }

    /// Returns the name that [`named`](Self::named) gave it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.recorder.name.as_deref()
    }

    /// Asks for the right to make one call; `None` is: don't.
    ///
    /// With [`Probe::ByCallers`] the first one to ask after the timeout gets it as a probe, and
    /// others are refused until its result is in. With [`Probe::Explicit`] only a closed circuit
    /// grants it.
    #[must_use]
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        self.admit().map(|epoch| Permit::borrowed(self, epoch))
    }

    /// Asks for the same as [`try_acquire`](Self::try_acquire), as a permit that can move to
    /// another task; it costs a reference count more.
    #[must_use]
    pub fn try_acquire_owned(self: &Arc<Self>) -> Option<Permit<'static>> {
        self.admit().map(|epoch| Permit::owned(Arc::clone(self), epoch))
    }

    /// Asks for the right to test a circuit that is not closed.
    ///
    /// It is `None` while the circuit is closed, while the timeout is running, and while another
    /// probe is in flight; [`until_probe`](Self::until_probe) tells how long to wait.
    #[must_use]
    pub fn try_probe(&self) -> Option<Permit<'_>> {
        self.reserve(self.load()).map(|epoch| Permit::borrowed(self, epoch))
    }

    /// Asks for the same as [`try_probe`](Self::try_probe), as a permit that can move to another
    /// task; it costs a reference count more.
    #[must_use]
    pub fn try_probe_owned(self: &Arc<Self>) -> Option<Permit<'static>> {
        self.reserve(self.load()).map(|epoch| Permit::owned(Arc::clone(self), epoch))
    }

    /// Returns how long a probe has to wait; `None` in a closed circuit.
    ///
    /// While a probe is in flight this is the time until it is overdue.
    #[must_use]
    pub fn until_probe(&self) -> Option<Duration> {
        self.load().until_probe(self.clock.now())
    }

    /// Returns the state of the circuit.
    ///
    /// An open circuit whose timeout is over stays open until somebody takes the probe, and an
    /// overdue probe keeps it half-open until somebody asks for the next one.
    #[must_use]
    pub fn state(&self) -> CircuitState {
        self.load().state()
    }

    /// Returns how often the circuit went into each state.
    #[must_use]
    pub fn transitions(&self) -> Transitions {
        self.recorder.snapshot()
    }

    /// Opens the circuit by hand, with a fresh timer; from there it recovers as usual.
    pub fn force_open(&self) {
        self.update(|word| Some(word.open(&self.settings, self.clock.now())));
    }

    /// Closes the circuit by hand and forgets all counts and all calls under way.
    pub fn reset(&self) {
        self.update(|word| Some(word.close()));
    }

    pub(crate) fn succeed(&self, epoch: u64) {
        self.update(|word| word.succeed(epoch, &self.settings));
    }

    pub(crate) fn fail(&self, epoch: u64) {
        self.update(|word| word.fail(epoch, &self.settings, self.clock.now()));
    }

    pub(crate) fn give_back(&self, epoch: u64) {
        self.update(|word| word.give_back(epoch));
    }

    fn admit(&self) -> Option<u64> {
        let word = self.load();
        match (word.phase(), self.settings.probe) {
            (Phase::Closed, _) => Some(word.epoch()),
            (_, Probe::Explicit) => None,
            (_, Probe::ByCallers) => self.reserve(word),
        }
    }

    fn reserve(&self, seen: Word) -> Option<u64> {
        let word = self.update_from(seen, |word| word.reserve(&self.settings, self.clock.now()))?;
        // It is open where an overdue probe was reclaimed.
        (word.phase() == Phase::Probing).then(|| word.epoch())
    }

    fn load(&self) -> Word {
        Word::unpack(self.word.load(Ordering::Acquire))
    }

    fn update(&self, step: impl Fn(Word) -> Option<Word>) -> Option<Word> {
        self.update_from(self.load(), step)
    }

    /// Takes one step, and records it if it leads into another state. Returns the word that it
    /// led to, or `None` where there was no step to take.
    fn update_from(&self, mut before: Word, step: impl Fn(Word) -> Option<Word>) -> Option<Word> {
        loop {
            let after = step(before)?;
            let swapped = self.word.compare_exchange_weak(
                before.pack(),
                after.pack(),
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            match swapped {
                Ok(_) => {
                    if before.state() != after.state() {
                        self.recorder.record(after.state());
                    }
                    return Some(after);
                }
                Err(newer) => before = Word::unpack(newer),
            }
        }
    }

    #[cfg(all(test, loom))]
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

impl Default for CircuitBreaker {
    /// Creates a closed circuit with the default settings.
    fn default() -> Self {
        Self::new(BreakerSettings::default())
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("state", &self.state())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
