//! Which loads the current task is in the middle of, so that no loader waits for itself.

use std::future::Future;
use std::sync::Arc;

use crate::ledger::FlightId;

tokio::task_local! {
    static LOADING: Nesting;
}

/// The loads around the current point of a task, the outermost first. A load that belongs to no
/// flight has no id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nesting(Arc<[(CacheId, Option<FlightId>)]>);

/// Tells the flights of one cache from those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CacheId(pub(crate) usize);

impl Nesting {
    /// Returns the loads that are running around the caller.
    pub(crate) fn current() -> Self {
        LOADING.try_with(Self::clone).unwrap_or_default()
    }

    /// Tells whether the caller is part of a load.
    pub(crate) fn is_nested(&self) -> bool {
        !self.0.is_empty()
    }

    /// Returns the flights of `cache` that wait for the caller.
    pub(crate) fn flights(&self, cache: CacheId) -> Vec<FlightId> {
        self.0.iter().filter(|(of, _)| *of == cache).filter_map(|(_, flight)| *flight).collect()
    }

    /// Runs a load within these.
    pub(crate) async fn load<F: Future>(
        &self,
        cache: CacheId,
        flight: Option<FlightId>,
        loader: F,
    ) -> F::Output {
        let deeper = self.0.iter().copied().chain([(cache, flight)]).collect();
        LOADING.scope(Self(deeper), loader).await
    }
}
