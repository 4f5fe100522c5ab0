//! How long each operation of a backend takes, and what came of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tasker_cache_core::{
    Backend, Entry, ErrorKind, Fill, Key, Lease, Lookup, Occupancy, Operation, Prefix, Profile,
    Result, Ttl, async_trait,
};

use super::names::{FAILED, OK, OPERATION_DURATION};
use super::recorded::{Durations, Labels};

/// A backend whose operations are timed.
///
/// It stands behind the circuit breaker: what the breaker refuses takes no time, and what it
/// drives to its end without a caller is timed to its end.
pub(crate) struct Observed {
    backend: Arc<dyn Backend>,
    durations: Vec<(Operation, Durations)>,
}

impl Observed {
    pub(super) fn new(backend: Arc<dyn Backend>, labels: &Labels) -> Self {
        let durations = |&operation: &Operation| {
            let labels = labels.with("operation", operation.as_str());
            (operation, Durations::new(OPERATION_DURATION, labels))
        };
        Self { backend, durations: Operation::ALL.iter().map(durations).collect() }
    }

    async fn time<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let durations = self.durations.iter().find(|(timed, _)| *timed == operation);
        let running = durations.map(|(_, durations)| durations.begin());
        let done = call.await;
        if let Some(running) = running {
            running.end(done.as_ref().map_or_else(|error| label(error.kind()), |_| OK));
        }
        done
    }
}

/// The kind as a label: in one word.
const fn label(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Timeout => "timed_out",
        ErrorKind::Protocol => "protocol_error",
        ErrorKind::Authentication => "authentication_refused",
        ErrorKind::NotReady => "not_ready",
        ErrorKind::Overloaded => "overloaded",
        ErrorKind::CircuitOpen => "circuit_open",
        ErrorKind::Unsupported => "unsupported",
        ErrorKind::TooLarge => "too_large",
        ErrorKind::WrongType => "wrong_type",
        ErrorKind::OutOfMemory => "out_of_memory",
        ErrorKind::PermissionDenied => "permission_denied",
        _ => FAILED,
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Backend for Observed {
    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.time(Operation::Get, self.backend.get(key)).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        self.time(Operation::GetMany, self.backend.get_many(keys)).await
    }

    async fn get_or_lease(&self, key: &Key, hold: Duration) -> Result<Lookup> {
        self.time(Operation::GetOrLease, self.backend.get_or_lease(key, hold)).await
    }

    async fn fill(&self, lease: Lease, entry: Entry, ttl: Ttl) -> Result<Fill> {
        self.time(Operation::Fill, self.backend.fill(lease, entry, ttl)).await
    }

    async fn release(&self, lease: Lease) -> Result<()> {
        self.time(Operation::Release, self.backend.release(lease)).await
    }

    async fn set(&self, key: &Key, entry: Entry, ttl: Ttl) -> Result<()> {
        self.time(Operation::Set, self.backend.set(key, entry, ttl)).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        self.time(Operation::Delete, self.backend.delete(key)).await
    }

    async fn delete_many(&self, keys: &[Key]) -> Result<()> {
        self.time(Operation::DeleteMany, self.backend.delete_many(keys)).await
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        self.time(Operation::DeletePrefix, self.backend.delete_prefix(prefix)).await
    }

    async fn ping(&self) -> Result<()> {
        self.time(Operation::Ping, self.backend.ping()).await
    }

    fn profile(&self) -> Profile {
        self.backend.profile()
    }

    fn occupancy(&self) -> Option<Occupancy> {
        self.backend.occupancy()
    }
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed").field("backend", &self.profile().name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::{ABANDONED, LABELS};
    use super::*;

    fn values(label: &str) -> &'static [&'static str] {
        LABELS.iter().find(|(name, _)| *name == label).expect("it is a label").1
    }

    #[test]
    fn every_result_and_operation_is_a_listed_value_of_its_label() {
        let results = ErrorKind::ALL.iter().map(|&kind| label(kind));
        for result in results.chain([OK, ABANDONED]) {
            assert!(values("result").contains(&result), "{result}");
        }
        let operations: Vec<&str> = Operation::ALL.iter().map(|one| one.as_str()).collect();
        assert_eq!(values("operation"), operations);
    }

    #[test]
    fn every_kind_but_the_last_has_a_label_of_its_own() {
        for &kind in ErrorKind::ALL {
            let expected = kind.as_str().replace(' ', "_");
            assert_eq!(label(kind), expected);
        }
    }
}

#[cfg(all(test, feature = "moka"))]
mod contract {
    use tasker_cache_moka::Moka;
    use tasker_cache_testkit::conformance::Fixture;

    use super::*;
    use crate::telemetry::Telemetry;

    /// One store, observed anew by each client.
    struct Shared(Moka);

    #[async_trait]
    impl Fixture for Shared {
        async fn backend(&self) -> Arc<dyn Backend> {
            let telemetry = Telemetry::new("moka", "p");
            let as_if_shared = Profile::new("moka", tasker_cache_core::Scope::Shared);
            telemetry.observed(Arc::new(self.0.clone()), &as_if_shared)
        }
    }

    async fn observed() -> impl Fixture {
        Shared(Moka::new(10_000))
    }

    tasker_cache_testkit::conformance!(observed);
}
