//! How long entries live.

use std::time::Duration;

use tasker_cache_core::{Entry, Fill, Key};
use tokio::time::{Instant, sleep};

use crate::conformance::Subject;
use crate::conformance::subject::{ttl, until};

/// A TTL that is short for this backend and still leaves time to look.
fn short(subject: &Subject) -> Duration {
    let unit = subject.limits().ttl_unit;
    (unit * 3).max(Duration::from_millis(400))
}

async fn set(subject: &Subject, key: &Key, lives: Duration) {
    subject.backend().set(key, Entry::new("v"), ttl(lives)).await.expect("set");
}

/// Asserts that the entry goes, and not more than two units before its time: one is the store's
/// clock, and another its machine, which may be late to let it tick.
async fn assert_expires(subject: &Subject, key: &Key, since: Instant, lives: Duration) {
    let least = lives.saturating_sub(subject.limits().ttl_unit * 2);
    loop {
        let asked = Instant::now();
        if subject.get(key).await.is_none() {
            let age = Instant::now() - since;
            assert!(age >= least, "gone after {age:?}, before {least:?}");
            return;
        }
        assert!(asked - since < lives + Duration::from_secs(20), "it has not expired");
        sleep(Duration::from_millis(10)).await;
    }
}

pub async fn an_entry_lives_as_long_as_it_was_set_for(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let (key, lives) = (subject.key("short"), short(&subject));

    let since = Instant::now();
    set(&subject, &key, lives).await;

    assert_expires(&subject, &key, since, lives).await;
}

pub async fn a_filled_entry_lives_as_long_as_it_was_filled_for(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let (key, lives) = (subject.key("short"), short(&subject));
    let lease = subject.lease(&key).await;

    let since = Instant::now();
    let filled = subject.backend().fill(lease, Entry::new("v"), ttl(lives)).await;

    assert_eq!(filled.expect("fill"), Fill::Stored);
    assert_expires(&subject, &key, since, lives).await;
}

pub async fn a_later_set_replaces_the_ttl(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let lives = short(&subject);
    let (longer, shorter) = (subject.key("longer"), subject.key("shorter"));

    set(&subject, &longer, lives).await;
    set(&subject, &longer, lives * 100).await;
    set(&subject, &shorter, lives * 100).await;
    let since = Instant::now();
    set(&subject, &shorter, lives).await;

    assert_expires(&subject, &shorter, since, lives).await;
    sleep(lives).await;
    assert!(subject.get(&longer).await.is_some(), "the first TTL is forgotten");
}

pub async fn the_shortest_ttl_is_no_error_and_not_for_ever(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let key = subject.key("shortest");

    set(&subject, &key, Duration::from_nanos(1)).await;

    until("the entry is gone", async || subject.get(&key).await.is_none()).await;
}

pub async fn the_longest_ttl_is_no_error_and_not_at_once(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let months = Duration::from_secs(61 * 86_400);
    for (number, lives) in [Duration::MAX, months, months / 2].into_iter().enumerate() {
        let key = subject.key(number);
        set(&subject, &key, lives).await;
        assert!(subject.get(&key).await.is_some(), "set for {lives:?}");
    }
}
