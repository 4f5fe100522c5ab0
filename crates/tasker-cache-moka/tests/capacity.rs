//! How much it holds, what it does when it is full, and what it tells about that.

#![expect(clippy::expect_used, reason = "a test's helpers expect what the test needs")]

mod common;

use std::time::Duration;

use common::{HOLD, get, hour, key, lease, set, ttl, until};
use tasker_cache_core::{Backend, Entry, ErrorKind, Fill, Occupancy, Refusal};
use tasker_cache_moka::{Moka, MokaConfig};

const CAPACITY: usize = 1_000;
const COLD: usize = 200;

fn occupancy(moka: &Moka) -> Occupancy {
    moka.occupancy().expect("a local backend knows")
}

/// A full cache whose entries have all been asked for often.
async fn full_and_hot() -> Moka {
    let moka = Moka::new(CAPACITY as u64);
    for number in 0..CAPACITY {
        set(&moka, &key(&["hot", &number.to_string()]), "hot", hour()).await;
    }
    for _ in 0..5 {
        touch(&moka).await;
    }
    moka
}

/// Asks for every hot entry, and lets moka's own bookkeeping run.
async fn touch(moka: &Moka) {
    for number in 0..CAPACITY {
        get(moka, &key(&["hot", &number.to_string()])).await;
    }
    occupancy(moka);
}

#[tokio::test]
async fn a_full_cache_under_hot_traffic_still_fills_cold_keys() {
    let moka = full_and_hot().await;
    let mut leases = Vec::new();
    for number in 0..COLD {
        leases.push(lease(&moka, &key(&["cold", &number.to_string()]), HOLD).await);
    }
    touch(&moka).await;

    for lease in leases {
        let filled = moka.fill(lease, Entry::new("cold"), hour()).await;
        assert_eq!(filled.expect("memory never fails"), Fill::Stored);
    }
}

#[tokio::test]
async fn a_stub_in_the_cache_itself_would_be_evicted_before_its_fill() {
    let raw = moka::sync::Cache::<String, &str>::new(CAPACITY as u64);
    for number in 0..CAPACITY {
        raw.insert(format!("hot:{number}"), "hot");
    }
    let touch = || {
        for number in 0..CAPACITY {
            raw.get(&format!("hot:{number}"));
        }
        raw.run_pending_tasks();
    };
    (0..5).for_each(|_| touch());

    for number in 0..COLD {
        raw.insert(format!("cold:{number}"), "stub");
    }
    touch();

    let left = (0..COLD).filter(|number| raw.contains_key(&format!("cold:{number}"))).count();
    assert!(left < COLD / 4, "{left} of {COLD} stubs are left");
}

#[tokio::test]
async fn a_full_cache_holds_no_more_entries_than_it_may() {
    let moka = Moka::new(100);
    for number in 0..1_000 {
        set(&moka, &key(&[&number.to_string()]), "a", hour()).await;
    }

    until("it shrinks", async || occupancy(&moka).entries <= 100).await;
}

#[tokio::test]
async fn the_number_of_entries_is_exact() {
    let moka = Moka::new(10_000);
    for number in 0..5_000 {
        set(&moka, &key(&[&number.to_string()]), "a", hour()).await;
    }
    assert_eq!(occupancy(&moka), Occupancy { entries: 5_000, bytes: None });

    for number in 0..2_000 {
        moka.delete(&key(&[&number.to_string()])).await.expect("memory never fails");
    }
    assert_eq!(occupancy(&moka).entries, 3_000);
}

#[tokio::test]
async fn expired_entries_are_counted_no_more() {
    let moka = Moka::new(10_000);
    for number in 0..5_000 {
        set(&moka, &key(&[&number.to_string()]), "a", ttl(Duration::from_millis(50))).await;
    }
    set(&moka, &key(&["left"]), "a", hour()).await;

    until("one entry is left", async || occupancy(&moka).entries == 1).await;
}

#[tokio::test]
async fn a_cache_limited_by_bytes_weighs_what_is_encoded() {
    let moka = Moka::with_config(MokaConfig::default().max_bytes(1_000));
    set(&moka, &key(&["a"]), &"x".repeat(300), hour()).await;
    set(&moka, &key(&["empty"]), "", hour()).await;
    assert_eq!(occupancy(&moka), Occupancy { entries: 2, bytes: Some(301) });

    for number in 0..50 {
        set(&moka, &key(&[&number.to_string()]), &"x".repeat(100), hour()).await;
    }

    until("it shrinks", async || occupancy(&moka).bytes <= Some(1_000)).await;
}

#[tokio::test]
async fn a_value_over_the_limit_is_refused_and_replaces_nothing_silently() {
    let moka = Moka::with_config(MokaConfig::default().max_bytes(10));
    let key = key(&["a"]);
    set(&moka, &key, "short", hour()).await;

    let refused = moka.set(&key, Entry::new("x".repeat(11)), hour()).await;

    assert_eq!(refused.expect_err("it is too large").kind(), ErrorKind::TooLarge);
    assert_eq!(get(&moka, &key).await, None, "the old value is not served any more");
}

#[tokio::test]
async fn a_fill_over_the_limit_is_refused_and_ends_its_lease() {
    let moka = Moka::with_config(MokaConfig::default().max_bytes(10));
    let key = key(&["a"]);
    let large = lease(&moka, &key, HOLD).await;

    let refused = moka.fill(large, Entry::new("x".repeat(11)), hour()).await;

    assert_eq!(refused.expect("it is no fault"), Fill::Refused(Refusal::TooLarge));
    let next = lease(&moka, &key, HOLD).await;
    let filled = moka.fill(next, Entry::new("x".repeat(10)), hour()).await;
    assert_eq!(filled.expect("memory never fails"), Fill::Stored);
}
