//! The whole state of a circuit as one 64-bit word, and each step from one word to the next.

use std::time::Duration;

use crate::{BreakerSettings, CircuitState};

/// The state of a circuit, unpacked.
///
/// | bits | field |
/// |---|---|
/// | 0–37 | deadline |
/// | 38–44 | count |
/// | 45–46 | phase |
/// | 47–63 | epoch |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// Which closed, open or half-open period this is. A result counts in its own only.
    epoch: u64,
    phase: Phase,
    /// Failures in a row while closed, successes while half-open.
    count: u64,
    /// When an open circuit may be tested, or when a probe is overdue: milliseconds of the
    /// breaker's clock.
    deadline: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Closed,
    Open,
    /// Half-open, and the slot for the probe is free.
    Vacant,
    /// Half-open, and the probe is under way.
    Probing,
}

// 38 bits of milliseconds are 8.7 years, after which an open circuit no longer waits. With 17 bits
// of epoch, only a call that outlives exactly 131,072 periods could count in a foreign one.
const DEADLINE_BITS: u32 = 38;
const COUNT_BITS: u32 = 7;
const PHASE_BITS: u32 = 2;
const EPOCH_BITS: u32 = u64::BITS - PHASE_BITS - COUNT_BITS - DEADLINE_BITS;

const COUNT_AT: u32 = DEADLINE_BITS;
const PHASE_AT: u32 = COUNT_AT + COUNT_BITS;
const EPOCH_AT: u32 = PHASE_AT + PHASE_BITS;

const fn low(bits: u32) -> u64 {
    (1 << bits) - 1
}

impl Word {
    /// A circuit that starts closed.
    pub(crate) const CLOSED: Self = Self { epoch: 0, phase: Phase::Closed, count: 0, deadline: 0 };
    /// A circuit that starts open and may be tested at once.
    pub(crate) const OPEN: Self = Self { epoch: 0, phase: Phase::Open, count: 0, deadline: 0 };

    pub(crate) const fn pack(self) -> u64 {
        let phase = match self.phase {
            Phase::Closed => 0,
            Phase::Open => 1,
            Phase::Vacant => 2,
            Phase::Probing => 3,
        };
        self.epoch << EPOCH_AT | phase << PHASE_AT | self.count << COUNT_AT | self.deadline
    }

    pub(crate) const fn unpack(bits: u64) -> Self {
        let phase = match bits >> PHASE_AT & low(PHASE_BITS) {
            0 => Phase::Closed,
            1 => Phase::Open,
            2 => Phase::Vacant,
            _ => Phase::Probing,
        };
        Self {
            epoch: bits >> EPOCH_AT,
            phase,
            count: bits >> COUNT_AT & low(COUNT_BITS),
            deadline: bits & low(DEADLINE_BITS),
        }
    }

    pub(crate) const fn epoch(self) -> u64 {
        self.epoch
    }

    pub(crate) const fn phase(self) -> Phase {
        self.phase
    }

    pub(crate) const fn state(self) -> CircuitState {
        match self.phase {
            Phase::Closed => CircuitState::Closed,
            Phase::Open => CircuitState::Open,
            Phase::Vacant | Phase::Probing => CircuitState::HalfOpen,
        }
    }

    /// Returns how long a probe has to wait; `None` in a closed circuit.
    pub(crate) fn until_probe(self, now: Duration) -> Option<Duration> {
        match self.phase {
            Phase::Closed => None,
            Phase::Vacant => Some(Duration::ZERO),
            Phase::Open | Phase::Probing => {
                Some(Duration::from_millis(self.deadline).saturating_sub(now))
            }
        }
    }

    /// Takes the slot for a probe if it is free and due; opens the circuit again if the probe
    /// that has it is overdue. `None` is: not now.
    pub(crate) fn reserve(self, settings: &BreakerSettings, now: Duration) -> Option<Self> {
        let deadline = after(now, settings.probe_deadline);
        match self.phase {
            Phase::Open if self.is_due(now) => {
                Some(Self { phase: Phase::Probing, deadline, ..self.next_period() })
            }
            Phase::Vacant => Some(Self { phase: Phase::Probing, deadline, ..self }),
            Phase::Probing if self.is_due(now) => Some(self.open(settings, now)),
            Phase::Closed | Phase::Open | Phase::Probing => None,
        }
    }

