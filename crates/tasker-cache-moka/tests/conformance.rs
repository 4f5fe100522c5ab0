//! The contract, with entries counted and with entries weighed.

use std::sync::Arc;

use tasker_cache_core::{Backend, async_trait};
use tasker_cache_moka::{Moka, MokaConfig};
use tasker_cache_testkit::conformance::Fixture;

struct InMemory(Moka);

#[async_trait]
impl Fixture for InMemory {
    async fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(self.0.clone())
    }
}

async fn by_count() -> impl Fixture {
    InMemory(Moka::new(10_000))
}

async fn by_weight() -> impl Fixture {
    InMemory(Moka::with_config(MokaConfig::default().max_bytes(2 * 1024 * 1024)))
}

mod counted {
    tasker_cache_testkit::conformance!(super::by_count);
}

mod weighed {
    tasker_cache_testkit::conformance!(super::by_weight);
}
