//! Every interleaving of two or three threads on one breaker, by loom.
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" cargo test -p tasker-cache-breaker --lib --release --target-dir target/loom
//! ```
#![expect(clippy::expect_used, reason = "a test ends where its assumption is wrong")]

use std::sync::Arc;
use std::time::Duration;

use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use loom::thread::{self, JoinHandle};

use crate::word::{Phase, Word};
use crate::{BreakerSettings, CircuitBreaker, CircuitState, Permit, Probe};

type Breaker = Arc<CircuitBreaker>;

const TIMEOUT: Duration = Duration::from_secs(15);
const ALMOST_TIMEOUT: Duration = Duration::from_millis(14_999);
const PROBE_DEADLINE: Duration = Duration::from_secs(30);

fn settings(failure_threshold: u32, success_threshold: u32) -> BreakerSettings {
    BreakerSettings::default()
        .failure_threshold(failure_threshold)
        .success_threshold(success_threshold)
        .timeout(TIMEOUT)
        .probe_deadline(PROBE_DEADLINE)
}

fn closed(failure_threshold: u32, success_threshold: u32) -> Breaker {
    Arc::new(CircuitBreaker::new(settings(failure_threshold, success_threshold)))
}

fn open(failure_threshold: u32, success_threshold: u32) -> Breaker {
    Arc::new(CircuitBreaker::new_open(settings(failure_threshold, success_threshold)))
}

fn acquire(breaker: &Breaker) -> Permit<'static> {
    breaker.try_acquire_owned().expect("nothing stands in the way")
}

fn spawn<T: 'static>(
    breaker: &Breaker,
    run: impl FnOnce(&Breaker) -> T + 'static,
) -> JoinHandle<T> {
    let breaker = Arc::clone(breaker);
    thread::spawn(move || run(&breaker))
}

