//! Hits of 512 bytes from a Redis server, beside raw fred and redis-rs in the same run: first with
//! all of them on the same cores, then with the server on a core of its own.

#![expect(clippy::expect_used, reason = "without its server there is nothing to measure")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use fred::interfaces::{ClientLike, KeysInterface};
use redis::AsyncCommands;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tasker_cache_core::envelope::{Decoded, HEADER_LEN, decode_slice};
use tasker_cache_core::{Backend, Bytes, Entry, Key, KeyBuilder, Lookup, Ttl};
use tasker_cache_redis::{Redis, RedisConfig};
use tasker_cache_testkit::server::RedisServer;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::Instant;

const KEYS: usize = 1_000;
const VALUE: usize = 512;
const TASKS: [(usize, usize); 3] = [(1, 10_000), (16, 4_000), (256, 500)];
const MGET: usize = 64;
const MGETS: usize = 500;
const TIMEOUT: Duration = Duration::from_secs(1);

/// In each, the readers take turns in an order of its own: none profits from what another leaves
/// behind.
const ROUNDS: usize = 24;

/// What reads one entry; returns the length of its value.
trait Reader: Clone + Send + 'static {
    fn read(&mut self, key: &Key) -> impl Future<Output = usize> + Send;
}

impl Reader for fred::clients::Client {
    async fn read(&mut self, key: &Key) -> usize {
        let value: Option<Bytes> = self.get(key.as_str()).await.expect("a hit");
        value.expect("a hit").len() - HEADER_LEN
    }
}

/// The client alone, with what nobody can leave out who shares a server: the reply is seen to belong
/// to its key, and its value no longer to the buffer that it came in.
#[derive(Clone)]
struct Verified(fred::clients::Client);

impl Reader for Verified {
    async fn read(&mut self, key: &Key) -> usize {
        let value: Option<Bytes> = self.0.get(key.as_str()).await.expect("a hit");
        match decode_slice(key, &value.expect("a hit")) {
            Decoded::Value { payload, .. } => {
                Entry::new(Bytes::copy_from_slice(payload)).payload().len()
            }
            other => panic!("no value but {other:?}"),
        }
    }
}

impl Reader for redis::aio::ConnectionManager {
    async fn read(&mut self, key: &Key) -> usize {
        let value: Option<Vec<u8>> = self.get(key.as_str()).await.expect("a hit");
        value.expect("a hit").len() - HEADER_LEN
    }
}

impl Reader for Redis {
    async fn read(&mut self, key: &Key) -> usize {
        self.get(key).await.expect("a hit").expect("a hit").payload().len()
    }
}

#[derive(Clone)]
struct Leasing(Redis);

impl Reader for Leasing {
    async fn read(&mut self, key: &Key) -> usize {
        match self.0.get_or_lease(key, Duration::from_secs(30)).await {
            Ok(Lookup::Hit(entry)) => entry.payload().len(),
            other => panic!("no hit but {other:?}"),
        }
    }
}

/// Operations per second of `tasks` tasks, each of which reads `operations` times.
async fn throughput(
    tasks: usize,
    operations: usize,
    reader: &impl Reader,
    keys: &Arc<[Key]>,
) -> f64 {
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for task in 0..tasks {
        let (mut reader, keys) = (reader.clone(), Arc::clone(keys));
        running.spawn(async move {
            for number in 0..operations {
                let read = reader.read(&keys[(task * 31 + number * 7) % KEYS]).await;
                assert_eq!(black_box(read), VALUE);
            }
        });
    }
    running.join_all().await;
    let done = u32::try_from(tasks * operations).expect("a small number");
    f64::from(done) / begun.elapsed().as_secs_f64()
}

