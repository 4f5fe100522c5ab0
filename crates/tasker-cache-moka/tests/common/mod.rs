//! Keys, entries and patience for the tests of this backend.

#![allow(dead_code, reason = "each test file uses its own part of this")]
#![expect(clippy::expect_used, reason = "a test's helpers expect what the test needs")]

use std::future::Future;
use std::time::Duration;

use tasker_cache_core::{Backend, Entry, Key, KeyBuilder, Lease, Lookup, Prefix, Ttl};
use tasker_cache_moka::Moka;
use tokio::time::{Instant, sleep};

/// A lease's life in tests that are not about it.
pub(crate) const HOLD: Duration = Duration::from_secs(60);

/// How long anything may take that has to happen in the end.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn key(segments: &[&str]) -> Key {
    builder(segments).key()
}

pub(crate) fn prefix(segments: &[&str]) -> Prefix {
    builder(segments).prefix()
}

fn builder(segments: &[&str]) -> KeyBuilder {
    segments.iter().fold(KeyBuilder::region("app", "thing", 0), KeyBuilder::segment)
}

pub(crate) fn ttl(duration: Duration) -> Ttl {
    Ttl::new(duration).expect("it is not zero")
}

pub(crate) fn hour() -> Ttl {
    ttl(Duration::from_secs(3600))
}

pub(crate) async fn set(moka: &Moka, key: &Key, bytes: &str, ttl: Ttl) {
    let entry = Entry::new(bytes.to_owned());
    moka.set(key, entry, ttl).await.expect("it fits");
}

pub(crate) async fn get(moka: &Moka, key: &Key) -> Option<String> {
    let entry = moka.get(key).await.expect("memory never fails")?;
    Some(String::from_utf8(entry.payload().to_vec()).expect("these tests store text"))
}

pub(crate) async fn lease(moka: &Moka, key: &Key, hold: Duration) -> Lease {
    match moka.get_or_lease(key, hold).await.expect("memory never fails") {
        Lookup::Leased(lease) => lease,
        other => panic!("expected a lease, not {other:?}"),
    }
}

/// Waits until something is so, and fails if it never is.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        sleep(Duration::from_millis(5)).await;
    }
}
