//! The guard in front of a backend that does as it is told, on a paused clock.
#![expect(clippy::expect_used, reason = "a test ends where its assumption is wrong")]

mod scripted;

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use tasker_cache_breaker::{BreakerSettings, CircuitBreaker, CircuitState, Guarded};
use tasker_cache_core::{
    Backend, Entry, Error, ErrorKind, Fill, KeyBuilder, Lease, Lookup, Operation, Result, Ttl,
};
use tokio::time::{sleep, timeout};

use self::scripted::{Act, Scripted};

const SHORT: Duration = Duration::from_millis(10);
const LONG: Duration = Duration::from_secs(1);
const HOLD: Duration = Duration::from_secs(30);

/// A circuit that one failure opens and one success closes.
fn brittle() -> BreakerSettings {
    BreakerSettings::default().failure_threshold(1).success_threshold(1)
}

fn guarded(act: Act, breaker: CircuitBreaker) -> (Arc<Scripted>, Guarded<Scripted>) {
    let backend = Arc::new(Scripted::new(act));
    (Arc::clone(&backend), Guarded::new(backend, Arc::new(breaker)))
}

fn closed(act: Act) -> (Arc<Scripted>, Guarded<Scripted>) {
    guarded(act, CircuitBreaker::new(brittle()))
}

fn testable(act: Act) -> (Arc<Scripted>, Guarded<Scripted>) {
    guarded(act, CircuitBreaker::new_open(brittle()))
}

fn builder() -> KeyBuilder {
    KeyBuilder::raw("test").segment("key")
}

/// Runs every operation; returns what each came to.
async fn every_operation(backend: &dyn Backend) -> Vec<(Operation, Result<(), ErrorKind>)> {
    fn came<T>(result: Result<T>) -> Result<(), ErrorKind> {
        result.map(drop).map_err(|error: Error| error.kind())
    }
    let (key, prefix) = (builder().key(), builder().prefix());
    let keys = [key.clone(), key.clone()];
    let lease = Lease::new(key.clone(), [7; 32]);
    let (entry, ttl) = (Entry::new("value"), Ttl::new(HOLD).expect("not zero"));
    vec![
        (Operation::Get, came(backend.get(&key).await)),
        (Operation::GetMany, came(backend.get_many(&keys).await)),
        (Operation::GetOrLease, came(backend.get_or_lease(&key, HOLD).await)),
        (Operation::Fill, came(backend.fill(lease.clone(), entry.clone(), ttl).await)),
        (Operation::Release, came(backend.release(lease).await)),
        (Operation::Set, came(backend.set(&key, entry, ttl).await)),
        (Operation::Delete, came(backend.delete(&key).await)),
        (Operation::DeleteMany, came(backend.delete_many(&keys).await)),
        (Operation::DeletePrefix, came(backend.delete_prefix(&prefix).await)),
        (Operation::Ping, came(backend.ping().await)),
    ]
}

async fn assert_refuses_everything(backend: &Scripted, guarded: &Guarded<Scripted>) {
    for (operation, result) in every_operation(guarded).await {
        assert_eq!(result, Err(ErrorKind::CircuitOpen), "{operation}");
    }
    assert_eq!(backend.started(), [], "the backend was asked");
    assert_eq!(guarded.profile(), backend.profile());
    assert_eq!(guarded.occupancy(), backend.occupancy());
}

