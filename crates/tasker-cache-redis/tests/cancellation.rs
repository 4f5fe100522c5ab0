//! Callers that go away at any time, and a network that says things twice.
//!
//! `CANCELLATIONS=1000000 cargo test --release -p tasker-cache-redis --test cancellation` is the
//! full run.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use common::{LONG, config, entry, eventually, hour, key, text};
use tasker_cache_core::{Backend, Key, Lookup, Result};
use tasker_cache_redis::Redis;
use tasker_cache_testkit::proxy::{FaultProxy, NetworkFault};
use tasker_cache_testkit::server::RedisServer;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const TASKS: usize = 256;
const KEYS: usize = 256;

/// How many reads one storm gives up, and the other makes.
static WANTED: LazyLock<usize> = LazyLock::new(|| {
    let asked = std::env::var("CANCELLATIONS").ok().and_then(|number| number.parse().ok());
    asked.unwrap_or(20_000)
});

async fn stored(backend: &Redis) -> Arc<[Key]> {
    let keys: Arc<[Key]> = (0..KEYS).map(|number| key(&number.to_string())).collect();
    for key in keys.iter() {
        backend.set(key, entry(key.as_str()), hour()).await.expect("a server");
    }
    keys
}

/// How the reads of a storm ended.
#[derive(Default)]
struct Ends {
    given_up: AtomicUsize,
    hit: AtomicUsize,
    missed: AtomicUsize,
    failed: AtomicUsize,
}

impl Ends {
    fn count(&self) -> [usize; 4] {
        [&self.given_up, &self.hit, &self.missed, &self.failed]
            .map(|end| end.load(Ordering::Relaxed))
    }
}

/// Reads with random patience until it is enough.
async fn storm(backend: &Redis, keys: &Arc<[Key]>, enough: fn(&Ends) -> bool) -> Arc<Ends> {
    let ends = Arc::new(Ends::default());
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (backend, keys, ends) = (backend.clone(), Arc::clone(keys), Arc::clone(&ends));
        tasks.spawn(async move {
            while !enough(&ends) {
                let key = &keys[fastrand::usize(..KEYS)];
                let patience = Duration::from_micros(fastrand::u64(..3_000));
                let end = match timeout(patience, look(&backend, key)).await {
                    Ok(Ok(true)) => &ends.hit,
                    Ok(Ok(false)) => &ends.missed,
                    Ok(Err(_)) => {
                        // The connection is being made again.
                        sleep(Duration::from_millis(5)).await;
                        &ends.failed
                    }
                    Err(_) => &ends.given_up,
                };
                end.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tasks.join_all().await;
    ends
}

/// Reads in one of three ways, and tells whether there was a value; it must be the key's own. One
/// that was meant for another key is not let through, and looks as if there was none.
async fn look(backend: &Redis, key: &Key) -> Result<bool> {
    let found = match fastrand::u8(..3) {
        0 => backend.get(key).await,
        1 => match backend.get_or_lease(key, Duration::from_millis(50)).await {
            Ok(Lookup::Hit(entry)) => Ok(Some(entry)),
            Ok(_) => Ok(None),
            Err(error) => Err(error),
        },
        _ => backend.get_many(std::slice::from_ref(key)).await.map(|mut many| many.remove(0)),
    };
    let value = text(found?);
    assert!(value.as_ref().is_none_or(|value| value == key.as_str()), "a value of another key");
    Ok(value.is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_a_value_of_another_key() {
    let server = RedisServer::start().await;
    let config = config(&server.url()).operation_timeout(LONG);
    let backend = Redis::new(config).expect("a configuration");
    let keys = stored(&backend).await;

    let ends = storm(&backend, &keys, |ends| ends.count()[0] >= *WANTED).await;

    let [_, hit, missed, failed] = ends.count();
    assert!(hit > 0, "some must have had the patience");
    assert_eq!(failed, 0, "the server answers");
    assert_eq!(missed, 0, "an answer was another's");
    for key in keys.iter() {
        let value = text(backend.get(key).await.expect("a server"));
        assert_eq!(value.as_deref(), Some(key.as_str()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_a_value_of_another_key_when_replies_come_twice() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let slow = Redis::new(config(&server.url_at(proxy.address()))).expect("a configuration");
    slow.ready().await.expect("a server");
    let keys = stored(&slow).await;
    let twice = proxy.clone();
    let network = tokio::spawn(async move {
        loop {
            twice.once(NetworkFault::DuplicateReplies);
            sleep(Duration::from_millis(fastrand::u64(5..50))).await;
        }
    });

    let ends = storm(&slow, &keys, |ends| ends.count().iter().sum::<usize>() >= *WANTED).await;

    network.abort();
    let [_, hit, missed, failed] = ends.count();
    println!("{hit} hits; {missed} answers were another's, and {failed} reads met an error");
    assert!(hit > 0 && missed + failed > 0, "no reply came twice");
    proxy.clear();
    eventually("replies fit their questions again", || async {
        let key = &keys[0];
        slow.set(key, entry(key.as_str()), hour()).await.is_ok()
            && matches!(slow.get(key).await, Ok(Some(_)))
    })
    .await;
}