/// Keys per second of so many tasks that each ask for 64 at once: what the client and the server
/// can do when nobody has to be told apart.
async fn throughput_of_mget(
    client: &fred::clients::Client,
    tasks: usize,
    keys: &Arc<[Key]>,
) -> f64 {
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for task in 0..tasks {
        let (client, keys) = (client.clone(), Arc::clone(keys));
        running.spawn(async move {
            for number in 0..MGETS {
                let asked = (0..MGET).map(|at| keys[(task * 31 + number * 7 + at) % KEYS].as_str());
                let asked: Vec<&str> = asked.collect();
                let values: Vec<Option<Bytes>> = client.mget(asked).await.expect("hits");
                assert!(black_box(values).iter().all(Option::is_some));
            }
        });
    }
    running.join_all().await;
    let done = u32::try_from(tasks * MGETS * MGET).expect("a small number");
    f64::from(done) / begun.elapsed().as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

async fn raw_fred(url: &str) -> fred::clients::Client {
    let config = fred::types::config::Config::from_url(url).expect("a URL");
    let performance = fred::types::config::PerformanceConfig {
        default_command_timeout: TIMEOUT,
        ..Default::default()
    };
    let client = fred::clients::Client::new(config, Some(performance), None, None);
    client.init().await.expect("a server");
    client
}

async fn raw_redis_rs(url: &str) -> redis::aio::ConnectionManager {
    let client = redis::Client::open(url).expect("a URL");
    client.get_connection_manager().await.expect("a server")
}

async fn ours(url: &str) -> Redis {
    let config = RedisConfig::new(url).expect("a URL").operation_timeout(TIMEOUT);
    let backend = Redis::new(config).expect("a configuration");
    backend.ready().await.expect("a server");
    backend
}

fn main() {
    println!("Clients and server share all cores:\n");
    Runtime::new().expect("a runtime").block_on(bench(None));

    let cores = sched_getaffinity(None).expect("the cores of this process");
    let mut usable = (0..CpuSet::MAX_CPU).filter(|&core| cores.is_set(core));
    let (Some(last), Some(_)) = (usable.next_back(), usable.next()) else {
        println!("\nNot run: the server on a core of its own, as there is but one.");
        return;
    };
    println!("\nThe server has a core of its own:\n");
    let (mut own, mut others) = (CpuSet::new(), cores);
    own.set(last);
    others.unset(last);
    // What this thread starts stays on the same cores.
    sched_setaffinity(None, &others).expect("cores to run on");
    Runtime::new().expect("a runtime").block_on(bench(Some(own)));
}

const NAMES: [&str; 5] = [
    "raw fred get",
    "raw fred get, verified",
    "redis-rs ConnectionManager get",
    "Redis::get",
    "Redis::get_or_lease",
];

/// Prints the throughput of all, with the server on `own` cores if there are any.
async fn bench(own: Option<CpuSet>) {
    let server = RedisServer::start().await;
    let has_own_core = own.is_some();
    if let Some(own) = own {
        let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw).expect("its number");
        sched_setaffinity(Some(pid), &own).expect("a core to run on");
    }
    let url = server.url();
    let (fred, redis_rs, ours) = (raw_fred(&url).await, raw_redis_rs(&url).await, ours(&url).await);
    let keys: Arc<[Key]> = (0..KEYS)
        .map(|number| {
            let region = KeyBuilder::region("tasker", "template", 0).segment("payments");
            region.segment(format!("refund-{number}")).segment("1.0.0").key()
        })
        .collect();
    let day = Ttl::new(Duration::from_secs(86_400)).expect("not zero");
    for key in keys.iter() {
        ours.set(key, Entry::new("x".repeat(VALUE)), day).await.expect("a server");
    }

    let (verified, leasing) = (Verified(fred.clone()), Leasing(ours.clone()));
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);

    println!("median of {ROUNDS} rounds, in orders by the seed {seed}");
    println!("{:32} {:>6} {:>10} {:>7}  target", "", "tasks", "ops/s", "ratio");
    for (tasks, operations) in TASKS {
        let mut rates = [const { Vec::new() }; NAMES.len()];
        for _ in 0..ROUNDS {
            let mut order: Vec<usize> = (0..NAMES.len()).collect();
            random.shuffle(&mut order);
            for which in order {
                let rate = match which {
                    0 => throughput(tasks, operations, &fred, &keys).await,
                    1 => throughput(tasks, operations, &verified, &keys).await,
                    2 => throughput(tasks, operations, &redis_rs, &keys).await,
                    3 => throughput(tasks, operations, &ours, &keys).await,
                    _ => throughput(tasks, operations, &leasing, &keys).await,
                };
                rates[which].push(rate);
            }
        }
        let rates = rates.map(median);
        let unit = rates[0];
        let target = match tasks {
            1 => ">= 0.9",
            256 if has_own_core => ">= 2.5",
            _ => "",
        };
        for (which, (name, rate)) in NAMES.into_iter().zip(rates).enumerate() {
            let target = if which > 2 { target } else { "" };
            println!("{name:32} {tasks:>6} {rate:>10.0} {:>7.2}  {target}", rate / unit);
        }
        let at_once = tasks / MGET;
        if at_once > 0 {
            let mut rates = Vec::new();
            for _ in 0..ROUNDS {
                rates.push(throughput_of_mget(&fred, at_once, &keys).await);
            }
            let (name, rate) = ("raw fred mget of 64, keys", median(rates));
            println!("{name:32} {at_once:>6} {rate:>10.0} {:>7.2}", rate / unit);
        }
    }
}
