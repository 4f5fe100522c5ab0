//! The contract's own backend, alone and behind pointers.

use std::sync::Arc;

use tasker_cache_core::{Backend, NoOp, async_trait};
use tasker_cache_testkit::conformance::Fixture;

/// Nothing is stored, so every backend is one on the same store.
struct Nothing(fn() -> Arc<dyn Backend>);

#[async_trait]
impl Fixture for Nothing {
    async fn backend(&self) -> Arc<dyn Backend> {
        (self.0)()
    }
}

async fn plain() -> impl Fixture {
    Nothing(|| Arc::new(NoOp))
}

async fn behind_pointers() -> impl Fixture {
    Nothing(|| Arc::new(Arc::new(Arc::new(NoOp) as Arc<dyn Backend>)))
}

mod noop {
    tasker_cache_testkit::conformance!(super::plain);
}

mod pointers {
    tasker_cache_testkit::conformance!(super::behind_pointers);
}
