//! Reads that leave together, and nobody in another's way.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use common::{LONG, config, connected, entry, key, minute, text};
use tasker_cache_core::{Backend, Key};
use tasker_cache_redis::Redis;
use tasker_cache_testkit::proxy::{FaultProxy, NetworkFault};
use tasker_cache_testkit::server::RedisServer;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep, timeout};

/// How often a command was called.
async fn calls(server: &RedisServer, command: &str) -> u64 {
    let all = server.command(&["INFO", "commandstats"]).await;
    let all = all.text().expect("text").to_owned();
    let line = all.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    let count = line.and_then(|line| line.split(',').next());
    count.map_or(0, |count| count.parse().expect("a number"))
}

async fn stored(backend: &Redis, count: usize) -> Vec<Key> {
    let keys: Vec<_> = (0..count).map(|number| key(&number.to_string())).collect();
    for key in &keys {
        backend.set(key, entry(key.as_str()), minute()).await.expect("a server");
    }
    keys
}

async fn read(backend: Redis, key: Key) -> Option<String> {
    text(backend.get(&key).await.expect("a server"))
}

#[tokio::test]
async fn reads_that_queue_leave_in_few_requests_and_each_gets_its_own() {
    let server = RedisServer::start().await;
    let backend = connected(&server.url()).await;
    let keys = stored(&backend, 256).await;
    let mut reads = JoinSet::new();
    for key in keys {
        let backend = backend.clone();
        reads.spawn(async move { (key.clone(), read(backend, key).await) });
    }

    for (key, found) in reads.join_all().await {
        assert_eq!(found.as_deref(), Some(key.as_str()));
    }

    let (gets, mgets) = (calls(&server, "get").await, calls(&server, "mget").await);
    assert!(gets + mgets <= 64, "{gets} GET and {mgets} MGET for 256 reads");
}

