//! Whole services over a simulated store on a paused clock: one seed, one interleaving.
//!
//! Two processes read, write and invalidate a few rows while the store is evicted from, cut off
//! and restarted, and futures are dropped. Everything random comes from the seed.

mod nemesis;
mod reader;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tasker_cache::{BreakerSettings, Cache, Region, Usage};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::history::{Process, Row};
use crate::sim::{Sim, Weather};

pub(crate) const ROWS: usize = 4;
const PROCESSES: usize = 2;
const READERS: usize = 3;
const WRITERS: usize = 2;

/// The row that only the first process writes, since it also puts it.
pub(crate) const PUT_ROW: usize = 3;

/// How the services use their cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// As it is meant to be used.
    Ours,
    /// Get, load, set; delete.
    Naive,
}

/// What came of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many reads were checked.
    pub reads: u64,
    /// How many broke the rule.
    pub violations: u64,
    /// How many flights and pending invalidations were left in the end.
    pub leftover: usize,
    /// The same for two runs of which every read was the same.
    pub digest: u64,
}

impl Outcome {
    /// Tells whether nothing was wrong.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.violations == 0 && self.leftover == 0
    }
}

/// A row's number and version, so that a value tells which row it is of.
pub(crate) type Versioned = (usize, u64);

/// One process, as its tasks see it.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) number: usize,
    pub(crate) cache: Cache,
    pub(crate) region: Region<Versioned>,
    pub(crate) rows: Arc<[Row; ROWS]>,
    pub(crate) known: Arc<[Process; ROWS]>,
    pub(crate) protocol: Protocol,
}

/// Returns the key of a row: two rows share a first segment.
pub(crate) const fn key(row: usize) -> (usize, usize) {
    (row / 2, row % 2)
}

pub(crate) async fn pause(random: &mut Rng, up_to_ms: u64) {
    sleep(Duration::from_millis(random.u64(0..=up_to_ms))).await;
}

/// Runs one interleaving on a paused clock of its own.
///
/// # Panics
///
/// Panics if a task does, or if no runtime can be made.
#[must_use]
pub fn simulate(seed: u64, weather: Weather, protocol: Protocol) -> Outcome {
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap_or_else(|error| panic!("a runtime without I/O can be built: {error}"));
    runtime.block_on(run(Rng::with_seed(seed), weather, protocol))
}

async fn run(mut random: Rng, weather: Weather, protocol: Protocol) -> Outcome {
    let store = Sim::new(random.u64(..), weather);
    let rows = Arc::default();
    let mut tasks = JoinSet::new();
    let mut services = Vec::new();
    let usage = usage(&mut random);
    for number in 0..PROCESSES {
        let service = service(number, &store, &rows, &usage, protocol, &mut random);
        for _ in 0..READERS {
            tasks.spawn(reader::run(service.clone(), random.fork()));
        }
        for _ in 0..WRITERS {
            tasks.spawn(writer::run(service.clone(), random.fork()));
        }
        services.push(service);
    }
    let caches = services.iter().map(|service| service.cache.clone()).collect();
    let keys = (0..ROWS).map(|row| services[0].region.key(key(row))).collect();
    tasks.spawn(nemesis::run(store, caches, keys, random));
    while let Some(done) = tasks.join_next().await {
        done.unwrap_or_else(|error| panic!("a task failed: {error}"));
    }
    let sum = |of: fn(&Row) -> u64| rows.iter().map(of).fold(0, u64::wrapping_add);
    Outcome {
        reads: sum(Row::reads),
        violations: sum(Row::violations),
        digest: sum(Row::digest),
        leftover: settle(&services).await,
    }
}

fn usage(random: &mut Rng) -> Usage {
    let usage = Usage::new("row").max_concurrent_loads(if random.u8(..) < 64 { 1 } else { 64 });
    let usage = match random.u8(..) {
        0..80 => usage.ttl(Duration::from_millis(30)).jitter(0.5),
        _ => usage,
    };
    if random.bool() { usage.hold(Duration::from_millis(40)) } else { usage }
}

fn service(
    number: usize,
    store: &Sim,
    rows: &Arc<[Row; ROWS]>,
    usage: &Usage,
    protocol: Protocol,
    random: &mut Rng,
) -> Service {
    let breaker = BreakerSettings::default()
        .failure_threshold(2)
        .success_threshold(random.u32(1..=2))
        .timeout(Duration::from_millis(20));
    let builder = Cache::builder(store.clone());
    let cache =
        if random.u8(..) < 64 { builder.without_breaker() } else { builder.breaker(breaker) };
    let cache = cache.build();
    let region = cache.region(usage.clone());
    Service { number, cache, region, rows: Arc::clone(rows), known: Arc::default(), protocol }
}

/// Waits until nothing is pending and nothing loads; tells how much never ends.
async fn settle(services: &[Service]) -> usize {
    let begun = Instant::now();
    loop {
        let left = |service: &Service| {
            let status = service.cache.status();
            status.flights + status.pending.keys + status.pending.prefixes
        };
        let leftover = services.iter().map(left).sum();
        if leftover == 0 || begun.elapsed() > Duration::from_secs(60) {
            return leftover;
        }
        sleep(Duration::from_millis(100)).await;
    }
}
