//! Work that goes on when its caller stops waiting.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::cause::Cause;

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A read on its caller's task. Dropped early, it goes on in a task, so that what it holds of the
/// connection stays counted until the answer is there.
pub(crate) struct Continued<T: Send + 'static> {
    work: Option<Work<T>>,
    runtime: Handle,
}

impl<T: Send + 'static> Continued<T> {
    pub(crate) fn new(runtime: Handle, work: impl Future<Output = T> + Send + 'static) -> Self {
        Self { work: Some(Box::pin(work)), runtime }
    }
}

impl<T: Send + 'static> Future for Continued<T> {
    type Output = T;

    #[expect(clippy::expect_used, reason = "the message states the invariant")]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        // Taken out meanwhile: one that panics must not be handed on by `drop`.
        let mut work = self.work.take().expect("a future is not polled after its end");
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Continued<T> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.runtime.spawn(work);
        }
    }
}

/// Runs all at once, each in a task of its own; returns what they return, in order.
pub(crate) async fn all<T, F>(work: impl Iterator<Item = F>) -> Vec<Result<T, Cause>>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Cause>> + Send + 'static,
{
    let tasks: Vec<_> = work.map(tokio::spawn).collect();
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await.unwrap_or(Err(Cause::Closed)));
    }
    results
}

/// Runs a write in a task of its own: its caller can't drop it, nor delay it by not polling.
///
/// `unclaimed` gets the answer if the caller has gone by then.
pub(crate) async fn write<T, F>(
    work: impl Future<Output = Result<T, Cause>> + Send + 'static,
    unclaimed: impl FnOnce(T) -> F + Send + 'static,
) -> Result<T, Cause>
where
    T: Send + 'static,
    F: Future<Output = ()> + Send,
{
    let (sender, receiver) = oneshot::channel();
    let runtime = Handle::try_current().map_err(|_| Cause::NoRuntime)?;
    runtime.spawn(async move {
        if let Err(Ok(answer)) = sender.send(work.await) {
            unclaimed(answer).await;
        }
    });
    receiver.await.unwrap_or(Err(Cause::Closed))
}
