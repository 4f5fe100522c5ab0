//! A task that reads in every way there is, and checks what it is given.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::timeout;

use super::{Protocol, ROWS, Service, Versioned, key, pause};

const READS: usize = 8;

/// The loader's own error.
#[derive(Debug)]
struct Failed;

pub(super) async fn run(service: Service, mut random: Rng) {
    for _ in 0..READS {
        pause(&mut random, 10).await;
        let row = random.usize(..ROWS).min(random.usize(..ROWS));
        if service.protocol == Protocol::Naive {
            naive(&service, row, &mut random).await;
            continue;
        }
        match random.u8(0..20) {
            0..13 => load(&service, row, &mut random).await,
            13..15 => {
                let allowed = service.allowed(row);
                let found = service.region.get(key(row)).await;
                service.check(row, allowed, found.as_deref());
            }
            15..18 => {
                let allowed: [u64; ROWS] = std::array::from_fn(|row| service.allowed(row));
                let keys: Vec<_> = (0..ROWS).map(key).collect();
                let found = service.region.get_many(&keys).await;
                for (row, found) in found.iter().enumerate() {
                    service.check(row, allowed[row], found.as_deref());
                }
            }
            _ => raw(&service, row, &mut random).await,
        }
    }
}

async fn query(service: &Service, row: usize, mut random: Rng) -> Result<Versioned, Failed> {
    let version = service.rows[row].query();
    let slow = random.u8(..) < 32;
    pause(&mut random, if slow { 80 } else { 12 }).await;
    if random.u8(..) < 12 { Err(Failed) } else { Ok((row, version)) }
}

/// Reads through the cache; one read in four is given up early.
async fn load(service: &Service, row: usize, random: &mut Rng) {
    let allowed = service.allowed(row);
    let patience = if random.u8(..) < 64 { random.u64(0..15) } else { 600_000 };
    let loader = random.fork();
    let read = service.region.get_or_load(key(row), || query(service, row, loader));
    let read = timeout(Duration::from_millis(patience), read).await;
    let found: Option<Arc<Versioned>> = read.ok().and_then(Result::ok);
    service.check(row, allowed, found.as_deref());
}

/// Uses the raw operations beside the region: their entries carry their own key, too.
async fn raw(service: &Service, row: usize, random: &mut Rng) {
    let ttl = Duration::from_millis(random.u64(0..50));
    match random.u8(0..3) {
        0 => service.cache.set(key(row), row.to_string(), ttl).await,
        1 => drop(service.cache.delete(key(row)).await),
        _ => {
            let found = service.cache.get(key(row)).await;
            if found.is_some_and(|found| found != row.to_string()) {
                service.rows[row].violate();
            }
        }
    }
}

async fn naive(service: &Service, row: usize, random: &mut Rng) {
    let allowed = service.allowed(row);
    let cached = service.cache.get(key(row)).await;
    let cached = cached.and_then(|cached| cached.as_ref().try_into().ok());
    let version = if let Some(cached) = cached {
        u64::from_le_bytes(cached)
    } else {
        let Ok((_, version)) = query(service, row, random.fork()).await else {
            return;
        };
        let bytes = version.to_le_bytes().to_vec();
        service.cache.set(key(row), bytes, Duration::from_secs(60)).await;
        version
    };
    service.check(row, allowed, Some(&(row, version)));
}

impl Service {
    fn allowed(&self, row: usize) -> u64 {
        self.rows[row].oldest_allowed(&self.known[row])
    }

    fn check(&self, row: usize, allowed: u64, found: Option<&Versioned>) {
        match found {
            Some((of, version)) if *of == row => self.rows[row].check(allowed, *version),
            Some(_) => self.rows[row].violate(),
            None => {}
        }
    }
}
