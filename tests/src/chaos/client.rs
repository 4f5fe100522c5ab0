//! A client process: a cache, tasks that read and write through it, and a log of what they saw.

mod reading;
mod writing;

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use rustix::process::{Signal, set_parent_process_death_signal};
use tasker_cache::{Cache, CircuitState, Config, Region, Usage};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Result;
use super::clock::Moment;
use super::database::Database;
use super::log::Log;
use super::options;
use super::record::{Record, What};
use super::rows::{ROWS, Value, Zipf};

/// How many tasks of a client make calls.
const TASKS: usize = 12;

/// How long a task waits between two calls at most.
const PAUSE: Duration = Duration::from_millis(4);

/// How many calls of a hundred are writes.
const WRITES: u8 = 10;

/// How long an entry lives; longer than any fault, so that only invalidations can save readers.
const TTL: Duration = Duration::from_secs(120);

/// How long a load may take and still fill.
const HOLD: Duration = Duration::from_secs(2);

/// How often the cache's counters are noted.
const COUNTED: Duration = Duration::from_millis(100);

/// How long the tasks may take to end once they are told to.
const END: Duration = Duration::from_secs(30);

/// What the tasks of a client share.
#[derive(Debug)]
struct Client {
    number: usize,
    cache: Cache,
    region: Region<Value>,
    database: Database,
    log: Log,
    zipf: Zipf,
    /// One for each row: whoever puts it holds it from the commit until the put has begun.
    turns: Vec<Mutex<()>>,
}

/// Runs a client until its standard input is closed.
pub(crate) fn run(options: &options::Client) -> Result<()> {
    // The referee may be killed, and nobody would let a paused client go on.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let log = Log::create(&options.log)?;
    note_panics(Log::create(&options.log)?);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all();
    plant(&mut runtime, options.mutant.as_deref())?;
    runtime.build()?.block_on(serve(options, log))
}

#[cfg(tasker_cache_mutants)]
fn plant(runtime: &mut tokio::runtime::Builder, mutant: Option<&str>) -> Result<()> {
    use tasker_cache::Mutant;
    let all = [
        Mutant::NoSeal,
        Mutant::NoJournal,
        Mutant::ReadBeforeReplay,
        Mutant::JoinAnyFlight,
        Mutant::JoinAfterTheSend,
    ];
    if let Some(name) = mutant {
        let found = all.into_iter().find(|mutant| format!("{mutant:?}") == name);
        let mutant = found.ok_or_else(|| format!("there is no mutant `{name}`: {all:?}"))?;
        tasker_cache::plant(Some(mutant));
        runtime.on_thread_start(move || tasker_cache::plant(Some(mutant)));
    }
    Ok(())
}

#[cfg(not(tasker_cache_mutants))]
fn plant(_: &mut tokio::runtime::Builder, mutant: Option<&str>) -> Result<()> {
    match mutant {
        Some(_) => Err("mutants need a build with `--cfg tasker_cache_mutants`".into()),
        None => Ok(()),
    }
}

/// Notes every panic of this process, whoever catches it.
fn note_panics(log: Log) {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        print(info);
        log.note(What::Panicked, 0, 0, Moment::now());
    }));
}

async fn serve(options: &options::Client, log: Log) -> Result<()> {
    let cache = Cache::connect(&config(&options.url)?).await;
    let region = cache.region(Usage::new("row").ttl(TTL).hold(HOLD).max_concurrent_loads(16));
    let client = Arc::new(Client {
        number: options.number,
        cache,
        region,
        database: Database::new(options.database.clone()),
        log,
        zipf: Zipf::new(),
        turns: (0..ROWS).map(|_| Mutex::default()).collect(),
    });
    client.log.note(What::Ready, 0, 0, Moment::now());
    let (stop, stopped) = watch::channel(false);
    let mut random = Rng::with_seed(options.seed);
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        tasks.spawn(work(Arc::clone(&client), random.fork(), stopped.clone()));
    }
    tasks.spawn(count(Arc::clone(&client), stopped));
    end_of_input().await?;
    stop.send_replace(true);
    let ended = timeout(END, async { while tasks.join_next().await.is_some() {} }).await;
    if ended.is_err() {
        client.log.note(What::Stuck, 0, 0, Moment::now());
    }
    let _left = client.cache.close().await;
    Ok(())
}

/// Returns a configuration whose times are so short that many outages fit into a minute.
fn config(url: &str) -> Result<Config> {
    let config = Config::default()
        .enabled(true)
        .key_prefix("chaos")
        .operation_timeout(Duration::from_millis(250))
        .breaker_timeout(Duration::from_secs(1));
    let config = if url.starts_with("tcp:") {
        let timeout = Duration::from_secs(1);
        config.backend("memcached").memcached_urls([url]).memcached_connection_timeout(timeout)
    } else {
        let timeout = Duration::from_secs(1);
        config.backend("redis").redis_url(url).redis_connection_timeout(timeout)
    };
    config.resolve()?;
    Ok(config)
}

async fn work(client: Arc<Client>, mut random: Rng, stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        if random.u8(0..100) < WRITES {
            client.write(&mut random).await;
        } else {
            client.read(&mut random).await;
        }
        sleep(PAUSE.mul_f64(random.f64())).await;
    }
}

async fn count(client: Arc<Client>, stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        let status = client.cache.status();
        let counters = status.counters;
        let is_open = status.circuit.is_some_and(|circuit| circuit != CircuitState::Closed);
        let (failed, bypassed) =
            (counters.failed_reads + counters.failed_fills, counters.bypassed());
        client.log.add(&[Record {
            what: What::Counters,
            is_first: true,
            row: is_open.into(),
            spent: u32::try_from(counters.deferred).unwrap_or(u32::MAX),
            version: failed,
            begin: Moment(bypassed),
            end: Moment::now(),
        }]);
        sleep(COUNTED).await;
    }
}

/// Waits until the referee closes the other end of this process's input.
async fn end_of_input() -> Result<()> {
    let read = || std::io::stdin().read_to_end(&mut Vec::new());
    tokio::task::spawn_blocking(read).await??;
    Ok(())
}
