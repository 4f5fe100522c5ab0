//! Who may fill, for how long, and what takes the right away.

#![expect(clippy::expect_used, reason = "a test's helpers expect what the test needs")]

mod common;

use std::time::Duration;

use common::{HOLD, get, hour, key, lease, prefix, set, until};
use tasker_cache_core::{Backend, Entry, Fill, Lease, Lookup, Refusal};
use tasker_cache_moka::Moka;

async fn fill(moka: &Moka, lease: Lease, bytes: &'static str) -> Fill {
    moka.fill(lease, Entry::new(bytes), hour()).await.expect("memory never fails")
}

#[tokio::test]
async fn others_are_told_who_holds_a_lease_until_it_is_filled() {
    let moka = Moka::new(100);
    let key = key(&["a"]);
    let mine = lease(&moka, &key, HOLD).await;

    let held = |lookup| match lookup {
        Ok(Lookup::Held(nonce)) => nonce,
        other => panic!("expected a holder, not {other:?}"),
    };
    let first = held(moka.get_or_lease(&key, HOLD).await);
    assert_eq!(first, held(moka.get_or_lease(&key, HOLD).await), "one holder, one nonce");
    assert_eq!(get(&moka, &key).await, None);

    assert_eq!(fill(&moka, mine, "a").await, Fill::Stored);
    assert!(matches!(moka.get_or_lease(&key, HOLD).await, Ok(Lookup::Hit(_))));
}

#[tokio::test]
async fn a_lease_ends_with_its_hold_and_its_late_fill_is_refused() {
    let moka = Moka::new(100);
    let key = key(&["a"]);
    let late = lease(&moka, &key, Duration::from_millis(50)).await;
    let is_free = async || matches!(moka.get_or_lease(&key, HOLD).await, Ok(Lookup::Leased(_)));

    until("the lease expires", is_free).await;

    assert_eq!(fill(&moka, late, "late").await, Fill::Refused(Refusal::Revoked));
    assert_eq!(get(&moka, &key).await, None);
}

#[tokio::test]
async fn a_late_fill_is_refused_even_if_nobody_asked_meanwhile() {
    let moka = Moka::new(100);
    let late = lease(&moka, &key(&["a"]), Duration::from_millis(50)).await;

    tokio::time::sleep(Duration::from_millis(60)).await;

    assert_eq!(fill(&moka, late, "late").await, Fill::Refused(Refusal::Revoked));
}

#[tokio::test]
async fn a_released_lease_is_free_at_once_and_fills_no_more() {
    let moka = Moka::new(100);
    let key = key(&["a"]);
    let given_back = lease(&moka, &key, HOLD).await;
    moka.release(given_back.clone()).await.expect("memory never fails");

    let next = lease(&moka, &key, HOLD).await;

    assert_eq!(fill(&moka, given_back.clone(), "old").await, Fill::Refused(Refusal::Revoked));
    moka.release(given_back).await.expect("memory never fails");
    assert_eq!(fill(&moka, next, "new").await, Fill::Stored, "a release takes its own lease only");
}

#[tokio::test]
async fn whatever_touches_the_key_revokes_its_lease() {
    let moka = Moka::new(100);
    let key = key(&["eu", "7"]);
    for touch in ["delete", "delete_many", "set", "prefix", "region"] {
        let lease = lease(&moka, &key, HOLD).await;
        match touch {
            "delete" => drop(moka.delete(&key).await),
            "delete_many" => drop(moka.delete_many(std::slice::from_ref(&key)).await),
            "set" => set(&moka, &key, "set", hour()).await,
            "prefix" => drop(moka.delete_prefix(&prefix(&["eu"])).await),
            _ => drop(moka.delete_prefix(&prefix(&[])).await),
        }
        assert_eq!(fill(&moka, lease, "old").await, Fill::Refused(Refusal::Revoked), "{touch}");
        moka.delete(&key).await.expect("memory never fails");
    }
}

#[tokio::test]
async fn a_prefix_leaves_the_leases_beside_it_alone() {
    let moka = Moka::new(100);
    let beside = lease(&moka, &key(&["europe"]), HOLD).await;

    moka.delete_prefix(&prefix(&["eu"])).await.expect("it can");

    assert_eq!(fill(&moka, beside, "a").await, Fill::Stored);
}

#[tokio::test]
async fn a_lease_fills_once() {
    let moka = Moka::new(100);
    let once = lease(&moka, &key(&["a"]), HOLD).await;

    assert_eq!(fill(&moka, once.clone(), "first").await, Fill::Stored);
    assert_eq!(fill(&moka, once, "second").await, Fill::Refused(Refusal::Revoked));
    assert_eq!(get(&moka, &key(&["a"])).await.as_deref(), Some("first"));
}
