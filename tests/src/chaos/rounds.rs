//! Which faults happen when, out of a seed, and what is known of each when it is over.

use std::collections::VecDeque;
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

/// Draws rounds: each fault alone, in a random order, then as many pairs, and so on.
#[derive(Debug)]
pub(crate) struct Plans {
    nemeses: Vec<Nemesis>,
    only_pairs: bool,
    /// What comes before all begins anew: a fault alone, or a pair.
    turns: VecDeque<Option<Nemesis>>,
    random: Rng,
}

impl Plans {
    pub(crate) fn new(options: &Referee) -> Self {
        let mut nemeses = options.nemeses.clone();
        if nemeses.is_empty() {
            nemeses.extend(Nemesis::ALL);
            nemeses.retain(|nemesis| nemesis.fits(options.backend));
        }
        let random = Rng::with_seed(options.seed);
        Self { nemeses, only_pairs: options.pairs, turns: VecDeque::new(), random }
    }

    /// Returns what happens next.
    pub(crate) fn next(&mut self) -> Vec<Plan> {
        if self.turns.is_empty() {
            let mut alone: Vec<_> = self.nemeses.iter().copied().map(Some).collect();
            self.random.shuffle(&mut alone);
            self.turns.extend(alone.into_iter().filter(|_| !self.only_pairs));
            self.turns.extend(self.nemeses.iter().map(|_| None));
        }
        let alone = self.turns.pop_front().flatten();
        let nemeses = alone.map_or_else(|| self.pair(), |alone| vec![alone]);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::options::Backend;

    fn options(backend: Backend) -> Referee {
        Referee { backend, seed: 7, ..Referee::default() }
    }

    fn names(plans: &mut Plans) -> Vec<&'static str> {
        plans.next().iter().map(|plan| plan.nemesis.name()).collect()
    }

    #[test]
    fn each_fault_that_fits_happens_alone_before_as_many_pairs_do() {
        for backend in Backend::ALL {
            let mut plans = Plans::new(&options(backend));
            let fitting = Nemesis::ALL.into_iter().filter(|nemesis| nemesis.fits(backend));
            let mut fitting: Vec<_> = fitting.map(|nemesis| vec![nemesis.name()]).collect();
            fitting.sort_unstable();
            for _ in 0..3 {
                let mut alone: Vec<_> = fitting.iter().map(|_| names(&mut plans)).collect();
                alone.sort_unstable();
                assert_eq!(alone, fitting);
                let pairs: Vec<_> = fitting.iter().map(|_| names(&mut plans)).collect();
                assert!(pairs.iter().all(|pair| pair.len() == 2), "{pairs:?}");
            }
        }
    }

    #[test]
    fn two_faults_at_a_time_are_of_different_places() {
        let mut plans = Plans::new(&Referee { pairs: true, ..options(Backend::Redis) });
        for _ in 0..500 {
            let pair = plans.next();
            assert_ne!(pair[0].nemesis.place(), pair[1].nemesis.place());
        }
    }

    #[test]
    fn a_seed_draws_the_same_again() {
        let [mut one, mut other] = [(); 2].map(|()| Plans::new(&options(Backend::Valkey)));
        for _ in 0..100 {
            let [one, other] = [one.next(), other.next()];
            assert_eq!(format!("{one:?}"), format!("{other:?}"));
        }
    }
}
