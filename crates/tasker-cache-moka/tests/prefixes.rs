//! Deleting by prefix: what goes, what stays, and that nothing lingers.

mod common;

use std::time::Duration;

use common::{get, hour, key, prefix, set};
use tasker_cache_core::Backend;
use tasker_cache_moka::Moka;
use tokio::time::Instant;

#[tokio::test]
async fn a_prefix_takes_its_own_key_and_all_below_it_and_counts_them() {
    let moka = Moka::new(100);
    for segments in [&["eu"][..], &["eu", "1"], &["eu", "1", "x"], &["europe"], &["us", "eu"]] {
        set(&moka, &key(segments), "a", hour()).await;
    }

    let deleted = moka.delete_prefix(&prefix(&["eu"])).await.expect("it can");

    assert_eq!(deleted, 3);
    assert_eq!(get(&moka, &key(&["eu", "1"])).await, None);
    assert_eq!(get(&moka, &key(&["europe"])).await.as_deref(), Some("a"));
    assert_eq!(get(&moka, &key(&["us", "eu"])).await.as_deref(), Some("a"));
}

#[tokio::test]
async fn what_is_stored_after_a_prefix_was_deleted_stays() {
    let moka = Moka::new(100);
    moka.delete_prefix(&prefix(&["eu"])).await.expect("it can");

    set(&moka, &key(&["eu", "1"]), "later", hour()).await;
    moka.occupancy();

    assert_eq!(get(&moka, &key(&["eu", "1"])).await.as_deref(), Some("later"));
}

/// The fastest of several rounds of reads: what else the machine does only adds to it.
async fn fastest_reads(moka: &Moka) -> Duration {
    let key = key(&["hot"]);
    let mut fastest = Duration::MAX;
    for _ in 0..20 {
        let begun = Instant::now();
        for _ in 0..200 {
            get(moka, &key).await;
        }
        fastest = fastest.min(begun.elapsed());
    }
    fastest
}

#[tokio::test]
async fn reads_are_as_fast_after_a_thousand_deleted_prefixes_as_before() {
    let moka = Moka::new(100);
    set(&moka, &key(&["hot"]), "a", hour()).await;
    let before = fastest_reads(&moka).await;

    for number in 0..1_000 {
        moka.delete_prefix(&prefix(&[&number.to_string()])).await.expect("it can");
    }

    let after = fastest_reads(&moka).await;
    assert!(after < before * 20, "{before:?} became {after:?}");
}
