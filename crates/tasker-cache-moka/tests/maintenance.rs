//! What an idle cache gives back by itself, and when the task that does so ends.

#![expect(clippy::expect_used, reason = "a test's helpers expect what the test needs")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{hour, key, ttl, until};
use tasker_cache_core::{Backend, Entry, Ttl};
use tasker_cache_moka::Moka;
use tokio::runtime::{Builder, Handle, Runtime};

const SHORT: Duration = Duration::from_millis(50);

/// Stores a value; its reference count tells whether the cache still holds it.
async fn store(moka: &Moka, segment: &str, ttl: Ttl) -> Arc<[u8; 1024]> {
    let value = Arc::new([7; 1024]);
    let entry = Entry::with_decoded("encoded", Arc::clone(&value));
    moka.set(&key(&[segment]), entry, ttl).await.expect("it fits");
    value
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime can be had")
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn an_idle_cache_gives_expired_memory_back_without_a_call() {
    let moka = Moka::new(100);
    let short = store(&moka, "short", ttl(SHORT)).await;
    let long = store(&moka, "long", hour()).await;

    until("the memory is given back", async || Arc::strong_count(&short) == 1).await;

    assert_eq!(Arc::strong_count(&long), 2, "what has not expired is kept");
}

#[tokio::test]
async fn the_task_ends_when_the_cache_is_empty_and_starts_with_the_next_write() {
    let moka = Moka::new(100);
    assert_eq!(tasks(), 0, "making a cache starts nothing");
    store(&moka, "a", ttl(SHORT)).await;
    assert_eq!(tasks(), 1);
    until("the task ends", async || tasks() == 0).await;

    let again = store(&moka, "b", ttl(SHORT)).await;

    assert_eq!(tasks(), 1);
    until("the memory is given back", async || Arc::strong_count(&again) == 1).await;
}

#[tokio::test]
async fn many_writes_have_one_task() {
    let moka = Moka::new(100);
    for number in 0..50 {
        store(&moka.clone(), &number.to_string(), hour()).await;
    }

    assert_eq!(tasks(), 1);
}

#[tokio::test]
async fn the_task_ends_with_the_last_handle_and_keeps_nothing_alive() {
    let moka = Moka::new(100);
    let value = store(&moka, "a", hour()).await;
    let clone = moka.clone();
    drop(moka);
    assert_eq!(Arc::strong_count(&value), 2);

    drop(clone);

    until("the memory is given back", async || Arc::strong_count(&value) == 1).await;
    until("the task ends", async || tasks() == 0).await;
}

#[test]
fn a_cache_that_outlives_its_runtime_is_maintained_on_the_next_one() {
    let moka = Moka::new(100);
    let first = runtime();
    let early = first.block_on(store(&moka, "early", ttl(SHORT)));
    drop(first);

    runtime().block_on(async {
        let late = store(&moka, "late", ttl(SHORT)).await;
        let both = async || Arc::strong_count(&early) + Arc::strong_count(&late) == 2;
        until("the memory is given back", both).await;
    });
}
