//! Callers that go away, and stores that say nothing.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tasker_cache_core::{Bytes, Entry, ErrorKind, Key, Lookup};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::conformance::Subject;
use crate::conformance::subject::{MINUTES, minutes, until};

/// In which every call has ended by itself, with room to spare.
const ENDED: Duration = Duration::from_secs(60);

pub async fn reads_dropped_at_random_confuse_nobody(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let keys: Arc<[Key]> = (0..32).map(|number| subject.key(number)).collect();
    for (number, key) in keys.iter().enumerate() {
        subject.set(key, number.to_string()).await;
    }
    let mut readers = JoinSet::new();
    for _ in 0..16 {
        let (backend, keys) = (Arc::clone(subject.backend()), Arc::clone(&keys));
        readers.spawn(async move {
            for _ in 0..100 {
                let number = fastrand::usize(..keys.len());
                let patience = Duration::from_micros(fastrand::u64(..400));
                let read = backend.get_or_lease(&keys[number], MINUTES);
                if let Ok(Ok(Lookup::Hit(entry))) = timeout(patience, read).await {
                    assert_eq!(entry.payload(), number.to_string().as_str());
                }
            }
        });
    }
    readers.join_all().await;
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(subject.get(key).await, Some(Bytes::from(number.to_string())));
    }
}

/// Starts a future and lets go of it.
fn start_and_drop(future: impl Future) {
    let mut future = pin!(future);
    let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let (Poll::Ready(_) | Poll::Pending) = polled;
}

pub async fn a_write_goes_on_without_its_caller(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let (backend, key) = (subject.backend(), subject.key("written"));

    start_and_drop(backend.set(&key, Entry::new("v"), minutes()));
    until("the entry is stored", async || subject.get(&key).await.is_some()).await;

    start_and_drop(backend.delete(&key));
    until("the entry is deleted", async || subject.get(&key).await.is_none()).await;

    let lease = subject.lease(&key).await;
    start_and_drop(backend.fill(lease, Entry::new("v"), minutes()));
    until("the entry is filled", async || subject.get(&key).await.is_some()).await;
}

pub async fn every_call_ends_while_the_store_is_silent(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let (backend, key) = (subject.backend(), subject.key("silent"));
    let lease = subject.lease(&key).await;
    let keys = [subject.key("one"), subject.key("another")];
    let silent = subject.fixture().pause().await;

    // Side by side: a backend may give each of them seconds.
    let all = async {
        tokio::join!(
            async { backend.get(&key).await.map(drop) },
            async { backend.get_many(&keys).await.map(drop) },
            async { backend.get_or_lease(&key, MINUTES).await.map(drop) },
            backend.set(&keys[0], Entry::new("v"), minutes()),
            async { backend.delete(&keys[0]).await.map(drop) },
            backend.delete_many(&keys),
            async { backend.fill(lease, Entry::new("v"), minutes()).await.map(drop) },
            backend.ping(),
        )
    };
    let ended = <[_; 8]>::from(timeout(ENDED, all).await.expect("every call ends by itself"));

    subject.fixture().resume().await;
    for (number, result) in ended.into_iter().enumerate() {
        match result {
            Ok(()) => assert!(!silent || number == 6, "call {number} was answered by nobody"),
            Err(error) => assert!(silent && error.kind().is_failure(), "call {number}: {error}"),
        }
    }
}

pub async fn a_store_that_answers_again_is_used_again(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let key = subject.key("again");
    subject.set(&key, "v").await;

    if subject.fixture().pause().await {
        let error = subject.backend().get(&key).await.expect_err("nobody answers");
        assert_ne!(error.kind(), ErrorKind::Unsupported);
    }
    subject.fixture().resume().await;

    subject.until_well().await;
    until("the entry is read", async || {
        matches!(subject.backend().get(&key).await, Ok(Some(entry)) if entry.payload() == "v")
    })
    .await;
}
