//! Faults between the clients and the server.

use std::time::Duration;

use fastrand::Rng;
use tasker_cache_testkit::proxy::{Fault, FaultProxy};
use tokio::time::{Instant, sleep};

/// Draws a delay: one that is felt, or one that is longer than anybody waits.
pub(super) fn latency(random: &mut Rng) -> Fault {
    if random.bool() {
        let least = Duration::from_millis(2);
        Fault::Jitter { least, most: Duration::from_millis(random.u64(10..60)) }
    } else {
        Fault::Latency(Duration::from_millis(random.u64(100..400)))
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
    fault: Fault,
    lasting: Duration,
    random: &mut Rng,
) -> u64 {
    let before = proxy.counts().replies;
    let meets_replies =
        matches!(fault, Fault::ResetMidReply | Fault::Garbage | Fault::DuplicateReplies);
    if meets_replies && random.bool() {
        let begun = Instant::now();
        while begun.elapsed() < lasting {
            proxy.once(fault);
            sleep(AGAIN).await;
        }
    } else {
        proxy.set(fault);
        if fault == Fault::Refuse {
            proxy.drop_connections();
        }
        sleep(lasting).await;
    }
    proxy.clear();
    proxy.counts().replies - before
}
