//! Servers that are away, hang, come back or don't let us in.

mod common;

use std::time::Duration;

use common::{LONG, TIMEOUT, config, connected, entry, eventually, hour, idle, key, minute, text};
use tasker_cache_core::{Backend, ErrorKind};
use tasker_cache_redis::Redis;
use tasker_cache_testkit::proxy::{Direction, FaultProxy, NetworkFault};
use tasker_cache_testkit::server::RedisServer;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

async fn works(backend: &Redis) -> bool {
    backend.ping().await.is_ok()
}

#[tokio::test]
async fn a_server_that_refuses_is_said_at_once_and_used_once_it_is_there() {
    let server = RedisServer::start().await;
    server.kill().await;
    let backend = idle(&server.url());
    let begun = Instant::now();

    let error = backend.ready().await.expect_err("nobody listens");
    assert_eq!(error.to_string(), "the connection was refused");
    assert!(begun.elapsed() < TIMEOUT, "{:?}", begun.elapsed());
    let begun = Instant::now();
    let failed = backend.get(&key("k")).await.expect_err("nobody listens");
    assert_eq!(failed.kind(), ErrorKind::Unavailable);
    assert!(begun.elapsed() < TIMEOUT / 2, "{:?}", begun.elapsed());

    server.restart().await;
    eventually("it is used", || works(&backend)).await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_said_within_the_connection_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("redis://{}", silent.local_addr().expect("bound"));
    let short = Duration::from_millis(500);
    let backend = Redis::new(config(&url).connection_timeout(short)).expect("a configuration");
    let begun = Instant::now();

    let error = backend.ready().await.expect_err("it never answers");

    assert_eq!(error.to_string(), "no answer in time");
    assert!(begun.elapsed() >= short && begun.elapsed() < short * 10, "{:?}", begun.elapsed());
    let begun = Instant::now();
    assert!(backend.get(&key("k")).await.is_err());
    assert!(begun.elapsed() < TIMEOUT * 4, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_wrong_password_is_said_in_words_and_tried_again() {
    let server = RedisServer::builder().password("right").start().await;
    let at = server.address();
    for (url, words) in [
        (format!("redis://:wrong@{at}"), "wrong user or password"),
        (format!("redis://{at}"), "the server wants a password, and none is configured"),
    ] {
        let error = idle(&url).ready().await.expect_err("not let in");
        assert_eq!(error.to_string(), words);
        assert_eq!(error.kind(), ErrorKind::Authentication);
    }
    let backend = idle(&format!("redis://:later@{at}"));
    backend.ready().await.expect_err("not let in yet");

    server.command(&["CONFIG", "SET", "requirepass", "later"]).await;
    eventually("it is let in", || works(&backend)).await;
}

#[tokio::test]
async fn a_password_that_the_server_does_not_ask_for_is_no_fault() {
    let server = RedisServer::start().await;

    let backend = connected(&format!("redis://:unwanted@{}", server.address())).await;

    assert!(works(&backend).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_loads_is_said_in_words_and_waited_for() {
    // It looks at its clients after each of so many bytes, and takes its time for each key.
    let often = ["--loading-process-events-interval-bytes", "1024"];
    let server = RedisServer::builder().arg(often[0]).arg(often[1]).start().await;
    let filler = "x".repeat(2_000);
    for number in 0..30 {
        let letters: String = filler.chars().map(|_| fastrand::alphanumeric()).collect();
        server.command(&["SET", &format!("filler:{number}"), &letters]).await;
    }
    server.command(&["CONFIG", "SET", "key-load-delay", "200000"]).await;
    let url = server.url();
    let loads = async { server.try_command(&["DEBUG", "RELOAD"]).await.is_ok() };
    let said = async {
        loop {
            let error = idle(&url).ready().await.err().filter(|e| e.kind() == ErrorKind::NotReady);
            match error {
                Some(error) => return error.to_string(),
                None => sleep(Duration::from_millis(10)).await,
            }
        }
    };

    let (loaded, said) = tokio::join!(loads, tokio::time::timeout(LONG, said));

    assert_eq!(said.as_deref(), Ok("the server is loading its data"));
    assert!(loaded);
    eventually("it is used", || async { idle(&url).ready().await.is_ok() }).await;
}

#[tokio::test]
async fn a_host_without_an_address_is_said_in_words() {
    // As long as a resolver may ask again.
    let config = config("redis://no-such-host.invalid").connection_timeout(LONG);
    let backend = Redis::new(config).expect("a configuration");
    let error = backend.ready().await.expect_err("no such host");

    assert_eq!(error.to_string(), "the host was not found");
}

#[tokio::test]
async fn a_killed_server_is_used_again_once_it_is_back() {
    let server = RedisServer::start().await;
    let backend = connected(&server.url()).await;
    let key = key("k");
    backend.set(&key, entry("v"), minute()).await.expect("it runs");

    server.kill().await;
    assert!(backend.get(&key).await.is_err());
    let begun = Instant::now();
    for _ in 0..100 {
        assert!(backend.get(&key).await.is_err());
    }
    assert!(begun.elapsed() < TIMEOUT * 10, "{:?}", begun.elapsed());

    server.restart().await;
    eventually("it is used", || works(&backend)).await;
    assert_eq!(text(backend.get(&key).await.expect("it runs")), None);
}

#[tokio::test]
async fn a_ping_waits_for_the_attempt_that_it_asks_for() {
    let server = RedisServer::start().await;
    let backend = connected(&server.url()).await;
    server.kill().await;
    eventually("it is missed", || async { !works(&backend).await }).await;
    sleep(TIMEOUT).await;
    let begun = Instant::now();
    for _ in 0..10 {
        assert!(!works(&backend).await);
    }
    // A second. By itself the next attempt comes after one or two.
    assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());

    server.restart().await;

    assert!(works(&backend).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_server_slows_calls_for_one_operation_timeout_only() {
    let server = RedisServer::start().await;
    let backend = connected(&server.url()).await;
    let key = key("k");
    server.pause();

    let begun = Instant::now();
    assert!(backend.get(&key).await.is_err());
    assert!(begun.elapsed() < TIMEOUT * 3, "{:?}", begun.elapsed());
    let begun = Instant::now();
    for _ in 0..100 {
        assert!(backend.get(&key).await.is_err());
    }
    assert!(begun.elapsed() < TIMEOUT * 10, "{:?}", begun.elapsed());

    server.resume();
    eventually("it is used", || works(&backend)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_loses_everything_is_replaced() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let backend = connected(&server.url_at(proxy.address())).await;
    proxy.set(NetworkFault::BlackHole(Direction::Both));

    let begun = Instant::now();
    let error = backend.ping().await.expect_err("nothing arrives");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(begun.elapsed() < TIMEOUT * 3, "{:?}", begun.elapsed());
    proxy.clear();
    eventually("it is used", || works(&backend)).await;
    assert!(proxy.counts().connections >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn full_buffers_of_a_hung_server_end_calls_and_not_the_backend() {
    let server = RedisServer::start().await;
    let backend = connected(&server.url()).await;
    server.pause();
    let large = entry(&"x".repeat(1_000_000));
    let begun = Instant::now();
    let writes: Vec<_> = (0..200)
        .map(|number| {
            let (backend, large, key) = (backend.clone(), large.clone(), key(&number.to_string()));
            tokio::spawn(async move { backend.set(&key, large, minute()).await })
        })
        .collect();

    for write in writes {
        assert!(write.await.expect("no panic").is_err());
    }
    assert!(begun.elapsed() < TIMEOUT * 10, "{:?}", begun.elapsed());
    server.resume();
    eventually("it is used", || works(&backend)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_cut_replies_are_survived() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let backend = connected(&server.url_at(proxy.address())).await;
    let key = key("k");
    backend.set(&key, entry("v"), hour()).await.expect("it runs");

    for fault in [
        NetworkFault::Garbage,
        NetworkFault::ResetMidReply,
        NetworkFault::DuplicateReplies,
        NetworkFault::Slices,
    ] {
        proxy.set(fault);
        for _ in 0..20 {
            if let Ok(Some(found)) = backend.get(&key).await {
                assert_eq!(text(Some(found)).as_deref(), Some("v"), "{fault:?}");
            }
        }
        proxy.clear();
        eventually(&format!("it is used after {fault:?}"), || async {
            matches!(backend.get(&key).await, Ok(Some(_)))
        })
        .await;
    }
}

#[test]
fn a_backend_outlives_the_runtime_it_connected_on() {
    let run = |future: &dyn Fn(Redis) -> std::pin::Pin<Box<dyn Future<Output = ()>>>, backend| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(future(backend));
    };
    let keeper = tokio::runtime::Runtime::new().expect("a runtime");
    let server = keeper.block_on(RedisServer::start());
    let backend = idle(&server.url());

    for _ in 0..3 {
        let ping = |backend: Redis| -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
            Box::pin(async move { backend.ping().await.expect("a connection on this runtime") })
        };
        run(&ping, backend.clone());
    }
}

#[test]
fn a_runtime_that_stands_still_does_not_keep_a_server_that_came_up_from_another() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (running, still) = (runtime().expect("a runtime"), runtime().expect("a runtime"));
    let server = running.block_on(RedisServer::start());
    let backend = idle(&server.url());
    running.block_on(server.kill());
    // From here on, who connects is on a runtime that nobody drives.
    assert!(still.block_on(backend.get(&key("k"))).is_err());

    running.block_on(async {
        server.restart().await;
        eventually("it is used", || works(&backend)).await;
    });
}

/// Makes fifty writes that fail; every other one is dropped after this long.
async fn write_in_vain(backend: &Redis, patience: Duration) {
    let mut writes = JoinSet::new();
    for number in 0..50 {
        let (backend, key) = (backend.clone(), key(&number.to_string()));
        writes.spawn(async move {
            let write = backend.set(&key, entry("stale"), minute());
            if number % 2 == 0 {
                assert!(write.await.is_err());
            } else {
                let _ = tokio::time::timeout(patience, write).await;
            }
        });
    }
    writes.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_was_given_up_is_not_made_later() {
    let server = RedisServer::start().await;
    let backend = connected(&server.url()).await;
    server.kill().await;
    write_in_vain(&backend, Duration::from_micros(100)).await;

    // By then each of them was given up.
    sleep(TIMEOUT).await;
    server.restart().await;
    eventually("it is used", || works(&backend)).await;
    sleep(TIMEOUT / 2).await;

    assert_eq!(server.command(&["DBSIZE"]).await.integer(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_a_hung_server_did_not_take_is_not_made_on_the_next() {
    let server = RedisServer::start().await;
    let backend = connected(&server.url()).await;
    server.pause();
    write_in_vain(&backend, Duration::from_millis(10)).await;

    server.restart().await;
    eventually("it is used", || works(&backend)).await;
    sleep(TIMEOUT / 2).await;

    assert_eq!(server.command(&["DBSIZE"]).await.integer(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_a_second_wait_for_a_hung_server_once() {
    let server = RedisServer::start().await;
    let backend = connected(&server.url()).await;
    server.pause();
    let begun = Instant::now();
    let mut requests = JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    while begun.elapsed() < TIMEOUT * 3 {
        ticks.tick().await;
        let backend = backend.clone();
        requests.spawn(async move {
            let (since, started) = (begun.elapsed(), Instant::now());
            assert!(backend.get(&key("k")).await.is_err());
            (since, started.elapsed())
        });
    }

    let all = requests.join_all().await;
    let waited: Vec<_> = all.iter().filter(|(_, took)| *took >= TIMEOUT).collect();
    let late = waited.iter().filter(|(since, _)| *since >= TIMEOUT * 2).count();
    assert!(!waited.is_empty());
    // One that a busy machine kept is no sign; where requests wait, thousands do.
    assert!(late < all.len() / 100, "{late} of {} waited too late", all.len());
    server.resume();
    eventually("it is used", || works(&backend)).await;
}

#[tokio::test]
async fn everything_ends_with_the_last_handle() {
    let server = RedisServer::start().await;
    let clients = async || {
        let list = server.command(&["CLIENT", "LIST", "TYPE", "normal"]).await;
        list.text().expect("text").lines().count()
    };
    let (alone, tasks) = (clients().await, tokio::runtime::Handle::current().metrics());
    let before = tasks.num_alive_tasks();
    let backend = connected(&server.url()).await;
    let other = backend.clone();
    drop(backend);
    other.ping().await.expect("one handle is left");
    let (first, second) = (key("first"), key("second"));
    let reads = tokio::join!(other.get(&first), other.get(&second));
    assert!(matches!(reads, (Ok(None), Ok(None))));
    assert_eq!(clients().await, alone + 1);

    drop(other);

    eventually("the connection is closed", || async { clients().await == alone }).await;
    eventually("no task is left", || async { tasks.num_alive_tasks() == before }).await;
}
