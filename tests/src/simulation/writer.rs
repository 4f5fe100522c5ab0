//! A task that commits and invalidates, and notes what it was promised.

use std::time::Duration;

use fastrand::Rng;
use tasker_cache::Invalidation;
use tokio::time::timeout;

use super::{PUT_ROW, Protocol, ROWS, Service, key, pause};

const WRITES: usize = 4;

pub(super) async fn run(service: Service, mut random: Rng) {
    for _ in 0..WRITES {
        pause(&mut random, 25).await;
        let row = service.own_row(&mut random);
        let promised = if service.protocol == Protocol::Naive {
            let version = service.rows[row].commit();
            vec![(row, version, Some(service.cache.delete(key(row)).await))]
        } else {
            write(&service, row, &mut random).await
        };
        for (row, version, done) in promised {
            if let Some(done) = done {
                service.rows[row].invalidated(&service.known[row], version, done);
            }
        }
    }
}

/// Writes in one of the ways there are; tells which version of which row was invalidated how.
async fn write(
    service: &Service,
    row: usize,
    random: &mut Rng,
) -> Vec<(usize, u64, Option<Invalidation>)> {
    let patience = if random.u8(..) < 48 { random.u64(0..8) } else { 600_000 };
    let patience = Duration::from_millis(patience);
    let region = &service.region;
    match random.u8(0..20) {
        0..12 => {
            let version = service.rows[row].commit();
            let done = timeout(patience, region.invalidate(key(row))).await;
            vec![(row, version, done.ok())]
        }
        12..15 => {
            let group = row / 2;
            let rows = service.commit([group * 2, group * 2 + 1]);
            let done = timeout(patience, region.invalidate_prefix(group)).await.ok();
            rows.into_iter().map(|(row, version)| (row, version, done)).collect()
        }
        15..17 => {
            let rows = service.commit(std::array::from_fn::<usize, ROWS, _>(|row| row));
            let done = timeout(patience, region.invalidate_all()).await.ok();
            rows.into_iter().map(|(row, version)| (row, version, done)).collect()
        }
        _ => {
            if service.may_write(PUT_ROW) {
                let version = service.rows[PUT_ROW].commit();
                let value = (PUT_ROW, version);
                let put = region.put(key(PUT_ROW), &value);
                let _ = timeout(patience, put).await;
            }
            Vec::new()
        }
    }
}

impl Service {
    /// A put promises nothing if another process writes the same row meanwhile.
    fn may_write(&self, row: usize) -> bool {
        row != PUT_ROW || self.number == 0
    }

    fn own_row(&self, random: &mut Rng) -> usize {
        let rows = if self.may_write(PUT_ROW) { ROWS } else { PUT_ROW };
        random.usize(..rows).min(random.usize(..rows))
    }

    fn commit<const N: usize>(&self, rows: [usize; N]) -> Vec<(usize, u64)> {
        let own = rows.into_iter().filter(|row| self.may_write(*row));
        own.map(|row| (row, self.rows[row].commit())).collect()
    }
}
