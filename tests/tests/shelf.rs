//! The whole contract, on the backend that the book shows how to write.

#[path = "../examples/shelf.rs"]
#[expect(dead_code, reason = "the example's `main` is run as an example of the book")]
mod shelf;

use std::sync::Arc;

use shelf::Shelf;
use tasker_cache_core::{Backend, async_trait};
use tasker_cache_testkit::conformance::Fixture;

/// A shelf, whose clients are handles on it.
struct Shelves(Shelf);

#[async_trait]
impl Fixture for Shelves {
    async fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(self.0.clone())
    }
}

async fn fixture() -> impl Fixture {
    Shelves(Shelf::new(100_000))
}

tasker_cache_testkit::conformance!(fixture);
