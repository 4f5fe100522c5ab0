//! The breaker alone, on a paused clock.
#![expect(clippy::expect_used, reason = "a test ends where its assumption is wrong")]

use std::sync::Arc;
use std::time::Duration;

use tasker_cache_breaker::{BreakerSettings, CircuitBreaker, CircuitState, Permit, Probe};
use tokio::time::advance;

const MILLISECOND: Duration = Duration::from_millis(1);
const TIMEOUT: Duration = Duration::from_secs(15);
const PROBE_DEADLINE: Duration = Duration::from_secs(30);
const ALMOST_TIMEOUT: Duration = Duration::from_millis(14_999);
const ALMOST_PROBE_DEADLINE: Duration = Duration::from_millis(29_999);

fn fail(breaker: &CircuitBreaker, times: usize) {
    for _ in 0..times {
        breaker.try_acquire().expect("let through").failure();
    }
}

fn opened() -> CircuitBreaker {
    let breaker = CircuitBreaker::default();
    fail(&breaker, 5);
    breaker
}

#[test]
fn the_threshold_of_failures_in_a_row_opens() {
    let breaker = CircuitBreaker::default();

    fail(&breaker, 4);
    assert_eq!(breaker.state(), CircuitState::Closed);
    fail(&breaker, 1);
    assert_eq!(breaker.state(), CircuitState::Open);
    assert!(breaker.try_acquire().is_none());
}

