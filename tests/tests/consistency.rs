//! Property P under random interleavings: no read is older than an invalidation before it.

#![expect(clippy::expect_used, reason = "a test ends where its assumption is wrong")]

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tasker_cache::{BreakerSettings, Cache, Region, Usage};
use tasker_cache_tests::history::{Process, Row};
use tasker_cache_tests::sim::{Planted, Sim, Weather};
use tokio::task::JoinSet;
use tokio::time::sleep;

const PROCESSES: usize = 2;
const READERS: usize = 3;
const READS: usize = 4;
const WRITES: usize = 3;

/// What the simulated processes use in place of a region.
#[derive(Clone, Copy, PartialEq)]
enum Protocol {
    Ours,
    /// Get, load, set; delete.
    Naive,
}

async fn pause(random: &mut Rng, up_to_ms: u64) {
    sleep(Duration::from_millis(random.u64(0..=up_to_ms))).await;
}

async fn query(row: &Row, mut random: Rng) -> Result<u64, Infallible> {
    let seen = row.query();
    pause(&mut random, 12).await;
    Ok(seen)
}

async fn read(
    cache: &Cache,
    region: &Region<u64>,
    row: &Row,
    random: Rng,
    protocol: Protocol,
) -> u64 {
    if protocol == Protocol::Ours {
        let Ok(version) = region.get_or_load("k", || query(row, random)).await;
        return *version;
    }
    if let Some(cached) = cache.get("k").await {
        return u64::from_le_bytes(cached.as_ref().try_into().expect("eight bytes"));
    }
    let Ok(version) = query(row, random).await;
    cache.set("k", version.to_le_bytes().to_vec(), Duration::from_secs(60)).await;
    version
}

/// Runs one random interleaving; returns how many reads were checked and broke the rule.
async fn interleave(seed: u64, weather: Weather, protocol: Protocol) -> (u64, u64) {
    let mut random = Rng::with_seed(seed);
    let store = Sim::new(random.u64(..), weather);
    let row = Arc::new(Row::default());
    let mut tasks = JoinSet::new();
    for _ in 0..PROCESSES {
        let breaker = BreakerSettings::default()
            .failure_threshold(2)
            .success_threshold(1)
            .timeout(Duration::from_millis(20));
        let cache = Cache::builder(store.clone()).breaker(breaker).build();
        let region = cache.region::<u64>(Usage::new("row"));
        let process = Arc::new(Process::default());
        for _ in 0..READERS {
            let (cache, region, row) = (cache.clone(), region.clone(), Arc::clone(&row));
            let (process, mut random) = (Arc::clone(&process), random.fork());
            tasks.spawn(async move {
                for _ in 0..READS {
                    pause(&mut random, 10).await;
                    let allowed = row.oldest_allowed(&process);
                    let version = read(&cache, &region, &row, random.fork(), protocol).await;
                    row.check(allowed, version);
                }
            });
        }
        let (store, row, mut random) = (store.clone(), Arc::clone(&row), random.fork());
        tasks.spawn(async move {
            for _ in 0..WRITES {
                pause(&mut random, 15).await;
                if random.u8(..) < 40 {
                    store.evict(&region.key("k"));
                }
                let version = row.commit();
                let done = match protocol {
                    Protocol::Ours => region.invalidate("k").await,
                    Protocol::Naive => cache.delete("k").await,
                };
                row.invalidated(&process, version, done);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no task panics");
    }
    (row.reads(), row.violations())
}

/// Runs many interleavings, each on a paused clock of its own; returns the seeds that broke the
/// rule.
fn broken_seeds(runs: u64, weather: Weather, protocol: Protocol) -> Vec<u64> {
    let first = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = first.map_or(0..runs, |seed| seed..seed + 1);
    seeds
        .filter(|seed| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .expect("a runtime without I/O can be built");
            let (reads, violations) = runtime.block_on(interleave(*seed, weather, protocol));
            assert_eq!(reads, (PROCESSES * READERS * READS) as u64, "seed {seed}");
            violations > 0
        })
        .collect()
}

fn assert_none(broken: &[u64]) {
    assert!(broken.is_empty(), "stale reads; repeat one with SEED={} : {broken:?}", broken[0]);
}

#[test]
fn no_interleaving_reads_what_was_invalidated_before() {
    assert_none(&broken_seeds(10_000, Weather::CALM, Protocol::Ours));
}

#[test]
fn nor_does_one_in_which_requests_and_replies_are_lost_or_late() {
    assert_none(&broken_seeds(10_000, Weather::STORMY, Protocol::Ours));
}

#[test]
fn the_naive_protocol_is_caught() {
    assert!(!broken_seeds(300, Weather::CALM, Protocol::Naive).is_empty());
}

#[test]
fn a_store_that_fills_blindly_is_caught() {
    let blind = Weather::STORMY.planted(Planted::BlindFill);
    assert!(!broken_seeds(1_000, blind, Protocol::Ours).is_empty());
}
