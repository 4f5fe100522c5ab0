//! The right to fill a key.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tasker_cache_core::{Backend, Bytes, Entry, Fill, Key, Lookup, Refusal};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::conformance::Subject;
use crate::conformance::subject::{MINUTES, get, leased, minutes, until};

const REVOKED: Fill = Fill::Refused(Refusal::Revoked);

pub async fn a_miss_is_leased_and_the_fill_is_stored(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let key = subject.key("cold");

    let lease = subject.lease(&key).await;
    assert_eq!(lease.key(), &key);
    assert_eq!(subject.fill(lease, "loaded").await, Fill::Stored);

    assert_eq!(subject.get(&key).await, Some(Bytes::from("loaded")));
    assert!(matches!(subject.look(&key).await, Lookup::Hit(_)));
}

pub async fn one_of_many_gets_the_lease(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let handles = [Arc::clone(subject.backend()), subject.another().await];
    let mut lookups = JoinSet::new();
    for number in 0..64 {
        let (backend, key) = (Arc::clone(&handles[number % 2]), subject.key("cold"));
        lookups.spawn(async move { backend.get_or_lease(&key, MINUTES).await });
    }

    let (mut leases, mut holders) = (0, Vec::new());
    for lookup in lookups.join_all().await {
        match lookup.expect("get_or_lease") {
            Lookup::Leased(_) => leases += 1,
            Lookup::Held(holder) => holders.push(holder),
            other => panic!("expected a lease or its holder, not {other:?}"),
        }
    }

    holders.dedup();
    assert_eq!((leases, holders.len()), (1, 1));
}

pub async fn a_leased_key_has_no_value(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let key = subject.key("cold");

    let _lease = subject.lease(&key).await;

    assert_eq!(subject.get(&key).await, None);
    let many = subject.backend().get_many(std::slice::from_ref(&key)).await.expect("get_many");
    assert!(matches!(many.as_slice(), [None]));
    assert_eq!(subject.holder(&key).await, subject.holder(&key).await);
}

pub async fn a_lease_fills_once(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let key = subject.key("cold");

    let lease = subject.lease(&key).await;
    assert_eq!(subject.fill(lease.clone(), "first").await, Fill::Stored);

    assert_eq!(subject.fill(lease, "second").await, REVOKED);
    assert_eq!(subject.get(&key).await, Some(Bytes::from("first")));
}

/// Asserts that a fill is refused after something was done, by another client, to a leased key.
async fn assert_revoked_by<Done>(
    subject: &Subject,
    revoke: impl FnOnce(Arc<dyn Backend>, Key) -> Done,
) where
    Done: Future<Output = ()>,
{
    let key = subject.key("cold");
    let lease = subject.lease(&key).await;

    revoke(subject.another().await, key.clone()).await;
    let before = subject.get(&key).await;

    assert_eq!(subject.fill(lease, "late").await, REVOKED);
    assert_eq!(subject.get(&key).await, before);
}

pub async fn a_fill_after_a_delete_is_refused(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let delete = async |another: Arc<dyn Backend>, key: Key| {
        another.delete(&key).await.expect("delete");
    };

    assert_revoked_by(&subject, delete).await;
}

pub async fn a_fill_after_a_delete_of_many_is_refused(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let sibling = subject.key("sibling");
    let delete = async |another: Arc<dyn Backend>, key: Key| {
        another.delete_many(&[sibling, key]).await.expect("delete_many");
    };

    assert_revoked_by(&subject, delete).await;
}

pub async fn a_fill_after_a_set_is_refused(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let key = subject.key("cold");
    let lease = subject.lease(&key).await;

    subject.set(&key, "set").await;

    assert_eq!(subject.fill(lease, "late").await, REVOKED);
    assert_eq!(subject.get(&key).await, Some(Bytes::from("set")));
}

pub async fn a_fill_after_a_later_lease_is_refused(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let key = subject.key("cold");
    let early = subject.lease(&key).await;
    let holder = subject.holder(&key).await;
    subject.delete(&key).await;

    let late = subject.lease(&key).await;

    assert_ne!(subject.holder(&key).await, holder, "another holder has another nonce");
    assert_eq!(subject.fill(early, "early").await, REVOKED);
    assert_eq!(subject.fill(late, "late").await, Fill::Stored);
    assert_eq!(subject.get(&key).await, Some(Bytes::from("late")));
}

