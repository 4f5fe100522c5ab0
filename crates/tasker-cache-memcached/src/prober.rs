//! The task that finds out whether the servers of a ring are back, so that no user's request has
//! to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::ring::Servers;

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Says whether the task runs.
#[derive(Debug, Default)]
pub(crate) struct Prober(Arc<AtomicBool>);

impl Prober {
    /// Starts the task unless it runs; without a runtime, the next call within one does.
    pub(crate) fn ensure(&self, servers: &Arc<Servers>) {
        if self.0.load(Ordering::Acquire) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if !self.0.swap(true, Ordering::AcqRel) {
            runtime.spawn(run(Arc::downgrade(servers), Running(Arc::clone(&self.0))));
        }
    }
}

/// Says that the task runs, until it ends or its runtime drops it.
struct Running(Arc<AtomicBool>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

async fn run(servers: Weak<Servers>, running: Running) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        sleep(pause.mul_f64(0.8 + 0.4 * fastrand::f64())).await;
        let Some(servers) = servers.upgrade() else {
            return;
        };
        let Some(until) = servers.probe().await else {
            drop(running);
            // A circuit that opened between the look and the drop found the task running.
            servers.see_to_probes();
            return;
        };
        pause = until.clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
    }
}
