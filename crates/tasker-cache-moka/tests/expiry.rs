//! Each entry's own time to live, from its creation and from each replacement.

mod common;

use std::time::Duration;

use common::{HOLD, get, hour, key, lease, set, ttl, until};
use tasker_cache_core::{Backend, Entry, Fill};
use tasker_cache_moka::Moka;
use tokio::time::Instant;

const SHORT: Duration = Duration::from_millis(300);

/// Waits for the key to be gone; tells how long after `since` that was.
async fn gone(moka: &Moka, segment: &str, since: Instant) -> Duration {
    let key = key(&[segment]);
    until("the entry expires", async || get(moka, &key).await.is_none()).await;
    since.elapsed()
}

#[tokio::test]
async fn an_entry_lives_for_its_ttl_and_no_longer() {
    let moka = Moka::new(100);
    let since = Instant::now();
    set(&moka, &key(&["short"]), "a", ttl(SHORT)).await;
    set(&moka, &key(&["long"]), "b", hour()).await;

    let lived = gone(&moka, "short", since).await;

    assert!(lived >= SHORT, "it was gone after {lived:?}");
    assert_eq!(get(&moka, &key(&["long"])).await.as_deref(), Some("b"));
}

#[tokio::test]
async fn a_filled_entry_lives_for_the_ttl_of_its_fill() {
    let moka = Moka::new(100);
    let since = Instant::now();
    let lease = lease(&moka, &key(&["a"]), HOLD).await;
    let filled = moka.fill(lease, Entry::new("a"), ttl(SHORT)).await.expect("memory never fails");
    assert_eq!(filled, Fill::Stored);

    let lived = gone(&moka, "a", since).await;

    assert!(lived >= SHORT, "it was gone after {lived:?}");
}

#[tokio::test]
async fn a_replacement_that_is_to_live_shorter_does() {
    let moka = Moka::new(100);
    set(&moka, &key(&["a"]), "long", hour()).await;
    let since = Instant::now();
    set(&moka, &key(&["a"]), "short", ttl(SHORT)).await;

    let lived = gone(&moka, "a", since).await;

    assert!(lived >= SHORT, "it was gone after {lived:?}");
}

#[tokio::test]
async fn a_replacement_that_is_to_live_longer_does() {
    let moka = Moka::new(100);
    let since = Instant::now();
    set(&moka, &key(&["a"]), "short", ttl(SHORT)).await;
    set(&moka, &key(&["beside"]), "short", ttl(SHORT)).await;
    set(&moka, &key(&["a"]), "long", hour()).await;

    gone(&moka, "beside", since).await;

    assert_eq!(get(&moka, &key(&["a"])).await.as_deref(), Some("long"));
}

#[tokio::test]
async fn a_ttl_beyond_what_moka_takes_is_clamped() {
    let moka = Moka::new(100);

    set(&moka, &key(&["a"]), "a", ttl(Duration::MAX)).await;

    assert_eq!(get(&moka, &key(&["a"])).await.as_deref(), Some("a"));
}
