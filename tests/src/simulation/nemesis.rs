//! What goes wrong around the services: evictions, outages, restarts, and the operator's switch.

use fastrand::Rng;
use tasker_cache::{Cache, Key};

use super::pause;
use crate::sim::Sim;

const EVENTS: usize = 6;

pub(super) async fn run(store: Sim, caches: Vec<Cache>, keys: Vec<Key>, mut random: Rng) {
    for _ in 0..EVENTS {
        pause(&mut random, 30).await;
        match random.u8(0..8) {
            0..4 => store.evict(&keys[random.usize(..keys.len())]),
            4..6 => {
                store.reachable(false);
                pause(&mut random, 60).await;
                store.reachable(true);
            }
            6 => {
                store.restart();
                pause(&mut random, 20).await;
                store.restart();
            }
            _ => {
                let cache = &caches[random.usize(..caches.len())];
                cache.bypass(true);
                pause(&mut random, 20).await;
                cache.bypass(false);
            }
        }
    }
}
