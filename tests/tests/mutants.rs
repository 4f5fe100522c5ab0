//! Each part of the protocol that is left out is missed: the checker has teeth.
//!
//! Compiled with `--cfg tasker_cache_mutants` only, which `cargo xtask test` sees to. What caught
//! which is told as a table once the last one is through.
#![cfg(tasker_cache_mutants)]

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tasker_cache::Mutant;
use tasker_cache_tests::sim::{Planted, Weather};
use tasker_cache_tests::simulation::{Protocol, simulate};
use tokio::time::Instant;

/// How many are promised to be caught: one test each.
const MUTANTS: usize = 8;

/// In how many simulations a mutant may stay unnoticed.
const LIMIT: u64 = 20_000;

/// Taken in turns: each hides some faults and shows others.
const WEATHERS: [Weather; 4] = [
    Weather::CALM,
    Weather::STORMY,
    Weather { latency_ms: 10, ..Weather::CALM },
    Weather { latency_ms: 10, lost_requests: 200, ..Weather::CALM },
];

/// A store like Memcached, in a network that leaves leases open while it restarts.
const COUNTING: Weather = Weather::STORMY.counting();

/// Where a part is left out.
#[derive(Clone, Copy)]
enum Place {
    Cache(Mutant),
    Store(Planted),
}

/// What became of one mutant.
struct Row {
    name: &'static str,
    seed: Option<u64>,
    took: Duration,
}

static ROWS: Mutex<Vec<Row>> = Mutex::new(Vec::new());

fn is_caught(name: &'static str, place: Place) {
    let (mutant, planted) = match place {
        Place::Cache(mutant) => (Some(mutant), None),
        Place::Store(planted) => (None, Some(planted)),
    };
    tasker_cache::plant(mutant);
    let begun = Instant::now();
    let seed = (0..LIMIT).find(|seed| {
        let weather = WEATHERS[usize::from(seed.to_le_bytes()[0]) % WEATHERS.len()];
        let weather = match planted {
            // Only a store whose numbers begin anew can mistake one connection for another.
            Some(Planted::OtherConnection) => COUNTING.planted(Planted::OtherConnection),
            Some(planted) => weather.planted(planted),
            None => weather,
        };
        simulate(*seed, weather, Protocol::Ours).violations > 0
    });
    tasker_cache::plant(None);
    tell(Row { name, seed, took: begun.elapsed() });
    assert!(seed.is_some(), "{name}: not noticed in {LIMIT} simulations");
}

/// Notes what became of a mutant; the last one prints the table. It goes past what libtest
/// captures: a number that nobody sees proves nothing.
fn tell(row: Row) {
    let mut rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    rows.push(row);
    if rows.len() < MUTANTS {
        return;
    }
    let mut table = format!("\n{:<28}{:<22}{}\n", "mutant", "caught by", "seconds");
    for Row { name, seed, took } in &*rows {
        let by = seed.map_or("ESCAPED".to_owned(), |seed| format!("simulation, seed {seed}"));
        let _ = writeln!(table, "{name:<28}{by:<22}{:>7.1}", took.as_secs_f64());
    }
    let caught = rows.iter().filter(|row| row.seed.is_some()).count();
    let _ = writeln!(io::stderr(), "{table}{caught} of {MUTANTS} caught\n");
}

#[test]
fn a_fill_that_does_not_look_is_caught() {
    is_caught("blind set", Place::Store(Planted::BlindFill));
}

#[test]
fn a_cache_that_does_not_seal_is_caught() {
    is_caught("no seal", Place::Cache(Mutant::NoSeal));
}

#[test]
fn a_cache_without_a_journal_is_caught() {
    is_caught("no journal", Place::Cache(Mutant::NoJournal));
}

#[test]
fn a_cache_that_reads_before_the_replay_is_caught() {
    is_caught("read before replay", Place::Cache(Mutant::ReadBeforeReplay));
}

#[test]
fn a_cache_that_joins_any_flight_is_caught() {
    is_caught("join any flight", Place::Cache(Mutant::JoinAnyFlight));
}

#[test]
fn a_cache_that_joins_after_the_send_is_caught() {
    is_caught("join after the send", Place::Cache(Mutant::JoinAfterTheSend));
}

#[test]
fn a_fill_on_another_connection_is_caught() {
    is_caught("fill on another connection", Place::Store(Planted::OtherConnection));
}

#[test]
fn a_tombstone_that_expires_is_caught() {
    is_caught("expiring tombstone", Place::Store(Planted::ExpiringTombstone));
}
