//! The protocol holds in every interleaving, and without any one of its parts it does not.

use std::time::Duration;

use tasker_cache_tests::model::{
    Bounds, Fill, Full, Join, Journal, Numbers, Protocol, Verdict, search,
};
use tokio::time::Instant;

/// A world in which everything happens that the protocol must stand.
const STORMY: Bounds = Bounds {
    readers: &[0, 0],
    writers: &[1, 0],
    evictions: 1,
    outages: 1,
    restarts: 0,
    snapshots: 0,
    drops: 0,
    late: true,
};

fn explore(what: &str, protocol: Protocol, bounds: &Bounds) -> Verdict {
    let begun = Instant::now();
    let verdict = search(protocol, bounds);
    println!("{what}: {verdict} ({:.1?})", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(300), "took {:?}", begun.elapsed());
    verdict
}

fn holds(what: &str, protocol: Protocol, bounds: &Bounds) {
    let verdict = explore(what, protocol, bounds);
    assert!(matches!(verdict, Verdict::Holds { states } if states > 1_000), "{what}: {verdict}");
}

fn is_violated(what: &str, protocol: Protocol, bounds: &Bounds) {
    let verdict = explore(what, protocol, bounds);
    assert!(matches!(verdict, Verdict::Violated { .. }), "{what}: {verdict}");
}

#[test]
fn leases_hold_under_evictions_and_late_fills() {
    let bounds = Bounds { writers: &[1], evictions: 1, late: true, ..Bounds::CALM };
    holds("leases", Protocol::ALONE, &bounds);
}

#[test]
fn the_journal_holds_through_an_outage() {
    let bounds = Bounds { readers: &[0, 1], ..STORMY };
    holds("journal", Protocol::ALONE, &bounds);
}

#[test]
fn flights_hold_with_followers_while_all_answers_take_time() {
    holds("flights", Protocol::OURS, &STORMY);
}

#[test]
fn flights_hold_with_two_followers() {
    let bounds =
        Bounds { readers: &[0, 0, 0], writers: &[1], evictions: 1, outages: 1, ..Bounds::CALM };
    holds("two followers", Protocol::OURS, &bounds);
}

#[test]
fn flights_of_two_processes_hold() {
    let bounds = Bounds { writers: &[1], evictions: 1, outages: 1, ..Bounds::CALM };
    holds("two processes", Protocol::OURS, &bounds);
}

#[test]
fn leaders_that_are_dropped_hand_over_without_harm() {
    let bounds = Bounds { readers: &[0, 0, 0], writers: &[0], drops: 2, late: true, ..STORMY };
    holds("dropped leaders", Protocol::OURS, &Bounds { evictions: 0, ..bounds });
}

#[test]
fn a_restart_that_loses_everything_is_harmless() {
    let bounds = Bounds { restarts: 1, evictions: 0, ..STORMY };
    holds("empty restart", Protocol::OURS, &bounds);
}

#[test]
fn a_journal_that_widens_forgets_nothing() {
    let widening = Protocol { full: Full::Widen, ..Protocol::OURS };
    holds("widening", widening, &Bounds { evictions: 0, ..STORMY });
}

#[test]
fn a_counter_holds_while_fills_keep_to_their_connection() {
    let numbers = Numbers::Counter { same_connection: true };
    let bounds = Bounds { readers: &[0, 1, 1], writers: &[1], restarts: 1, ..Bounds::CALM };
    holds("fill on the same connection", Protocol { numbers, ..Protocol::ALONE }, &bounds);
}

#[test]
fn a_fill_on_another_connection_is_found() {
    let numbers = Numbers::Counter { same_connection: false };
    let bounds = Bounds { readers: &[0, 1, 1], writers: &[1], restarts: 1, ..Bounds::CALM };
    is_violated("fill on another connection", Protocol { numbers, ..Protocol::ALONE }, &bounds);
}

#[test]
fn plain_cache_aside_is_found() {
    is_violated("blind set", Protocol { fill: Fill::Blind, ..Protocol::ALONE }, &Bounds::CALM);
}

#[test]
fn tombstones_hold_as_long_as_they_stay() {
    let tombstones = Protocol { fill: Fill::UnlessTombstone, ..Protocol::ALONE };
    holds("lasting tombstone", tombstones, &Bounds::CALM);
}

#[test]
fn an_expiring_tombstone_is_found() {
    let tombstones = Protocol { fill: Fill::UnlessTombstone, ..Protocol::ALONE };
    let bounds = Bounds { evictions: 1, ..Bounds::CALM };
    is_violated("expiring tombstone", tombstones, &bounds);
}

#[test]
fn deletes_that_are_dropped_while_cut_off_are_found() {
    let forgetful = Protocol { journal: Journal::Forget, ..Protocol::OURS };
    is_violated("no journal", forgetful, &Bounds { outages: 1, ..Bounds::CALM });
}

#[test]
fn reading_before_the_replay_is_found() {
    let hasty = Protocol { journal: Journal::ReadMeanwhile, ..Protocol::OURS };
    is_violated("read before replay", hasty, &Bounds { outages: 1, ..Bounds::CALM });
}

#[test]
fn an_acknowledgement_that_clears_later_marks_is_found() {
    let careless = Protocol { tokens: false, ..Protocol::OURS };
    let bounds = Bounds { readers: &[0, 1], writers: &[0, 0], evictions: 0, ..STORMY };
    is_violated("no tokens", careless, &bounds);
}

#[test]
fn a_full_journal_that_forgets_is_found() {
    let bounded = Protocol { full: Full::Drop, ..Protocol::OURS };
    is_violated("journal that drops", bounded, &Bounds { outages: 1, ..Bounds::CALM });
}

#[test]
fn joining_any_flight_is_found() {
    is_violated("any flight", Protocol { join: Join::Always, ..Protocol::OURS }, &Bounds::CALM);
}

#[test]
fn joining_without_sealing_is_found() {
    let unsealed = Protocol { seal: false, ..Protocol::OURS };
    is_violated("no seal", unsealed, &Bounds { readers: &[0, 0], outages: 1, ..Bounds::CALM });
}

#[test]
fn joining_after_the_fill_was_sent_is_found() {
    let late = Protocol { join: Join::IfStored, ..Protocol::OURS };
    is_violated("join after the send", late, &Bounds::CALM);
}

/// The documented limit: only generations, which are not built, would hold here.
#[test]
fn a_restart_from_an_old_snapshot_is_not_covered() {
    let bounds = Bounds { snapshots: 1, restarts: 1, ..Bounds::CALM };
    is_violated("old snapshot", Protocol::OURS, &bounds);
}
