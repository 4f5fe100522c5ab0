//! The contract of whatever wraps a backend, and of the store that the simulations use.
#![expect(clippy::expect_used, reason = "a test ends where its assumption is wrong")]

use std::sync::Arc;
use std::time::Duration;

use tasker_cache_breaker::{BreakerSettings, CircuitBreaker, CircuitState, Guarded};
use tasker_cache_core::{Backend, async_trait};
use tasker_cache_moka::Moka;
use tasker_cache_testkit::conformance::Fixture;
use tasker_cache_testkit::{Fault, Faulty};
use tasker_cache_tests::sim::{Sim, Weather};

/// A store whose clients are clones of one another.
struct Shared<B>(B);

#[async_trait]
impl<B: Backend + Clone> Fixture for Shared<B> {
    async fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(self.0.clone())
    }
}

/// A store that hangs on demand; its clients are guarded, each by a breaker of its own.
struct Hanging {
    store: Faulty<Moka>,
    breaker: fn() -> CircuitBreaker,
}

#[async_trait]
impl Fixture for Hanging {
    async fn backend(&self) -> Arc<dyn Backend> {
        let breaker = Arc::new((self.breaker)());
        let guarded = Guarded::new(Arc::new(self.store.clone()), Arc::clone(&breaker));
        let guarded = guarded.deadline(Duration::from_secs(1));
        guarded.ping().await.expect("a circuit that lets a call through");
        assert_eq!(breaker.state(), CircuitState::Closed);
        Arc::new(guarded)
    }

    async fn pause(&self) -> bool {
        self.store.always(Fault::Hang);
        true
    }

    async fn resume(&self) {
        self.store.heal();
    }
}

async fn behind_dyn() -> impl Fixture {
    let backend: Arc<dyn Backend> = Arc::new(Moka::new(10_000));
    Shared(backend)
}

async fn without_faults() -> impl Fixture {
    Shared(Faulty::new(Moka::new(10_000)))
}

async fn simulated() -> impl Fixture {
    Shared(Sim::new(fastrand::u64(..), Weather { latency_ms: 0, ..Weather::CALM }))
}

async fn behind_a_closed_circuit() -> impl Fixture {
    let patient = || CircuitBreaker::new(BreakerSettings::default().failure_threshold(100));
    Hanging { store: Faulty::new(Moka::new(10_000)), breaker: patient }
}

/// The first call of each client is a probe, and one call closes the circuit again after the
/// silence. Only one probe is let through at a time, so that the cases start once it has gone well.
async fn behind_a_circuit_that_starts_open() -> impl Fixture {
    let brittle = || {
        let settings = BreakerSettings::default()
            .failure_threshold(100)
            .success_threshold(1)
            .timeout(Duration::from_millis(1));
        CircuitBreaker::new_open(settings)
    };
    Hanging { store: Faulty::new(Moka::new(10_000)), breaker: brittle }
}

mod dynamic {
    tasker_cache_testkit::conformance!(super::behind_dyn);
}

mod faulty {
    tasker_cache_testkit::conformance!(super::without_faults);
}

mod sim {
    tasker_cache_testkit::conformance!(super::simulated);
}

mod guarded {
    tasker_cache_testkit::conformance!(super::behind_a_closed_circuit);
}

mod guarded_from_open {
    tasker_cache_testkit::conformance!(super::behind_a_circuit_that_starts_open);
}
