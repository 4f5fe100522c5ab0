//! The callers' side of one connection: its queue, and how well it is.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use crate::MemcachedConfig;
use crate::connection::{Health, Owner};
use crate::error::Failure;
use crate::request::Request;

/// How many requests wait for one connection before their callers have to.
const QUEUE: usize = 1024;

/// One connection, which is opened on the runtime of the first call that needs it.
#[derive(Debug, Default)]
pub(crate) struct Lane(RwLock<Option<Running>>);

#[derive(Clone, Debug)]
struct Running {
    requests: mpsc::Sender<Request>,
    health: watch::Receiver<Health>,
}

impl Lane {
    /// Returns how well the connection is; `None` if there is none, or its runtime is gone.
    pub(crate) fn health(&self) -> Option<Health> {
        self.with(|running| running.health.borrow().clone())
    }

    pub(crate) fn is_up(&self) -> bool {
        self.with(|running| matches!(*running.health.borrow(), Health::Up)).unwrap_or(false)
    }

    /// Starts the task that owns the connection, unless it runs.
    pub(crate) fn start(&self, config: &Arc<MemcachedConfig>) -> Result<(), Failure> {
        if self.with(|_| ()).is_some() {
            return Ok(());
        }
        let runtime = Handle::try_current().map_err(|_| Failure::no_runtime())?;
        let mut slot = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ref().is_some_and(|running| !running.requests.is_closed()) {
            return Ok(());
        }
        let (requests, queue) = mpsc::channel(QUEUE);
        let (reporter, health) = watch::channel(Health::Connecting);
        runtime.spawn(Owner::new(Arc::clone(config), queue, reporter).run());
        *slot = Some(Running { requests, health });
        Ok(())
    }

    /// Queues a request; waits for room until the deadline.
    pub(crate) async fn send(&self, request: Request, deadline: Instant) -> Result<(), Failure> {
        let mut unsent = Some(request);
        let full = self.with(|running| match running.requests.try_send(unsent.take()?) {
            Ok(()) => None,
            Err(TrySendError::Full(request) | TrySendError::Closed(request)) => {
                unsent = Some(request);
                Some(running.requests.clone())
            }
        });
        let Some(request) = unsent else {
            return Ok(());
        };
        let Some(Some(requests)) = full else {
            return Err(Failure::no_runtime());
        };
        let sent = timeout_at(deadline, requests.send(request)).await;
        sent.map_err(|_| Failure::timeout())?.map_err(|_| Failure::no_runtime())
    }

    /// Waits until the first attempt to connect since the start, or since the last loss, is over.
    pub(crate) async fn settled(&self) -> Result<(), Failure> {
        let Some(mut health) = self.with(|running| running.health.clone()) else {
            return Err(Failure::no_runtime());
        };
        let over = |health: &Health| matches!(health, Health::Up | Health::Down(_));
        match health.wait_for(over).await.as_deref() {
            Ok(Health::Down(failure)) => Err(failure.clone()),
            Ok(_) => Ok(()),
            Err(_) => Err(Failure::no_runtime()),
        }
    }

    /// Looks at the task that owns the connection, if it runs.
    fn with<T>(&self, look: impl FnOnce(&Running) -> T) -> Option<T> {
        let slot = self.0.read().unwrap_or_else(PoisonError::into_inner);
        slot.as_ref().filter(|running| !running.requests.is_closed()).map(look)
    }
}