#[test]
fn a_success_starts_the_count_again() {
    let breaker = CircuitBreaker::default();

    fail(&breaker, 4);
    breaker.try_acquire().expect("closed").success();
    fail(&breaker, 4);
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[test]
fn what_counts_nothing_does_not_start_the_count_again() {
    let breaker = CircuitBreaker::default();

    fail(&breaker, 4);
    breaker.try_acquire().expect("closed").neutral();
    drop(breaker.try_acquire());
    fail(&breaker, 1);
    assert_eq!(breaker.state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_lets_nothing_through_until_its_timeout_is_over() {
    let breaker = opened();

    advance(ALMOST_TIMEOUT).await;
    assert!(breaker.try_acquire().is_none());
    advance(MILLISECOND).await;
    assert!(breaker.try_acquire().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_half_open_circuit_lets_one_call_through_at_a_time() {
    let breaker = opened();
    advance(TIMEOUT).await;

    let probe = breaker.try_acquire().expect("due");
    assert_eq!(breaker.state(), CircuitState::HalfOpen);
    assert!(breaker.try_acquire().is_none());
    probe.success();
    assert!(breaker.try_acquire().is_some());
}

#[tokio::test(start_paused = true)]
async fn the_threshold_of_successes_closes() {
    let breaker = opened();
    advance(TIMEOUT).await;

    breaker.try_acquire().expect("due").success();
    assert_eq!(breaker.state(), CircuitState::HalfOpen);
    breaker.try_acquire().expect("the slot is free").success();
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn one_failed_probe_opens_again_with_a_fresh_timer() {
    let breaker = opened();
    advance(TIMEOUT).await;
    breaker.try_acquire().expect("due").success();

    fail(&breaker, 1);
    assert_eq!(breaker.state(), CircuitState::Open);
    assert_eq!(breaker.until_probe(), Some(TIMEOUT));
}

#[tokio::test(start_paused = true)]
async fn successes_of_an_earlier_test_do_not_count_in_the_next() {
    let breaker = opened();
    advance(TIMEOUT).await;
    breaker.try_acquire().expect("due").success();
    fail(&breaker, 1);
    advance(TIMEOUT).await;

    breaker.try_acquire().expect("due").success();
    assert_eq!(breaker.state(), CircuitState::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn a_probe_without_a_result_frees_its_slot_and_keeps_the_count() {
    let breaker = opened();
    advance(TIMEOUT).await;
    breaker.try_acquire().expect("due").success();

    drop(breaker.try_acquire().expect("the slot is free"));
    breaker.try_acquire().expect("given back").neutral();
    breaker.try_acquire().expect("given back").success();
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_overdue_probe_counts_as_a_failure() {
    let breaker = opened();
    advance(TIMEOUT).await;
    let probe = breaker.try_acquire().expect("due");

    advance(ALMOST_PROBE_DEADLINE).await;
    assert!(breaker.try_acquire().is_none());
    assert_eq!(breaker.state(), CircuitState::HalfOpen);
    advance(MILLISECOND).await;
    assert!(breaker.try_acquire().is_none());
    assert_eq!(breaker.state(), CircuitState::Open);
    assert_eq!(breaker.until_probe(), Some(TIMEOUT));
    probe.success();
    assert_eq!(breaker.until_probe(), Some(TIMEOUT));
}

#[tokio::test(start_paused = true)]
async fn late_failures_do_not_restart_the_timer() {
    let breaker = CircuitBreaker::default();
    let late: Vec<_> = (0..5).map_while(|_| breaker.try_acquire()).collect();
    fail(&breaker, 5);

    advance(ALMOST_TIMEOUT).await;
    late.into_iter().for_each(Permit::failure);
    assert_eq!(breaker.until_probe(), Some(MILLISECOND));
}

#[tokio::test(start_paused = true)]
async fn a_late_result_changes_nothing() {
    let breaker = opened();
    advance(TIMEOUT).await;
    for _ in 0..2 {
        breaker.try_acquire().expect("due").success();
    }
    let early = breaker.try_acquire().expect("closed");
    fail(&breaker, 5);
    advance(TIMEOUT).await;
    let probe = breaker.try_acquire().expect("due");

    early.success();
    assert!(breaker.try_acquire().is_none());
    probe.success();
    assert_eq!(breaker.state(), CircuitState::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn with_explicit_probes_callers_never_test() {
    let settings = BreakerSettings::default().failure_threshold(1).probe(Probe::Explicit);
    let breaker = CircuitBreaker::new(settings);
    fail(&breaker, 1);
    assert!(breaker.try_probe().is_none());

    advance(TIMEOUT).await;
    assert!(breaker.try_acquire().is_none());
    for _ in 0..2 {
        let probe = breaker.try_probe().expect("due");
        assert!(breaker.try_acquire().is_none() && breaker.try_probe().is_none());
        probe.success();
    }
    assert!(breaker.try_acquire().is_some());
}

#[test]
fn a_closed_circuit_needs_no_probe() {
    let breaker = CircuitBreaker::default();

    assert!(breaker.try_probe().is_none());
    assert_eq!(breaker.until_probe(), None);
}

#[tokio::test(start_paused = true)]
async fn the_owner_can_sleep_until_the_next_probe() {
    let breaker = opened();
    assert_eq!(breaker.until_probe(), Some(TIMEOUT));

    advance(TIMEOUT * 2).await;
    assert_eq!(breaker.until_probe(), Some(Duration::ZERO));
    let probe = breaker.try_probe().expect("due");
    assert_eq!(breaker.until_probe(), Some(PROBE_DEADLINE));
    drop(probe);
    assert_eq!(breaker.until_probe(), Some(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn opening_by_hand_always_starts_a_fresh_timer() {
    let breaker = CircuitBreaker::default();

    breaker.force_open();
    advance(ALMOST_TIMEOUT).await;
    breaker.force_open();
    assert_eq!(breaker.until_probe(), Some(TIMEOUT));
    assert_eq!(breaker.transitions().opened, 1);
}

#[tokio::test(start_paused = true)]
async fn a_reset_closes_and_forgets_all_counts() {
    let breaker = CircuitBreaker::default();
    fail(&breaker, 4);
    breaker.reset();
    fail(&breaker, 4);
    assert_eq!(breaker.state(), CircuitState::Closed);

    fail(&breaker, 1);
    breaker.reset();
    assert_eq!(breaker.state(), CircuitState::Closed);
    assert!(breaker.try_acquire().is_some());
}

#[test]
fn a_circuit_that_starts_open_may_be_tested_at_once() {
    let settings = BreakerSettings::default().probe(Probe::Explicit);
    let breaker = CircuitBreaker::new_open(settings);

    assert_eq!(breaker.state(), CircuitState::Open);
    assert!(breaker.try_acquire().is_none());
    assert!(breaker.try_probe().is_some());
}

#[tokio::test(start_paused = true)]
async fn transitions_are_counted() {
    let breaker = opened();
    advance(TIMEOUT).await;
    fail(&breaker, 1);
    advance(TIMEOUT).await;
    for _ in 0..2 {
        breaker.try_acquire().expect("due").success();
    }

    let transitions = breaker.transitions();
    assert_eq!((transitions.opened, transitions.half_opened, transitions.closed), (2, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_permit_can_move_to_another_task() {
    let breaker = Arc::new(opened());
    advance(TIMEOUT).await;

    for _ in 0..2 {
        let permit = breaker.try_acquire_owned().expect("due");
        tokio::spawn(async { permit.success() }).await.expect("does not panic");
    }
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[test]
fn settings_out_of_range_are_brought_into_it() {
    let lowest = BreakerSettings::default().failure_threshold(0).success_threshold(0);
    let highest = BreakerSettings::default().failure_threshold(101).success_threshold(51);

    assert_eq!(lowest, BreakerSettings::default().failure_threshold(1).success_threshold(1));
    assert_eq!(highest, BreakerSettings::default().failure_threshold(100).success_threshold(50));
    assert_eq!(
        BreakerSettings::default().timeout(Duration::ZERO).probe_deadline(Duration::ZERO),
        BreakerSettings::default().timeout(MILLISECOND).probe_deadline(MILLISECOND)
    );
}

#[test]
fn the_largest_thresholds_are_reached() {
    let settings = BreakerSettings::default().failure_threshold(100).success_threshold(50);
    let breaker = CircuitBreaker::new(settings);
    fail(&breaker, 99);
    assert_eq!(breaker.state(), CircuitState::Closed);
    fail(&breaker, 1);
    assert_eq!(breaker.state(), CircuitState::Open);

    let breaker = CircuitBreaker::new_open(settings);
    for _ in 0..49 {
        breaker.try_acquire().expect("due").success();
    }
    assert_eq!(breaker.state(), CircuitState::HalfOpen);
    breaker.try_acquire().expect("due").success();
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn the_longest_timeout_does_not_overflow() {
    let settings = BreakerSettings::default().timeout(Duration::MAX).failure_threshold(1);
    let breaker = CircuitBreaker::new(settings);
    fail(&breaker, 1);

    advance(Duration::from_secs(365 * 86_400)).await;
    assert!(breaker.try_acquire().is_none());
}

#[test]
fn states_have_one_wording() {
    let words = [CircuitState::Closed, CircuitState::Open, CircuitState::HalfOpen]
        .map(|state| state.to_string());

    assert_eq!(words, ["closed", "open", "half-open"]);
}