pub async fn a_lease_ends_with_its_hold_and_not_before(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let unit = subject.limits().ttl_unit;
    let (key, hold) = (subject.key("cold"), (unit * 3).max(Duration::from_millis(500)));
    let since = Instant::now();
    let early = leased(subject.backend().get_or_lease(&key, hold).await.expect("get_or_lease"));

    let late = loop {
        match subject.look(&key).await {
            Lookup::Leased(lease) => break lease,
            Lookup::Held(_) => sleep(Duration::from_millis(10)).await,
            other => panic!("expected a lease or its holder, not {other:?}"),
        }
        assert!(since.elapsed() < hold + Duration::from_secs(20), "the lease has not ended");
    };

    // One unit is the store's clock, another its machine, which may be late to let it tick.
    assert!(since.elapsed() >= hold.saturating_sub(unit * 2), "it ended early");
    assert_eq!(subject.fill(early, "early").await, REVOKED);
    assert_eq!(subject.fill(late, "late").await, Fill::Stored);
}

pub async fn a_released_lease_is_granted_anew(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let (key, hold) = (subject.key("cold"), subject.limits().ttl_unit.max(Duration::from_secs(1)));
    let lease = leased(subject.backend().get_or_lease(&key, hold).await.expect("get_or_lease"));

    subject.backend().release(lease).await.expect("release");

    // A backend that can't take it back lets it expire.
    let granted = async || matches!(subject.look(&key).await, Lookup::Leased(_));
    until("the lease is granted anew", granted).await;
}

pub async fn releasing_a_lost_lease_takes_nothing(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let key = subject.key("cold");
    let lost = subject.lease(&key).await;
    subject.delete(&key).await;
    let lease = subject.lease(&key).await;

    subject.backend().release(lost.clone()).await.expect("release");
    assert_eq!(subject.fill(lease, "v").await, Fill::Stored, "the other lease stands");
    subject.backend().release(lost).await.expect("release");

    assert_eq!(subject.get(&key).await, Some(Bytes::from("v")));
}

pub async fn a_fill_over_the_limit_is_refused(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let (key, limit) = (subject.key("cold"), subject.limits().max_value_bytes);
    let lease = subject.lease(&key).await;
    let size = limit.saturating_add(1).min(3 * 1024 * 1024);

    let filled = subject.fill(lease, vec![7; size]).await;

    if size > limit {
        assert_eq!(filled, Fill::Refused(Refusal::TooLarge));
        assert_eq!(subject.get(&key).await, None);
    } else {
        assert_eq!(filled, Fill::Stored);
        assert_eq!(subject.get(&key).await.map(|payload| payload.len()), Some(size));
    }
}

/// Lets others get on, for a time of which nobody knows how long it is.
async fn pause() {
    sleep(Duration::from_micros(fastrand::u64(..2_000))).await;
}

/// Reads, and fills on a miss with the version that was current when the lease was granted.
async fn read_and_fill(backend: &dyn Backend, key: &Key, version: &AtomicU64) {
    let Ok(Lookup::Leased(lease)) = backend.get_or_lease(key, MINUTES).await else {
        return;
    };
    let loaded = version.load(Ordering::SeqCst).to_string();
    pause().await;
    let _ = backend.fill(lease, Entry::new(loaded), minutes()).await;
}

pub async fn no_race_leaves_a_value_behind_its_invalidation(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let (key, version) = (subject.key("raced"), Arc::new(AtomicU64::new(0)));
    let another = subject.another().await;
    for _ in 0..100 {
        let mut readers = JoinSet::new();
        for number in 0..4 {
            let own = if number % 2 == 0 { &another } else { subject.backend() };
            let (backend, key, version) = (Arc::clone(own), key.clone(), Arc::clone(&version));
            readers.spawn(async move { read_and_fill(&*backend, &key, &version).await });
        }
        pause().await;
        let committed = version.fetch_add(1, Ordering::SeqCst) + 1;
        subject.delete(&key).await;
        readers.join_all().await;
        for backend in [&another, subject.backend()] {
            if let Some(seen) = get(&**backend, &key).await {
                let seen: u64 = std::str::from_utf8(&seen).expect("text").parse().expect("number");
                assert!(seen >= committed, "{seen} was read after {committed} was invalidated");
            }
        }
    }
}
