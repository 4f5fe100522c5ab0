//! Which faults happen when, out of a seed, and what is known of each when it is over.

use std::time::Duration;

use fastrand::Rng;

use super::clock::Moment;
use super::nemesis::Nemesis;
use super::options::Referee;

/// A fault, or two at a time, and the quiet time behind it.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    pub(crate) nemeses: Vec<Nemesis>,
    pub(crate) begin: Moment,
    /// When the fault was over.
    pub(crate) over: Moment,
    /// When the last client had a hit again, if all had one in time.
    pub(crate) recovered: Option<Moment>,
    /// When the next round began, or the run ended.
    pub(crate) until: Moment,
    /// How much each did, in what it is counted in.
    pub(crate) effects: Vec<u64>,
}

/// What happens in a round, drawn before it.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) nemesis: Nemesis,
    /// How long after the beginning of the round it begins.
    pub(crate) delay: Duration,
    pub(crate) lasting: Duration,
    pub(crate) random: Rng,
}

/// Draws rounds: first each fault alone, in a random order, then pairs.
#[derive(Debug)]
pub(crate) struct Plans {
    nemeses: Vec<Nemesis>,
    /// Those that have not happened alone yet.
    alone: Vec<Nemesis>,
    random: Rng,
}

impl Plans {
    pub(crate) fn new(options: &Referee) -> Self {
        let mut random = Rng::with_seed(options.seed);
        let mut nemeses = options.nemeses.clone();
        if nemeses.is_empty() {
            nemeses.extend(Nemesis::ALL);
            nemeses.retain(|nemesis| nemesis.fits(options.backend));
        }
        let mut alone = nemeses.clone();
        random.shuffle(&mut alone);
        if options.pairs {
            alone.clear();
        }
        Self { nemeses, alone, random }
    }

    /// Returns what happens next.
    pub(crate) fn next(&mut self) -> Vec<Plan> {
        let nemeses = self.alone.pop().map_or_else(|| self.pair(), |alone| vec![alone]);
        let plan = |nemesis: Nemesis| Plan {
            nemesis,
            delay: Duration::from_millis(self.random.u64(0..500)),
            lasting: nemesis.lasting(&mut self.random),
            random: self.random.fork(),
        };
        nemeses.into_iter().map(plan).collect()
    }

    /// Draws two faults of different places; one, where all are of one place.
    fn pair(&mut self) -> Vec<Nemesis> {
        let first = self.nemeses[self.random.usize(..self.nemeses.len())];
        let others = self.nemeses.iter().filter(|other| other.place() != first.place());
        let others: Vec<_> = others.copied().collect();
        let second = (!others.is_empty()).then(|| others[self.random.usize(..others.len())]);
        std::iter::once(first).chain(second).collect()
    }
}
