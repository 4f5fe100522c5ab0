//! Hits of 512 bytes from a Redis server, beside raw fred and redis-rs in the same run.

#![expect(clippy::expect_used, reason = "without its server there is nothing to measure")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use fred::interfaces::{ClientLike, KeysInterface};
use redis::AsyncCommands;
use tasker_cache_core::{Backend, Bytes, Entry, Key, KeyBuilder, Lookup, Ttl};
use tasker_cache_redis::{Redis, RedisConfig};
use tasker_cache_testkit::server::RedisServer;
use tokio::task::JoinSet;
use tokio::time::Instant;

const KEYS: usize = 1_000;
const ROUNDS: usize = 15;
const VALUE: usize = 512;
const TASKS: [(usize, usize); 3] = [(1, 10_000), (16, 4_000), (256, 500)];
const TIMEOUT: Duration = Duration::from_secs(1);

/// Operations per second of `tasks` tasks, each of which reads `operations` times.
async fn throughput<C, F>(
    tasks: usize,
    operations: usize,
    client: &C,
    read: impl Fn(C, usize) -> F + Copy + Send + 'static,
) -> f64
where
    C: Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send,
{
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for task in 0..tasks {
        let client = client.clone();
        running.spawn(async move {
            for number in 0..operations {
                read(client.clone(), (task * 31 + number * 7) % KEYS).await;
            }
        });
    }
    running.join_all().await;
    let done = u32::try_from(tasks * operations).expect("a small number");
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

#[tokio::main]
async fn main() {
    let server = RedisServer::start().await;
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

    println!(
        "{:32} {:>6} {:>10} {:>7}  target",
        "median of 15 rotated rounds", "tasks", "ops/s", "ratio"
    );
    for (tasks, operations) in TASKS {
        let mut rates = [const { Vec::new() }; 4];
        for round in 0..ROUNDS {
            for turn in 0..rates.len() {
                let which = (round + turn) % rates.len();
                let rate = match which {
                    0 => {
                        let client = (fred.clone(), Arc::clone(&keys));
                        throughput(tasks, operations, &client, |(client, keys), at| async move {
                            let value: Option<Bytes> =
                                client.get(keys[at].as_str()).await.expect("a hit");
                            assert_eq!(black_box(value).expect("a hit").len(), VALUE + 56);
                        })
                        .await
                    }
                    1 => {
                        let client = (redis_rs.clone(), Arc::clone(&keys));
                        throughput(
                            tasks,
                            operations,
                            &client,
                            |(mut client, keys), at| async move {
                                let value: Option<Vec<u8>> =
                                    client.get(keys[at].as_str()).await.expect("a hit");
                                assert_eq!(black_box(value).expect("a hit").len(), VALUE + 56);
                            },
                        )
                        .await
                    }
                    2 => {
                        let client = (ours.clone(), Arc::clone(&keys));
                        throughput(tasks, operations, &client, |(client, keys), at| async move {
                            let value = client.get(&keys[at]).await.expect("a hit");
                            assert_eq!(black_box(value).expect("a hit").payload().len(), VALUE);
                        })
                        .await
                    }
                    _ => {
                        let client = (ours.clone(), Arc::clone(&keys));
                        throughput(tasks, operations, &client, |(client, keys), at| async move {
                            let hold = Duration::from_secs(30);
                            let found = client.get_or_lease(&keys[at], hold).await;
                            assert!(matches!(black_box(found), Ok(Lookup::Hit(_))));
                        })
                        .await
                    }
                };
                rates[which].push(rate);
            }
        }
        let unit = median(rates[0].clone());
        let target = match tasks {
            1 => ">= 0.95",
            256 => ">= 2.5",
            _ => "",
        };
        let names =
            ["raw fred get", "redis-rs ConnectionManager get", "Redis::get", "Redis::get_or_lease"];
        for (which, (name, rates)) in names.into_iter().zip(rates).enumerate() {
            let rate = median(rates);
            let target = if which > 1 { target } else { "" };
            println!("{name:32} {tasks:>6} {rate:>10.0} {:>7.2}  {target}", rate / unit);
        }
    }
}
