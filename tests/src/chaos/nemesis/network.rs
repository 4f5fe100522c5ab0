//! Faults between the clients and the server.

use std::time::Duration;

use fastrand::Rng;
use tasker_cache_testkit::proxy::{FaultProxy, NetworkFault};
use tokio::time::{Instant, sleep};

/// Draws a delay: one that is felt, or one that is longer than anybody waits.
pub(super) fn latency(random: &mut Rng) -> NetworkFault {
    if random.bool() {
        let least = Duration::from_millis(2);
        NetworkFault::Jitter { least, most: Duration::from_millis(random.u64(10..60)) }
    } else {
        NetworkFault::Latency(Duration::from_millis(random.u64(100..400)))
    }
}

/// How long it takes until a single reply is met again: not long enough to be forgotten, and too
/// long to open a circuit by itself.
const AGAIN: Duration = Duration::from_millis(40);

/// Lets a fault happen, and returns how many replies went through meanwhile.
///
/// Half of the time one that happens to replies meets only one now and then, so that the circuit
/// stays closed, and what it left behind on a connection is met by the next requests.
pub(super) async fn happen(
    proxy: &FaultProxy,
    fault: NetworkFault,
    lasting: Duration,
    random: &mut Rng,
) -> u64 {
    let before = proxy.counts().replies;
    let meets_replies = matches!(
        fault,
        NetworkFault::ResetMidReply | NetworkFault::Garbage | NetworkFault::DuplicateReplies
    );
    if meets_replies && random.bool() {
        let begun = Instant::now();
        while begun.elapsed() < lasting {
            proxy.once(fault);
            sleep(AGAIN).await;
        }
    } else {
        proxy.set(fault);
        if fault == NetworkFault::Refuse {
            proxy.drop_connections();
        }
        sleep(lasting).await;
    }
    proxy.clear();
    proxy.counts().replies - before
}
