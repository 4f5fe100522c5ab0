//! The rule under random interleavings, each of them one seed on a paused clock.
//!
//! `SEED=7` runs that seed only, `SEEDS=100000` that many.

use tasker_cache_tests::sim::{Planted, Weather};
use tasker_cache_tests::simulation::{Outcome, Protocol, simulate};
use tokio::time::Instant;

/// A store like Memcached in a network that loses a good part of what is sent.
const COUNTING: Weather = Weather::STORMY.counting();

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Asserts that no seed goes wrong; prints how to repeat one that does.
fn all_are_right(test: &str, weather: Weather, runs: u64) {
    let begun = Instant::now();
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(runs),
    };
    let (mut count, mut reads) = (0_u64, 0);
    for seed in seeds {
        let outcome = simulate(seed, weather, Protocol::Ours);
        assert!(
            outcome.is_right(),
            "{outcome:?}; repeat it with\n    \
             SEED={seed} cargo test -p tasker-cache-tests --test consistency {test}"
        );
        count += 1;
        reads += outcome.reads;
    }
    println!("{count} seeds, {reads} reads, none too old, in {:.1?}", begun.elapsed());
}

/// Returns how many seeds it took to catch a fault.
fn seeds_to_catch(weather: Weather, protocol: Protocol) -> u64 {
    let is_caught = |seed: &u64| simulate(*seed, weather, protocol).violations > 0;
    let caught = (0..20_000).find(is_caught).map(|seed| seed + 1);
    println!("caught by seed {caught:?}");
    caught.unwrap_or(u64::MAX)
}

#[test]
fn no_read_is_too_old_while_all_goes_well() {
    all_are_right("no_read_is_too_old_while_all_goes_well", Weather::CALM, 1_500);
}

#[test]
fn no_read_is_too_old_while_messages_are_lost_or_late() {
    all_are_right("no_read_is_too_old_while_messages_are_lost_or_late", Weather::STORMY, 2_500);
}

#[test]
fn no_read_is_too_old_over_a_store_that_counts() {
    all_are_right("no_read_is_too_old_over_a_store_that_counts", COUNTING, 2_500);
}

#[test]
fn no_read_is_too_old_over_a_store_that_deletes_one_by_one() {
    let weather = Weather { one_by_one: true, ..COUNTING };
    all_are_right("no_read_is_too_old_over_a_store_that_deletes_one_by_one", weather, 500);
}

#[test]
fn a_seed_gives_the_same_run_again() {
    for seed in 0..500 {
        let runs: [Outcome; 2] =
            std::array::from_fn(|_| simulate(seed, Weather::STORMY, Protocol::Ours));
        assert!(runs[0].reads > 0);
        assert_eq!(runs[0], runs[1], "seed {seed}");
    }
}

#[test]
fn the_naive_protocol_is_caught() {
    assert!(seeds_to_catch(Weather::CALM, Protocol::Naive) < 1_000);
}

#[test]
fn a_store_that_fills_blindly_is_caught() {
    let weather = Weather::STORMY.planted(Planted::BlindFill);
    assert!(seeds_to_catch(weather, Protocol::Ours) < 1_000);
}

#[test]
fn an_expiring_tombstone_is_caught() {
    let weather = Weather::STORMY.planted(Planted::ExpiringTombstone);
    assert!(seeds_to_catch(weather, Protocol::Ours) < 1_000);
}

#[test]
fn a_fill_on_another_connection_is_caught() {
    let weather = COUNTING.planted(Planted::OtherConnection);
    assert!(seeds_to_catch(weather, Protocol::Ours) < 20_000);
}
