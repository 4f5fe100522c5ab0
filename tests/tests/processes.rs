//! Several processes that read one cold key at the same time, and one that dies while it loads.

#![expect(clippy::expect_used, reason = "a test ends where its assumption is wrong")]

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use tasker_cache::{Cache, Config, Region, Usage};
use tasker_cache_testkit::server::{MemcachedServer, Program, RedisServer};
use tempfile::NamedTempFile;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

const PROCESSES: u64 = 4;
const LOAD: Duration = Duration::from_millis(50);

/// The shortest time in which another process stops waiting for the one that loads.
const SHORTEST_WAIT: Duration = Duration::from_millis(70);

/// How long a lease is held, here as in the other processes.
const HOLD: Duration = Duration::from_secs(10);

/// The shortest time in which that other process may have loaded too, and loads once more.
const SECOND_LOAD: Duration = Duration::from_millis(120);

/// How many readers each process has, by attempt: on a machine that is too busy to run a thousand
/// beside a load of 50 ms, a few will do in the end.
const ATTEMPTS: [(u64, usize); 2] = [(1_000, 30), (20, 100)];

/// Held by the test whose processes run.
static TURN: Mutex<()> = Mutex::const_new(());

fn config(server: &str, url: &str) -> String {
    format!(
        "[common.cache]\nenabled = true\nbackend = \"{server}\"\nkey_prefix = \"test-{:x}\"\n\
         operation_timeout_ms = 10000\n[common.cache.{server}]\nurl = \"{url}\"\n",
        fastrand::u64(..)
    )
}

/// Another process with a cache of its own, which ends with this handle.
struct Process {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    fn start(config: &NamedTempFile) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_crowd"))
            .arg(config.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("cargo has made it");
        let commands = child.stdin.take().expect("it is piped");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut this = Self { child, commands, answers };
        assert_eq!(this.answer(), "ready");
        this
    }

    fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("it runs");
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it is text");
        line.trim().to_owned()
    }

    /// Returns how many loads there were, and how long the longest read took that loaded.
    fn loads(&mut self) -> (u64, Duration) {
        let answer = self.answer();
        let (loads, millis) = answer.split_once(' ').expect("two numbers");
        let number = |text: &str| text.parse().expect("a number");
        (number(loads), Duration::from_millis(number(millis)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already is fine too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn written(config: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("there is room");
    file.write_all(config.as_bytes()).expect("there is room");
    file
}

/// Asserts that each process loads once at most, and that one load serves all where it is done
/// before any other process can have lost patience.
async fn assert_loads_are_shared(config: &str) {
    let _turn = TURN.lock().await;
    let file = written(config);
    let mut processes: Vec<Process> = (0..PROCESSES).map(|_| Process::start(&file)).collect();
    let of_a_size = |(readers, count)| std::iter::repeat_n(readers, count);
    for (attempt, readers) in ATTEMPTS.into_iter().flat_map(of_a_size).enumerate() {
        for process in &mut processes {
            process.tell(&format!("read cold-{attempt} {readers} {}", LOAD.as_millis()));
        }
        let answers: Vec<_> = processes.iter_mut().map(Process::loads).collect();
        let loads: u64 = answers.iter().map(|(loads, _)| loads).sum();
        let longest = answers.iter().map(|(_, longest)| *longest).max().unwrap_or_default();
        println!("{readers} readers each: {loads} loads, the longest read took {longest:?}");
        assert!(loads >= 1);
        if longest < SECOND_LOAD {
            assert!(loads <= PROCESSES, "{loads} loads in {PROCESSES} processes");
        }
        if longest < SHORTEST_WAIT {
            assert_eq!(loads, 1, "the load was done within {longest:?}");
            return;
        }
    }
    panic!("no load of {LOAD:?} was done within {SHORTEST_WAIT:?}");
}

#[tokio::test]
async fn processes_share_the_load_of_a_cold_key_in_redis() {
    let server = RedisServer::start().await;
    assert_loads_are_shared(&config("redis", &server.url())).await;
}

#[tokio::test]
async fn processes_share_the_load_of_a_cold_key_in_valkey() {
    let server = RedisServer::builder().program(Program::Valkey).start().await;
    assert_loads_are_shared(&config("redis", &server.url())).await;
}

#[tokio::test]
async fn processes_share_the_load_of_a_cold_key_in_memcached() {
    let server = MemcachedServer::start().await;
    assert_loads_are_shared(&config("memcached", &server.url())).await;
}

async fn load(region: &Region<String>, key: &str) -> Duration {
    let begun = Instant::now();
    let Ok(value) = region.get_or_load(key, || async { Ok::<_, Infallible>("v".to_owned()) }).await;
    assert_eq!(*value, "v");
    begun.elapsed()
}

/// Asserts that a process which is killed while it holds a lease is waited for once, and that its
/// key is cached again when its lease is over.
async fn assert_the_dead_are_waited_for_once(config: &str) {
    let _turn = TURN.lock().await;
    let file = written(config);
    let config = Config::from_toml_str(config).expect("a right configuration");
    let cache = Cache::connect(&config).await;
    let region = cache.region::<String>(Usage::new("crowd").hold(HOLD));
    let mut doomed = Process::start(&file);
    doomed.tell("hold cold");
    assert_eq!(doomed.answer(), "loading");
    doomed.child.kill().expect("it runs");
    doomed.child.wait().expect("it has been killed");

    let first = load(&region, "cold").await;
    let mut later = Duration::MAX;
    for _ in 0..20 {
        later = later.min(load(&region, "cold").await);
    }

    assert!(first >= SHORTEST_WAIT, "the holder might have been alive: {first:?}");
    assert!(first < HOLD / 2, "waited {first:?}");
    assert!(later < SHORTEST_WAIT, "waited {later:?} each time");
    let begun = Instant::now();
    while region.get("cold").await.is_none() {
        assert!(begun.elapsed() < HOLD * 6, "never cached again");
        sleep(Duration::from_millis(500)).await;
        load(&region, "cold").await;
    }
}

#[tokio::test]
async fn a_killed_holder_costs_one_wait_in_redis() {
    let server = RedisServer::start().await;
    assert_the_dead_are_waited_for_once(&config("redis", &server.url())).await;
}

#[tokio::test]
async fn a_killed_holder_costs_one_wait_in_valkey() {
    let server = RedisServer::builder().program(Program::Valkey).start().await;
    assert_the_dead_are_waited_for_once(&config("redis", &server.url())).await;
}

#[tokio::test]
async fn a_killed_holder_costs_one_wait_in_memcached() {
    let server = MemcachedServer::start().await;
    assert_the_dead_are_waited_for_once(&config("memcached", &server.url())).await;
}