    /// Counts a success of the period `epoch`; `None` if that changes nothing.
    pub(crate) fn succeed(self, epoch: u64, settings: &BreakerSettings) -> Option<Self> {
        if self.epoch != epoch {
            return None;
        }
        match self.phase {
            Phase::Closed if self.count > 0 => Some(Self { count: 0, ..self }),
            Phase::Probing if self.count + 1 < u64::from(settings.success_threshold) => {
                Some(Self { count: self.count + 1, ..self.vacate() })
            }
            Phase::Probing => Some(self.close()),
            Phase::Closed | Phase::Open | Phase::Vacant => None,
        }
    }

    /// Counts a failure of the period `epoch`; `None` if that changes nothing.
    pub(crate) fn fail(
        self,
        epoch: u64,
        settings: &BreakerSettings,
        now: Duration,
    ) -> Option<Self> {
        if self.epoch != epoch {
            return None;
        }
        match self.phase {
            Phase::Closed if self.count + 1 < u64::from(settings.failure_threshold) => {
                Some(Self { count: self.count + 1, ..self })
            }
            Phase::Closed | Phase::Probing => Some(self.open(settings, now)),
            Phase::Open | Phase::Vacant => None,
        }
    }

    /// Gives the slot back without a result; `None` if the period `epoch` has none to give.
    pub(crate) fn give_back(self, epoch: u64) -> Option<Self> {
        (self.epoch == epoch && self.phase == Phase::Probing).then(|| self.vacate())
    }

    /// Begins an open period with a fresh timer.
    pub(crate) fn open(self, settings: &BreakerSettings, now: Duration) -> Self {
        let deadline = after(now, settings.timeout);
        Self { phase: Phase::Open, deadline, ..self.next_period() }
    }

    /// Begins a closed period.
    pub(crate) const fn close(self) -> Self {
        self.next_period()
    }

    const fn next_period(self) -> Self {
        let epoch = (self.epoch + 1) & low(EPOCH_BITS);
        Self { epoch, ..Self::CLOSED }
    }

    const fn vacate(self) -> Self {
        Self { phase: Phase::Vacant, deadline: 0, ..self }
    }

    fn is_due(self, now: Duration) -> bool {
        tick(now.as_millis()) >= self.deadline
    }
}

/// Returns the first tick at which `span` is over for sure.
fn after(now: Duration, span: Duration) -> u64 {
    tick(now.saturating_add(span).as_nanos().div_ceil(1_000_000))
}

fn tick(millis: u128) -> u64 {
    let last = low(DEADLINE_BITS);
    u64::try_from(millis).map_or(last, |millis| millis.min(last))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const FOREVER: Duration = Duration::MAX;

    #[test]
    fn every_field_survives_packing_at_its_largest() {
        for phase in [Phase::Closed, Phase::Open, Phase::Vacant, Phase::Probing] {
            for (epoch, count, deadline) in [
                (0, 0, 0),
                (low(EPOCH_BITS), 0, 0),
                (0, low(COUNT_BITS), 0),
                (0, 0, low(DEADLINE_BITS)),
                (low(EPOCH_BITS), low(COUNT_BITS), low(DEADLINE_BITS)),
            ] {
                let word = Word { epoch, phase, count, deadline };
                assert_eq!(Word::unpack(word.pack()), word);
            }
        }
    }

    #[test]
    fn the_largest_thresholds_fit_into_the_count() {
        assert!(u64::from(*BreakerSettings::FAILURE_THRESHOLD.end()) <= low(COUNT_BITS));
        assert!(u64::from(*BreakerSettings::SUCCESS_THRESHOLD.end()) <= low(COUNT_BITS));
    }

    #[test]
    fn the_last_epoch_is_followed_by_the_first() {
        let last = Word { epoch: low(EPOCH_BITS), ..Word::CLOSED };

        assert_eq!(last.close(), Word::CLOSED);
    }

    #[test]
    fn a_timer_never_ends_early() {
        let settings = BreakerSettings::default().timeout(Duration::from_micros(1500));
        let opened = Duration::from_micros(700);
        let word = Word::CLOSED.open(&settings, opened);

        assert!(word.reserve(&settings, Duration::from_micros(2199)).is_none());
        assert!(word.reserve(&settings, Duration::from_millis(3)).is_some());
    }

    #[test]
    fn a_clock_at_its_end_blocks_nothing() {
        let settings = BreakerSettings::default().timeout(FOREVER);
        let word = Word::CLOSED.open(&settings, FOREVER);

        assert_eq!(word.reserve(&settings, FOREVER).map(Word::phase), Some(Phase::Probing));
        assert_eq!(word.until_probe(FOREVER), Some(Duration::ZERO));
    }
}
