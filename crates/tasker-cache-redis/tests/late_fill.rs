//! A fill that an invalidation overtakes.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{connected, entry, key, leased, minute, text};
use tasker_cache_core::{Backend, Fill, Refusal};
use tasker_cache_testkit::proxy::{Direction, FaultProxy, NetworkFault};
use tasker_cache_testkit::server::RedisServer;

const TIMES: usize = 1_000;

/// How many late writes are on their way at once.
const TOGETHER: usize = 100;

/// Delays this many writes past the invalidation of their keys, `late` being how they are made,
/// and returns how many old values stayed.
async fn overtaken<F: Future<Output = ()> + Send + 'static>(
    late: impl Fn(tasker_cache_redis::Redis, tasker_cache_core::Lease) -> F,
) -> usize {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let slow = tasker_cache_redis::Redis::new(
        common::config(&server.url_at(proxy.address())).operation_timeout(common::LONG),
    )
    .expect("a configuration");
    slow.ready().await.expect("a server");
    let fast = connected(&server.url()).await;
    let mut stayed = 0;
    for _ in 0..TIMES / TOGETHER {
        let mut leases = Vec::new();
        for number in 0..TOGETHER {
            leases.push(leased(&slow, &key(&number.to_string())).await);
        }
        let keys: Vec<_> = leases.iter().map(|lease| lease.key().clone()).collect();
        proxy.set(NetworkFault::BlackHole(Direction::ToServer));
        let writes: Vec<_> =
            leases.into_iter().map(|lease| tokio::spawn(late(slow.clone(), lease))).collect();
        // The writes are in the proxy, or at least older than what comes next.
        tokio::time::sleep(Duration::from_millis(20)).await;
        fast.delete_many(&keys).await.expect("the other way is open");
        proxy.clear();
        for write in writes {
            write.await.expect("no panic");
        }
        for key in &keys {
            stayed += usize::from(text(fast.get(key).await.expect("a server")).is_some());
        }
    }
    stayed
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_refused_a_thousand_times_of_a_thousand() {
    let stayed = overtaken(|backend, lease| async move {
        let filled = backend.fill(lease, entry("old"), minute()).await;
        assert_eq!(filled.expect("a server"), Fill::Refused(Refusal::Revoked));
    })
    .await;

    assert_eq!(stayed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blind_set_in_its_place_is_caught_by_the_same_test() {
    let stayed = overtaken(|backend, lease| async move {
        backend.set(lease.key(), entry("old"), minute()).await.expect("a server");
    })
    .await;

    assert_eq!(stayed, TIMES);
}
