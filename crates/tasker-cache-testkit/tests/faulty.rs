//! Faults happen as they are asked for, and end when they are told to.

use std::time::Duration;

use tasker_cache_core::{Backend, Entry, ErrorKind, Key, KeyBuilder, Result, Ttl};
use tasker_cache_moka::Moka;
use tasker_cache_testkit::{Fault, Faulty, Odds};
use tokio::time::{Instant, timeout};

const MINUTE: Ttl = Ttl::new(Duration::from_secs(60)).expect("not zero");

fn key() -> Key {
    KeyBuilder::raw("app").segment("k").key()
}

async fn set(backend: &Faulty<Moka>) -> Result<()> {
    backend.set(&key(), Entry::new("v"), MINUTE).await
}

#[tokio::test]
async fn a_script_is_followed_and_then_everything_is_well() {
    let backend = Faulty::new(Moka::new(10));
    backend.script([Some(Fault::Error(ErrorKind::Overloaded)), None]);

    let error = set(&backend).await.expect_err("scripted");

    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert!(backend.inner().get(&key()).await.expect("get").is_none(), "it was never asked");
    set(&backend).await.expect("scripted to go well");
    set(&backend).await.expect("the script is over");
    assert_eq!(backend.calls(), 3);
}

#[tokio::test]
async fn a_lost_reply_is_an_error_of_something_that_happened() {
    let backend = Faulty::new(Moka::new(10));
    backend.script([Some(Fault::LostReply)]);

    assert_eq!(set(&backend).await.expect_err("scripted").kind(), ErrorKind::Timeout);

    assert!(backend.get(&key()).await.expect("get").is_some());
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_hangs_never_ends() {
    let backend = Faulty::new(Moka::new(10));
    backend.always(Fault::Hang);

    assert!(timeout(Duration::from_secs(86_400), set(&backend)).await.is_err());

    backend.heal();
    set(&backend).await.expect("healed");
}

#[tokio::test(start_paused = true)]
async fn a_delay_takes_as_long_as_it_says() {
    let backend = Faulty::new(Moka::new(10));
    backend.always(Fault::Delay(Duration::from_secs(3)));
    let since = Instant::now();

    set(&backend).await.expect("late and well");

    assert_eq!(since.elapsed(), Duration::from_secs(3));
}

/// Tells which of a thousand operations fail.
async fn failures(seed: u64) -> Vec<bool> {
    let backend = Faulty::new(Moka::new(10));
    backend.by_chance(seed, Odds { errors: 200, ..Odds::default() });
    let mut failed = Vec::new();
    for _ in 0..1_000 {
        failed.push(backend.ping().await.is_err());
    }
    failed
}

#[tokio::test]
async fn the_same_seed_gives_the_same_faults() {
    let failed = failures(7).await;

    assert_eq!(failed, failures(7).await);
    assert_ne!(failed, failures(8).await);
    let count = failed.iter().filter(|failed| **failed).count();
    assert!((100..300).contains(&count), "{count} of 1,000 failed, and 200 are meant to");
}
