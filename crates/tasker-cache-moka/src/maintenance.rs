//! The task that gives back the memory of expired entries and leases while nobody calls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::backend::Store;

/// How often an idle cache looks for what has expired.
const INTERVAL: Duration = Duration::from_secs(1);

/// Says whether the task runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Maintenance(Arc<AtomicBool>);

impl Maintenance {
    /// Starts the task unless it runs; without a runtime, the next call within one does.
    pub(crate) fn ensure(&self, store: &Arc<Store>) {
        if self.0.load(Ordering::Acquire) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if !self.0.swap(true, Ordering::AcqRel) {
            runtime.spawn(run(Arc::downgrade(store), Running(Arc::clone(&self.0))));
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

async fn run(store: Weak<Store>, running: Running) {
    loop {
        sleep(INTERVAL).await;
        let Some(store) = store.upgrade() else {
            return;
        };
        if !store.maintain() {
            drop(running);
            // What was written between the look and the drop found the task running.
            store.ensure_maintenance_unless_empty();
            return;
        }
    }
}