#[tokio::test]
async fn a_lone_read_is_a_plain_get() {
    let server = RedisServer::start().await;
    let backend = connected(&server.url()).await;
    let keys = stored(&backend, 10).await;

    for key in keys {
        read(backend.clone(), key).await;
    }

    assert_eq!((calls(&server, "get").await, calls(&server, "mget").await), (10, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_read_joins_one_that_is_on_the_wire() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let slow = Redis::new(config(&server.url_at(proxy.address())).operation_timeout(LONG));
    let (slow, fast) = (slow.expect("a configuration"), connected(&server.url()).await);
    slow.ready().await.expect("a server");
    proxy.set(NetworkFault::Latency(Duration::from_millis(30)));

    for round in 0..20 {
        let key = key("k");
        fast.set(&key, entry("old"), minute()).await.expect("a server");
        let mut early = JoinSet::new();
        for _ in 0..fastrand::usize(1..100) {
            early.spawn(read(slow.clone(), key.clone()));
        }
        sleep(Duration::from_millis(fastrand::u64(..90))).await;
        fast.delete(&key).await.expect("a server");

        let late: JoinSet<_> = (0..8).map(|_| read(slow.clone(), key.clone())).collect();

        let late = late.join_all().await;
        assert!(late.iter().all(Option::is_none), "round {round}: read after it was deleted");
        early.join_all().await;
    }
}

#[tokio::test]
async fn a_caller_that_is_not_polled_delays_nobody() {
    let server = RedisServer::start().await;
    let backend = connected(&server.url()).await;
    let keys = stored(&backend, 2).await;
    let mut asleep = Box::pin(backend.get(&keys[0]));
    poll_fn(|context| {
        assert!(asleep.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;

    for _ in 0..100 {
        assert!(read(backend.clone(), keys[1].clone()).await.is_some());
    }

    assert!(text(asleep.await.expect("a server")).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_answer_holds_nobody_back() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let slow = Redis::new(config(&server.url_at(proxy.address())).operation_timeout(LONG))
        .expect("a configuration");
    slow.ready().await.expect("a server");
    let way = Duration::from_secs(2);
    proxy.set(NetworkFault::Latency(way));

    let mut reads = JoinSet::new();
    for number in 0..200 {
        let (backend, key) = (slow.clone(), key(&number.to_string()));
        reads.spawn(async move {
            let begun = Instant::now();
            read(backend, key).await;
            begun.elapsed()
        });
        sleep(Duration::from_millis(1)).await;
    }

    // One round trip is two ways; to wait for another's first would be up to four.
    let longest = reads.join_all().await.into_iter().max().expect("some");
    assert!(longest < way * 3, "{longest:?}");
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

#[test]
fn a_runtime_that_stands_still_holds_nobody_back_on_another() {
    let (running, still) = (runtime(), runtime());
    let server = running.block_on(RedisServer::start());
    let backend = still.block_on(connected(&server.url()));
    let keys = still.block_on(stored(&backend, 10));
    // They have the connection and a queue on a runtime that nobody drives any more.
    for key in &keys {
        still.spawn(read(backend.clone(), key.clone()));
    }
    still.block_on(yield_now());

    running.block_on(async {
        let reads = keys.iter().cloned().map(|key| {
            let backend = backend.clone();
            async move {
                // The first ones find out that the connection is stuck.
                while !matches!(backend.get(&key).await, Ok(Some(_))) {
                    sleep(Duration::from_millis(10)).await;
                }
            }
        });
        let reads: JoinSet<()> = reads.collect();
        assert!(timeout(LONG, reads.join_all()).await.is_ok(), "reads wait for another runtime");
    });
}

#[test]
fn a_runtime_that_ends_takes_its_own_reads_along_and_no_others() {
    let server_runtime = runtime();
    let server = server_runtime.block_on(RedisServer::start());
    let staying = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let staying = staying.expect("a runtime");
    let backend = staying.block_on(connected(&server.url()));
    let keys = staying.block_on(stored(&backend, 300));

    for _ in 0..20 {
        let ending = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let ending = ending.expect("a runtime");
        for key in &keys {
            let (backend, key) = (backend.clone(), key.clone());
            ending.spawn(async move { drop(backend.get(&key).await) });
        }
        staying.block_on(async { sleep(Duration::from_millis(fastrand::u64(..3))).await });
        ending.shutdown_background();

        staying.block_on(async {
            let reads: JoinSet<_> =
                keys.iter().map(|key| read(backend.clone(), key.clone())).collect();
            let found = timeout(LONG, reads.join_all()).await.expect("reads that end");
            assert!(found.iter().all(Option::is_some));
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "it is about a task that blocks its thread")]
async fn a_task_that_keeps_its_thread_delays_no_read_beyond_its_time() {
    let server = RedisServer::start().await;
    let operation_timeout = Duration::from_millis(500);
    let config = config(&server.url()).operation_timeout(operation_timeout);
    let backend = Redis::new(config).expect("a configuration");
    backend.ready().await.expect("a server");
    let (hog, keep) = (backend.clone(), Duration::from_secs(10));
    let (started, begun) = tokio::sync::oneshot::channel();
    let hog = tokio::spawn(async move {
        let (first, second) = (key("first"), key("second"));
        let mut reads = [hog.get(&first), hog.get(&second)];
        poll_fn(|context| {
            for read in &mut reads {
                let _ = read.as_mut().poll(context);
            }
            Poll::Ready(())
        })
        .await;
        // What sends for the second one may wait on this thread.
        let _ = started.send(());
        std::thread::sleep(keep);
    });
    begun.await.expect("it polls");

    let begun = Instant::now();
    // The first one may only be told that it is late.
    while backend.get(&key("another")).await.is_err() {
        sleep(Duration::from_millis(10)).await;
    }

    assert!(begun.elapsed() < keep / 2, "{:?}", begun.elapsed());
    hog.await.expect("no panic");
}