/// Makes a call that ends like this; returns whether it was let through.
fn finish(breaker: &Breaker, end: fn(Permit<'static>)) -> bool {
    breaker.try_acquire_owned().map(end).is_some()
}

/// Does the same in a thread of its own.
fn call(breaker: &Breaker, end: fn(Permit<'static>)) -> JoinHandle<bool> {
    spawn(breaker, move |breaker| finish(breaker, end))
}

fn join<T>(thread: JoinHandle<T>) -> T {
    thread.join().expect("a thread of the model panicked")
}

fn join_all<T, const N: usize>(threads: [JoinHandle<T>; N]) -> [T; N] {
    threads.map(join)
}

/// Two threads that each want the slot for a probe and, once they have it, end like this.
fn at_most_one_probe<P: 'static>(
    take: impl Fn() -> Option<P> + Clone + 'static,
    end: impl Fn(P) + Clone + 'static,
) {
    let in_flight = Arc::new(AtomicUsize::new(0));
    let threads = [(); 2].map(|()| {
        let (take, end, in_flight) = (take.clone(), end.clone(), Arc::clone(&in_flight));
        thread::spawn(move || {
            for _ in 0..2 {
                let Some(probe) = take() else { continue };
                assert_eq!(in_flight.fetch_add(1, Ordering::SeqCst), 0, "two probes in flight");
                in_flight.fetch_sub(1, Ordering::SeqCst);
                end(probe);
            }
        })
    });
    join_all(threads);
}

#[test]
fn at_most_one_probe_is_in_flight() {
    for end in [drop, Permit::neutral, Permit::success, Permit::failure] {
        loom::model(move || {
            let breaker = open(1, 50);
            at_most_one_probe(move || breaker.try_acquire_owned(), end);
        });
    }
}

/// The breaker's own steps, with a load and a store in place of its compare-and-set.
struct NotAtomic(AtomicU64);

impl NotAtomic {
    fn update(&self, step: impl FnOnce(Word) -> Option<Word>) -> Option<Word> {
        let after = step(Word::unpack(self.0.load(Ordering::SeqCst)))?;
        self.0.store(after.pack(), Ordering::SeqCst);
        Some(after)
    }
}

#[test]
#[should_panic(expected = "two probes in flight")]
fn a_reservation_that_is_not_atomic_is_caught() {
    loom::model(|| {
        let slot = Arc::new(NotAtomic(AtomicU64::new(Word::OPEN.pack())));
        let taken = Arc::clone(&slot);
        let take = move || {
            let word = taken.update(|word| word.reserve(&settings(1, 50), Duration::ZERO))?;
            (word.phase() == Phase::Probing).then(|| word.epoch())
        };
        at_most_one_probe(take, move |epoch| {
            slot.update(|word| word.give_back(epoch));
        });
    });
}

#[test]
fn a_circuit_closes_only_after_all_successes_and_no_failure() {
    loom::model(|| {
        let breaker = open(1, 2);
        let successes = [call(&breaker, Permit::success), call(&breaker, Permit::success)];
        let failure = call(&breaker, Permit::failure);

        let succeeded = join_all(successes);
        let expected = match (join(failure), succeeded) {
            (true, _) => CircuitState::Open,
            (false, [true, true]) => CircuitState::Closed,
            (false, _) => CircuitState::HalfOpen,
        };
        assert_eq!(breaker.state(), expected);
    });
}

#[test]
fn failures_in_a_row_always_open() {
    loom::model(|| {
        let breaker = closed(3, 1);
        let calls = [(); 3].map(|()| call(&breaker, Permit::failure));

        assert_eq!(join_all(calls), [true; 3]);
        assert_eq!(breaker.state(), CircuitState::Open);
        assert_eq!(breaker.transitions().opened, 1);
    });
}

#[test]
fn no_failure_is_lost_beside_a_success() {
    loom::model(|| {
        let breaker = closed(2, 1);
        let calls =
            [Permit::failure, Permit::failure, Permit::success].map(|end| call(&breaker, end));
        join_all(calls);

        // Wherever the success came, the last failure before or behind it stands.
        finish(&breaker, Permit::failure);
        assert_eq!(breaker.state(), CircuitState::Open);
        assert_eq!(breaker.transitions().opened, 1);
    });
}

#[test]
fn late_results_change_nothing() {
    loom::model(|| {
        let breaker = closed(1, 2);
        let late = [acquire(&breaker), acquire(&breaker)];
        acquire(&breaker).failure();
        breaker.advance(TIMEOUT);

        let [one, other] = late;
        let threads =
            [thread::spawn(move || one.failure()), thread::spawn(move || other.success())];
        acquire(&breaker).success();
        assert_eq!(breaker.state(), CircuitState::HalfOpen);
        acquire(&breaker).success();
        join_all(threads);

        assert_eq!(breaker.state(), CircuitState::Closed);
        assert_eq!(breaker.transitions().opened, 1);
    });
}

#[test]
fn an_overdue_probe_is_reclaimed_or_counts_but_never_both() {
    for (end, closes) in [(Permit::success as fn(_), true), (Permit::neutral as fn(_), false)] {
        loom::model(move || {
            let breaker = open(1, 1);
            let probe = acquire(&breaker);
            breaker.advance(PROBE_DEADLINE);

            let ending = thread::spawn(move || end(probe));
            let next = call(&breaker, drop);
            join(ending);
            let admitted = join(next);

            let transitions = breaker.transitions();
            assert!(transitions.opened + transitions.closed <= 1);
            match breaker.state() {
                CircuitState::Open => assert!(!admitted, "reclaimed by one that was let through"),
                CircuitState::Closed => assert!(closes),
                CircuitState::HalfOpen => assert!(!closes && admitted),
            }
        });
    }
}

#[test]
fn an_overdue_probe_is_reclaimed_once() {
    loom::model(|| {
        let breaker = open(1, 1);
        std::mem::forget(breaker.try_acquire());
        breaker.advance(PROBE_DEADLINE);
        let calls = [(); 3].map(|()| call(&breaker, Permit::success));

        assert_eq!(join_all(calls), [false; 3]);
        assert_eq!(breaker.state(), CircuitState::Open);
        assert_eq!(breaker.transitions().opened, 1);
    });
}

#[test]
fn failures_of_an_open_circuit_do_not_restart_its_timer() {
    loom::model(|| {
        let breaker = closed(1, 1);
        let late = acquire(&breaker);
        acquire(&breaker).failure();
        breaker.advance(ALMOST_TIMEOUT);

        let threads = [
            thread::spawn(move || late.failure()),
            spawn(&breaker, |breaker| assert!(breaker.try_acquire().is_none())),
        ];
        join_all(threads);

        assert_eq!(breaker.until_probe(), Some(Duration::from_millis(1)));
    });
}

#[test]
fn whoever_is_let_through_sees_what_the_probe_did() {
    loom::model(|| {
        let breaker = CircuitBreaker::new_open(settings(1, 1).probe(Probe::Explicit));
        let (breaker, replayed) = (Arc::new(breaker), Arc::new(AtomicUsize::new(0)));
        let done = Arc::clone(&replayed);
        let owner = spawn(&breaker, move |breaker| {
            let probe = breaker.try_probe().expect("due at once");
            done.store(1, Ordering::Relaxed);
            probe.success();
        });

        if breaker.try_acquire().is_some() {
            assert_eq!(replayed.load(Ordering::Relaxed), 1);
        }
        join(owner);
    });
}

#[test]
fn opening_by_hand_beats_every_result_under_way() {
    loom::model(|| {
        let breaker = open(1, 1);
        let by_hand = spawn(&breaker, |breaker| breaker.force_open());
        let calls = [call(&breaker, Permit::success), call(&breaker, drop)];
        join(by_hand);
        join_all(calls);

        assert_eq!(breaker.state(), CircuitState::Open);
    });
}

#[test]
fn a_reset_forgets_the_calls_under_way() {
    loom::model(|| {
        let breaker = closed(1, 1);
        let under_way = acquire(&breaker);
        let threads = [
            thread::spawn(move || under_way.failure()),
            spawn(&breaker, |breaker| breaker.reset()),
        ];
        join_all(threads);

        assert_eq!(breaker.state(), CircuitState::Closed);
    });
}

/// What a thread may do to a breaker.
const DEEDS: [fn(&Breaker); 6] = [
    |breaker| _ = finish(breaker, drop),
    |breaker| _ = finish(breaker, Permit::success),
    |breaker| _ = finish(breaker, Permit::failure),
    |breaker| _ = finish(breaker, std::mem::forget),
    |breaker| breaker.force_open(),
    |breaker| breaker.reset(),
];

/// Does for a breaker in any state what a healthy server would.
fn recover(breaker: &CircuitBreaker) {
    breaker.advance(PROBE_DEADLINE);
    // A slot that was leaked is reclaimed by this one.
    drop(breaker.try_acquire());
    breaker.advance(TIMEOUT);
    for _ in 0..2 {
        breaker.try_acquire().expect("somebody is let through").success();
    }
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[test]
fn no_state_can_stick() {
    for start in [closed, open] {
        for (i, &one) in DEEDS.iter().enumerate() {
            for (j, &two) in DEEDS.iter().enumerate().skip(i) {
                for &three in DEEDS.iter().skip(j) {
                    loom::model(move || {
                        let breaker = start(1, 2);
                        let deeds = [one, two].map(|deed| spawn(&breaker, deed));
                        three(&breaker);
                        join_all(deeds);
                        recover(&breaker);
                    });
                }
            }
        }
    }
}
