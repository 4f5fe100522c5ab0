//! Each part of the protocol that the cache leaves out is missed: the checker has teeth.
//!
//! Compiled with `--cfg tasker_cache_mutants` only, which `cargo xtask test` sees to.
#![cfg(tasker_cache_mutants)]

use std::time::Duration;

use tasker_cache::Mutant;
use tasker_cache_tests::sim::Weather;
use tasker_cache_tests::simulation::{Protocol, simulate};
use tokio::time::Instant;

/// Taken in turns: each hides some faults and shows others.
const WEATHERS: [Weather; 4] = [
    Weather::CALM,
    Weather::STORMY,
    Weather { latency_ms: 10, ..Weather::CALM },
    Weather { latency_ms: 10, lost_requests: 200, ..Weather::CALM },
];

/// How long a mutant may stay unnoticed.
const LIMIT: Duration = Duration::from_secs(60);

fn is_caught(mutant: Mutant) {
    tasker_cache::plant(Some(mutant));
    let begun = Instant::now();
    let caught = (0_u64..).take_while(|_| begun.elapsed() < LIMIT).find(|seed| {
        let weather = WEATHERS[usize::from(seed.to_le_bytes()[0]) % WEATHERS.len()];
        simulate(*seed, weather, Protocol::Ours).violations > 0
    });
    tasker_cache::plant(None);
    println!("{mutant:?}: caught by seed {caught:?} in {:.1?}", begun.elapsed());
    assert!(caught.is_some(), "{mutant:?} was not noticed");
}

#[test]
fn a_cache_that_does_not_seal_is_caught() {
    is_caught(Mutant::NoSeal);
}

#[test]
fn a_cache_without_a_journal_is_caught() {
    is_caught(Mutant::NoJournal);
}

#[test]
fn a_cache_that_reads_before_the_replay_is_caught() {
    is_caught(Mutant::ReadBeforeReplay);
}

#[test]
fn a_cache_that_joins_any_flight_is_caught() {
    is_caught(Mutant::JoinAnyFlight);
}

#[test]
fn a_cache_that_joins_after_the_send_is_caught() {
    is_caught(Mutant::JoinAfterTheSend);
}
