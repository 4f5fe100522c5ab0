//! Fills against deletes on real threads: no delete leaves an older value behind.

#![expect(clippy::expect_used, reason = "a test's helpers expect what the test needs")]

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use common::{HOLD, hour, key, prefix};
use tasker_cache_core::{Backend, Entry, Lookup};
use tasker_cache_moka::Moka;
use tokio::runtime::{Builder, Runtime};

const VERSIONS: u64 = 3_000;

/// How a reader stores what it loaded.
#[derive(Clone, Copy, PartialEq)]
enum Store {
    Fill,
    Blindly,
}

/// How the writer deletes what it has made old.
#[derive(Clone, Copy, PartialEq)]
enum Delete {
    Key,
    Prefix,
}

/// A database row, its cache, and whether the writer goes on.
#[derive(Default)]
struct World {
    row: AtomicU64,
    ended: AtomicBool,
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime can be had")
}

async fn read_and_store(world: &World, moka: &Moka, store: Store) {
    let key = key(&["a", "row"]);
    while !world.ended.load(Ordering::SeqCst) {
        let Ok(Lookup::Leased(lease)) = moka.get_or_lease(&key, HOLD).await else {
            thread::yield_now();
            continue;
        };
        let loaded = world.row.load(Ordering::SeqCst);
        let entry = Entry::new(loaded.to_le_bytes().to_vec());
        if store == Store::Fill {
            drop(moka.fill(lease, entry, hour()).await);
        } else {
            thread::yield_now();
            drop(moka.set(&key, entry, hour()).await);
        }
    }
}

/// Writes, deletes, and counts how often something older was left behind.
async fn write_and_delete(world: &World, moka: &Moka, delete: Delete) -> u64 {
    let (key, prefix) = (key(&["a", "row"]), prefix(&["a"]));
    let mut stale = 0;
    for version in 1..=VERSIONS {
        world.row.store(version, Ordering::SeqCst);
        match delete {
            Delete::Key => drop(moka.delete(&key).await),
            Delete::Prefix => drop(moka.delete_prefix(&prefix).await),
        }
        thread::yield_now();
        if let Ok(Some(entry)) = moka.get(&key).await {
            stale += u64::from(is_older(&entry, version));
        }
    }
    world.ended.store(true, Ordering::SeqCst);
    stale
}

fn is_older(entry: &Entry, version: u64) -> bool {
    let bytes = entry.payload().as_ref().try_into().expect("eight bytes were stored");
    u64::from_le_bytes(bytes) < version
}

fn race(store: Store, delete: Delete) -> u64 {
    let (world, moka) = (World::default(), Moka::new(100));
    thread::scope(|scope| {
        scope.spawn(|| runtime().block_on(read_and_store(&world, &moka, store)));
        let writer = scope.spawn(|| runtime().block_on(write_and_delete(&world, &moka, delete)));
        writer.join().expect("the writer does not panic")
    })
}

#[test]
fn no_fill_overtakes_the_delete_of_its_key() {
    assert_eq!(race(Store::Fill, Delete::Key), 0);
}

#[test]
fn no_fill_overtakes_the_delete_of_a_prefix() {
    assert_eq!(race(Store::Fill, Delete::Prefix), 0);
}

#[test]
fn storing_blindly_is_caught() {
    // A thread that is kept from running may miss all of one race.
    assert!((0..10).any(|_| race(Store::Blindly, Delete::Key) > 0));
}
