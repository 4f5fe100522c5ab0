//! Faults between the clients and the server.

use std::time::Duration;

use fastrand::Rng;
use tasker_cache_testkit::proxy::{Fault, FaultProxy};
use tokio::time::sleep;

/// Draws a delay: one that is felt, or one that is longer than anybody waits.
pub(super) fn latency(random: &mut Rng) -> Fault {
    if random.bool() {
        let least = Duration::from_millis(2);
        Fault::Jitter { least, most: Duration::from_millis(random.u64(10..60)) }
    } else {
        Fault::Latency(Duration::from_millis(random.u64(100..400)))
    }
}

/// Lets a fault happen, and returns how many replies went through meanwhile.
pub(super) async fn happen(proxy: &FaultProxy, fault: Fault, lasting: Duration) -> u64 {
    let before = proxy.counts().replies;
    proxy.set(fault);
    if fault == Fault::Refuse {
        proxy.drop_connections();
    }
    sleep(lasting).await;
    proxy.clear();
    proxy.counts().replies - before
}
