//! Servers that are down, silent, gone and back, and what callers see of it.

mod common;

use std::time::Duration;

use futures::future::join_all;
use futures::poll;
use tasker_cache_core::{Backend, Entry, ErrorKind, Lookup};
use tasker_cache_memcached::Memcached;
use tasker_cache_testkit::proxy::{Direction, FaultProxy, NetworkFault};
use tasker_cache_testkit::server::MemcachedServer;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::common::{HOLD, client, config, eventually, hasty, key, seconds};

#[tokio::test]
async fn a_refused_connection_is_said_so_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let backend = client(&format!("tcp://{address}"));

    let error = backend.ready().await.expect_err("nobody listens");

    assert!(error.to_string().contains("refused"), "{error}");
    assert_eq!(backend.ping().await.expect_err("down").kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_is_down() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let backend = Memcached::new(config(&url).connection_timeout(Duration::from_millis(500)));

    let error = backend.ready().await.expect_err("nobody answers");

    assert!(error.to_string().contains("has not answered"), "{error}");
    assert!(backend.ping().await.is_err());
}

#[tokio::test]
async fn a_server_that_is_too_old_is_said_so() {
    for (version, is_too_old) in [("1.5.22", true), ("1.6.9", true), ("1.6.10", false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("tcp://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let mut connections = Vec::new();
            while let Ok((mut connection, _)) = listener.accept().await {
                let line = format!("VERSION {version}\r\n");
                let _ = connection.write_all(line.as_bytes()).await;
                connections.push(connection);
            }
        });

        let ready = client(&url).ready().await.map_err(|error| error.to_string());

        let expected = format!("memcached {version} is too old: 1.6.10 or newer is needed");
        assert_eq!(ready, if is_too_old { Err(expected) } else { Ok(()) });
        server.abort();
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_said_so() {
    // As long as a resolver may ask again.
    let config = config("tcp://nowhere.invalid").connection_timeout(Duration::from_secs(60));
    let error = Memcached::new(config).ready().await.expect_err("no such host");

    assert!(!error.to_string().contains("nowhere"), "{error}");
    assert!(error.to_string().contains("lookup"), "{error}");
}

#[tokio::test]
async fn a_full_server_is_overloaded_and_not_silently_taken_for_well() {
    let server = MemcachedServer::builder().max_connections(3).start().await;
    let mut taken = Vec::new();

    let error = loop {
        let other = Memcached::new(config(&server.url()).max_connections(1));
        match other.ready().await {
            Ok(()) => taken.push(other),
            Err(error) => break error,
        }
        assert!(taken.len() < 10, "the limit of 3 does not hold");
    };

    assert!(!taken.is_empty(), "{error}");
    assert!(error.to_string().contains("connections"), "{error}");
}

#[tokio::test]
async fn a_server_that_comes_up_later_is_found() {
    let server = MemcachedServer::start().await;
    server.kill().await;
    let backend = hasty(&server.url());
    backend.ready().await.expect_err("it is down");

    server.restart().await;

    eventually(async || backend.ping().await.is_ok()).await;
}

#[tokio::test]
async fn while_it_is_down_calls_fail_at_once() {
    let server = MemcachedServer::start().await;
    let backend = hasty(&server.url());
    backend.ready().await.unwrap();
    server.kill().await;
    eventually(async || backend.get(&key("a")).await.is_err()).await;

    let begun = Instant::now();
    for number in 0..1_000 {
        assert!(backend.get(&key(number)).await.is_err());
    }

    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_restart_costs_readers_and_invalidations_nothing() {
    let server = MemcachedServer::start().await;
    let backend = client(&server.url());
    let keys: Vec<_> = (0..20).map(key).collect();
    for key in &keys {
        backend.set(key, Entry::new("v"), seconds(60)).await.unwrap();
    }

    server.restart().await;

    for key in &keys {
        assert!(backend.get(key).await.expect("sent again").is_none());
    }
    server.restart().await;
    for key in &keys {
        assert!(!backend.delete(key).await.expect("sent again"));
    }
}

#[tokio::test]
async fn a_silent_server_costs_time_once_per_connection() {
    let server = MemcachedServer::start().await;
    let backend = hasty(&server.url());
    backend.ready().await.unwrap();
    backend.get_many(&(0..50).map(key).collect::<Vec<_>>()).await.unwrap();
    server.pause();
    join_all((0..50).map(|number| fails(&backend, number))).await;

    let begun = Instant::now();
    for number in 0..1_000 {
        assert!(backend.get(&key(number)).await.is_err());
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());

    server.resume();
    eventually(async || backend.ping().await.is_ok()).await;
}

async fn fails(backend: &Memcached, number: u32) {
    let result = backend.get(&key(number)).await;
    assert!(result.is_err_and(|error| error.kind().is_failure()));
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the test is about a thread that stands still")]
async fn a_read_that_was_too_late_before_it_was_sent_costs_no_connection() {
    let server = MemcachedServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let timeout = Duration::from_millis(50);
    let one = config(&server.url_at(proxy.address())).max_connections(1);
    let backend = Memcached::new(one.operation_timeout(timeout));
    eventually(async || backend.ready().await.is_ok()).await;
    let before = proxy.counts();

    for number in 0..5 {
        let key = key(number);
        let mut read = std::pin::pin!(backend.get(&key));
        assert!(poll!(read.as_mut()).is_pending());
        // The only thread stands still: neither the connection nor a timer is looked at.
        std::thread::sleep(timeout * 2);
        assert_eq!(read.await.expect_err("its time is over").kind(), ErrorKind::Timeout);
    }

    let after = proxy.counts();
    assert_eq!((after.connections, after.requests), (before.connections, before.requests));
}

#[tokio::test]
async fn a_black_hole_ends_every_call_and_heals() {
    let server = MemcachedServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let backend = hasty(&server.url_at(proxy.address()));
    backend.ready().await.unwrap();
    backend.set(&key("a"), Entry::new("v"), seconds(600)).await.unwrap();

    for direction in [Direction::ToServer, Direction::ToClient, Direction::Both] {
        proxy.set(NetworkFault::BlackHole(direction));
        let error = backend.get(&key("a")).await.expect_err("nothing comes back");
        assert!(error.kind().is_failure(), "{error:?}");
        proxy.clear();
        eventually(async || matches!(backend.get(&key("a")).await, Ok(Some(_)))).await;
    }
}

#[tokio::test]
async fn no_reply_that_is_damaged_is_ever_taken_for_a_value() {
    let server = MemcachedServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let backend = hasty(&server.url_at(proxy.address()));
    for number in 0..20 {
        let value = format!("value {number}");
        backend.set(&key(number), Entry::new(value), seconds(600)).await.unwrap();
    }

    for fault in [
        NetworkFault::Garbage,
        NetworkFault::DuplicateReplies,
        NetworkFault::ResetMidReply,
        NetworkFault::Slices,
    ] {
        for round in 0..40 {
            proxy.once(fault);
            let number = round % 20;
            if let Ok(Some(entry)) = backend.get(&key(number)).await {
                assert_eq!(entry.payload(), format!("value {number}").as_str(), "{fault:?}");
            }
        }
        proxy.clear();
        eventually(async || backend.ping().await.is_ok()).await;
    }
}

#[test]
fn a_runtime_that_is_gone_is_no_reason_to_fail() {
    let runtime = || tokio::runtime::Runtime::new().expect("a runtime can be made");
    let keeper = runtime();
    let server = keeper.block_on(MemcachedServer::start());
    let backend = client(&server.url());

    for number in 0..3 {
        let passing = runtime();
        passing.block_on(async {
            backend.set(&key(number), Entry::new("v"), seconds(60)).await.unwrap();
            assert!(backend.get(&key(number)).await.unwrap().is_some());
        });
    }
}

#[tokio::test]
async fn its_connections_end_with_the_last_handle() {
    let server = MemcachedServer::start().await;
    let backend = client(&server.url());
    backend.get_many(&(0..50).map(key).collect::<Vec<_>>()).await.unwrap();
    let lookup = backend.get_or_lease(&key("a"), HOLD).await.unwrap();
    assert!(matches!(lookup, Lookup::Leased(_)), "{lookup:?}");
    let connections = async || {
        let stats = server.command("stats").await;
        let stats = String::from_utf8_lossy(&stats).into_owned();
        let count = stats.lines().find_map(|line| line.strip_prefix("STAT curr_connections "));
        count.and_then(|count| count.trim().parse::<u32>().ok()).expect("a number")
    };
    let with = connections().await;

    drop(backend.clone());
    drop(backend);

    eventually(async || connections().await < with).await;
}