#[tokio::test(start_paused = true)]
async fn a_closed_circuit_forwards_every_operation() {
    let (backend, guarded) = closed(Act::Answer);

    let came: Vec<_> = every_operation(&guarded).await;
    assert!(came.iter().all(|(_, result)| result.is_ok()), "{came:?}");
    assert_eq!(backend.started(), Operation::ALL);
    assert_eq!(guarded.profile(), backend.profile());
    assert_eq!(guarded.occupancy(), backend.occupancy());
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_refuses_every_operation_and_asks_nobody() {
    let (backend, guarded) = closed(Act::Answer);
    guarded.breaker().force_open();

    assert_refuses_everything(&backend, &guarded).await;
}

#[tokio::test(start_paused = true)]
async fn a_half_open_circuit_refuses_every_operation_beside_the_probe() {
    let (backend, guarded) = testable(Act::Answer);
    let _probe = guarded.breaker().try_probe().expect("due at once");

    assert_refuses_everything(&backend, &guarded).await;
}

#[tokio::test(start_paused = true)]
async fn every_operation_can_be_the_failure_that_opens() {
    for &operation in Operation::ALL {
        let (backend, guarded) = closed(Act::FailOn(operation, ErrorKind::Unavailable));

        let came = every_operation(&guarded).await;
        let failed = came.iter().position(|&(_, result)| result == Err(ErrorKind::Unavailable));
        assert_eq!(failed, came.iter().position(|&(other, _)| other == operation));
        assert_eq!(guarded.breaker().state(), CircuitState::Open);
        assert_eq!(backend.started().last(), Some(&operation));
    }
}

#[tokio::test(start_paused = true)]
async fn a_declined_request_does_not_open() {
    let (_, guarded) = closed(Act::Fail(ErrorKind::TooLarge));

    assert!(every_operation(&guarded).await.iter().all(|(_, result)| result.is_err()));
    assert_eq!(guarded.breaker().state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_is_answered_without_the_backend_and_counts_nothing() {
    let (backend, guarded) = testable(Act::Answer);

    assert_eq!(guarded.get_many(&[]).await.map(|found| found.len()).ok(), Some(0));
    assert!(guarded.delete_many(&[]).await.is_ok());
    assert_eq!(backend.started(), []);
    assert_eq!(guarded.breaker().state(), CircuitState::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_refuses_an_empty_list_too() {
    let (_, guarded) = closed(Act::Answer);
    guarded.breaker().force_open();

    let kind = |error: Error| error.kind();
    assert_eq!(guarded.get_many(&[]).await.map(drop).map_err(kind), Err(ErrorKind::CircuitOpen));
    assert_eq!(guarded.delete_many(&[]).await.map_err(kind), Err(ErrorKind::CircuitOpen));
}

#[tokio::test(start_paused = true)]
async fn a_write_goes_on_without_its_caller() {
    let (backend, guarded) = closed(Act::Take(LONG));
    let (key, ttl) = (builder().key(), Ttl::new(HOLD).expect("not zero"));

    let waited = timeout(SHORT, guarded.set(&key, Entry::new("value"), ttl)).await;
    assert!(waited.is_err() && backend.ended().is_empty());
    sleep(LONG).await;
    assert_eq!(backend.ended(), [Operation::Set]);
    assert_eq!(backend.started(), [Operation::Set]);
}

#[tokio::test(start_paused = true)]
async fn a_callers_short_timeout_does_not_hide_an_outage() {
    let settings = BreakerSettings::default().failure_threshold(3);
    let act = Act::TakeAndFail(LONG, ErrorKind::Timeout);
    let (_, guarded) = guarded(act, CircuitBreaker::new(settings));

    for _ in 0..3 {
        assert!(timeout(SHORT, guarded.get(&builder().key())).await.is_err());
    }
    assert_eq!(guarded.breaker().state(), CircuitState::Closed);
    sleep(LONG).await;
    assert_eq!(guarded.breaker().state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_caller_has_gone_still_closes() {
    let (_, guarded) = testable(Act::Take(LONG));

    assert!(timeout(SHORT, guarded.ping()).await.is_err());
    assert_eq!(guarded.breaker().state(), CircuitState::HalfOpen);
    sleep(LONG).await;
    assert_eq!(guarded.breaker().state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_nobody_waits_for_is_given_back() {
    let (backend, guarded) = closed(Act::Take(LONG));

    assert!(timeout(SHORT, guarded.get_or_lease(&builder().key(), HOLD)).await.is_err());
    sleep(3 * LONG).await;
    assert_eq!(backend.ended(), [Operation::GetOrLease, Operation::Release]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_waits_for_is_his() {
    let (backend, guarded) = closed(Act::Take(LONG));

    let found = guarded.get_or_lease(&builder().key(), HOLD).await;
    assert!(matches!(found, Ok(Lookup::Leased(_))));
    sleep(3 * LONG).await;
    assert_eq!(backend.ended(), [Operation::GetOrLease]);
}

#[tokio::test(start_paused = true)]
async fn a_future_that_was_never_polled_asks_nobody() {
    let (backend, guarded) = closed(Act::Answer);
    let key = builder().key();

    drop(guarded.get(&key));
    sleep(LONG).await;
    assert_eq!(backend.started(), []);
}

#[tokio::test(start_paused = true)]
async fn past_its_deadline_an_operation_is_dropped_and_fails() {
    let (backend, guarded) = closed(Act::Hang);
    let guarded = guarded.deadline(LONG);

    let error = timeout(2 * LONG, guarded.ping()).await.expect("in time").expect_err("hangs");
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Timeout, Operation::Ping));
    assert_eq!(backend.dropped(), [Operation::Ping]);
    assert_eq!(guarded.breaker().state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_without_the_caller_too() {
    let (backend, guarded) = closed(Act::Hang);
    let guarded = guarded.deadline(LONG);

    assert!(timeout(SHORT, guarded.ping()).await.is_err());
    assert_eq!(guarded.breaker().state(), CircuitState::Closed);
    sleep(LONG).await;
    assert_eq!(guarded.breaker().state(), CircuitState::Open);
    assert_eq!(backend.dropped(), [Operation::Ping]);
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_an_operation_takes_as_long_as_it_takes() {
    let (_, guarded) = closed(Act::Take(Duration::from_secs(3600)));

    assert!(guarded.ping().await.is_ok());
}

#[test]
fn outside_of_a_runtime_a_dropped_operation_counts_nothing() {
    let (backend, guarded) = testable(Act::Hang);

    let mut ping = guarded.ping();
    assert!(ping.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(ping);
    assert_eq!(backend.dropped(), [Operation::Ping]);
    assert_eq!(guarded.breaker().state(), CircuitState::HalfOpen);
    assert!(guarded.breaker().try_acquire().is_some(), "the slot is free");
}

#[test]
fn an_operation_that_outlives_its_runtime_counts_nothing() {
    let (backend, guarded) = testable(Act::Hang);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(async {
        assert!(timeout(SHORT, guarded.ping()).await.is_err());
        assert_eq!(backend.dropped(), [], "the task has it");
    });
    assert_eq!(backend.dropped(), [Operation::Ping]);
    assert!(guarded.breaker().try_acquire().is_some(), "the slot is free");
}

#[tokio::test(start_paused = true)]
async fn a_panic_reaches_the_caller_and_frees_the_slot() {
    let (backend, guarded) = testable(Act::Panic);
    let caller = guarded.clone();

    let panicked = tokio::spawn(async move { caller.ping().await }).await;
    assert!(panicked.expect_err("the backend panics").is_panic());
    sleep(LONG).await;
    assert_eq!(backend.started(), [Operation::Ping]);
    assert!(guarded.breaker().try_acquire().is_some(), "the slot is free");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_panics_leaves_its_operation_running() {
    let (backend, guarded) = closed(Act::Take(LONG));

    let caller = tokio::spawn(async move {
        let key = builder().key();
        tokio::select! {
            biased;
            _ = guarded.delete(&key) => {}
            () = sleep(SHORT) => panic!("the caller gives up"),
        }
    });
    assert!(caller.await.is_err());
    sleep(LONG).await;
    assert_eq!(backend.ended(), [Operation::Delete]);
}

#[tokio::test(start_paused = true)]
async fn any_backend_can_be_guarded_behind_a_pointer() {
    let backend: Arc<dyn Backend> = Arc::new(Scripted::new(Act::Answer));
    let guarded: Guarded<dyn Backend> = Guarded::new(backend, Arc::default());
    let guarded: Arc<dyn Backend> = Arc::new(guarded);

    let key = builder().key();
    let Ok(Lookup::Leased(lease)) = guarded.get_or_lease(&key, HOLD).await else {
        panic!("the backend grants every lease")
    };
    let ttl = Ttl::new(HOLD).expect("not zero");
    assert_eq!(guarded.fill(lease, Entry::new("value"), ttl).await.ok(), Some(Fill::Stored));
}
