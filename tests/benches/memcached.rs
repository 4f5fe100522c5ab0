//! Hits of 512 bytes on a real memcached, beside one client behind a mutex and a pool of eight, in
//! the same run.

#![expect(clippy::expect_used, reason = "a benchmark without its server fails by panicking")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use async_memcached::{AsciiProtocol, Client};
use tasker_cache_core::{Backend, Entry, Key, KeyBuilder, Ttl};
use tasker_cache_memcached::{Memcached, MemcachedConfig};
use tasker_cache_testkit::server::MemcachedServer;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

const KEYS: usize = 1_000;
const VALUE_BYTES: usize = 512;
const ROUNDS: usize = 9;
const POOL: usize = 8;
/// How many tasks ask at a time, and how many operations all of them make in a round.
const LOADS: [(usize, usize); 3] = [(1, 3_000), (16, 12_000), (256, 40_000)];

/// Clients that are taken for one operation each.
struct Pool {
    free: Semaphore,
    clients: std::sync::Mutex<Vec<Client>>,
}

impl Pool {
    async fn new(url: &str) -> Self {
        let mut clients = Vec::new();
        for _ in 0..POOL {
            clients.push(Client::new(url).await.expect("reachable"));
        }
        Self { free: Semaphore::new(POOL), clients: std::sync::Mutex::new(clients) }
    }

    async fn get(&self, key: &Key) -> usize {
        let _permit = self.free.acquire().await.expect("never closed");
        let taken = self.clients.lock().expect("nobody panics").pop();
        let mut client = taken.expect("as many clients as permits");
        let bytes = get(&mut client, key).await;
        self.clients.lock().expect("nobody panics").push(client);
        bytes
    }
}

async fn get(client: &mut Client, key: &Key) -> usize {
    let value = client.get(key.as_str()).await.expect("reachable").expect("a hit");
    value.data.map_or(0, |data| data.len())
}

/// Who reads the same keys of the same server.
struct Contest {
    keys: Vec<Key>,
    mutex: Mutex<Client>,
    pool: Pool,
    backend: Memcached,
}

impl Contest {
    async fn new(server: &MemcachedServer) -> Self {
        let url = server.url();
        let config = MemcachedConfig::new(&url).expect("a URL of the harness");
        let backend = Memcached::new(config.operation_timeout(Duration::from_secs(10)));
        let key = |number| KeyBuilder::region("bench", "raw", 0).segment(number).key();
        let keys: Vec<Key> = (0..KEYS).map(key).collect();
        let hour = Ttl::new(Duration::from_secs(3600)).expect("not zero");
        for key in &keys {
            backend.set(key, Entry::new(vec![7; VALUE_BYTES]), hour).await.expect("reachable");
        }
        let mutex = Mutex::new(Client::new(&url).await.expect("reachable"));
        Self { keys, mutex, pool: Pool::new(&url).await, backend }
    }

    async fn hit(&self, contender: usize, number: usize) -> usize {
        let key = &self.keys[number % KEYS];
        match contender {
            0 => get(&mut *self.mutex.lock().await, key).await,
            1 => self.pool.get(key).await,
            _ => {
                let hit = self.backend.get(key).await.expect("reachable");
                hit.expect("a hit").payload().len()
            }
        }
    }
}

/// Operations per second of so many tasks.
async fn rate(contest: &Arc<Contest>, contender: usize, tasks: usize, operations: usize) -> f64 {
    let mut running = JoinSet::new();
    let each = operations / tasks;
    let begun = Instant::now();
    for task in 0..tasks {
        let contest = Arc::clone(contest);
        running.spawn(async move {
            for number in 0..each {
                black_box(contest.hit(contender, task * 31 + number * 7).await);
            }
        });
    }
    running.join_all().await;
    f64::from(u32::try_from(each * tasks).expect("small")) / begun.elapsed().as_secs_f64()
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

#[tokio::main]
async fn main() {
    let server = MemcachedServer::start().await;
    let contest = Arc::new(Contest::new(&server).await);

    println!("{:24} {:>12} {:>12} {:>12}", "median ops/s, 9 rounds", "mutex", "pool of 8", "ours");
    for (tasks, operations) in LOADS {
        let mut rates: [Vec<f64>; 3] = Default::default();
        for round in 0..ROUNDS {
            // Each comes first in a third of the rounds.
            for turn in 0..3 {
                let contender = (round + turn) % 3;
                rates[contender].push(rate(&contest, contender, tasks, operations).await);
            }
        }
        let [mutex, pool, ours] = rates.each_mut().map(|rates| median(rates));
        let name = format!("hits, {tasks} tasks");
        println!("{name:24} {mutex:>12.0} {pool:>12.0} {ours:>12.0}");
        let (to_mutex, to_pool) = (ours / mutex, ours / pool);
        let targets = if tasks == 256 { "  (targets: >= 5 and >= 3)" } else { "" };
        println!("{:24} {to_mutex:>12.2} {to_pool:>12.2}{targets}", "  ours, as a multiple");
    }
}
