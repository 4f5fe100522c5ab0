//! The ways in which a client writes.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use fastrand::Rng;
use tasker_cache::Invalidation;
use tokio::time::timeout;

use super::Client;
use crate::chaos::clock::Moment;
use crate::chaos::record::{Record, What};
use crate::chaos::rows::{ROWS, Row, Value, group, is_put, key, may_write};

impl Client {
    /// Commits and invalidates once, in one of the ways there are.
    pub(super) async fn write(&self, random: &mut Rng) {
        let row = self.zipf.draw(random);
        match random.u8(0..100) {
            0..8 => {
                let number = random.u16(..ROWS / 10);
                self.invalidate(group(number), self.region.invalidate_prefix(number)).await;
            }
            8 => self.invalidate(0..ROWS, self.region.invalidate_all()).await,
            9..17 => {
                let patience = Duration::from_millis(random.u64(0..4));
                let invalidation = self.invalidate([row], self.region.invalidate(key(row)));
                let _ = timeout(patience, invalidation).await;
            }
            _ if may_write(self.number, row) && is_put(row) && random.bool() => {
                self.put(row, random.bool()).await;
            }
            _ => self.invalidate([row], self.region.invalidate(key(row))).await,
        }
    }

    /// Commits rows, then invalidates them; what is not this client's to write stays as it is.
    async fn invalidate(
        &self,
        rows: impl IntoIterator<Item = Row>,
        invalidation: impl Future<Output = Invalidation>,
    ) {
        let rows = rows.into_iter().filter(|row| may_write(self.number, *row));
        let rows: Vec<Row> = rows.collect();
        let Ok(versions) = self.commit(&rows).await else { return };
        let begin = Moment::now();
        let what = match invalidation.await {
            Invalidation::Applied => What::Applied,
            Invalidation::Deferred => What::Deferred,
            Invalidation::Unsupported => What::Unsupported,
            _ => What::Odd,
        };
        let end = Moment::now();
        let record = |(at, (row, version))| Record {
            what,
            is_first: at == 0,
            row,
            spent: 0,
            version,
            begin,
            end,
        };
        let records: Vec<Record> = rows.into_iter().zip(versions).enumerate().map(record).collect();
        self.log.add(&records);
    }

    /// Commits rows, none of them between another task's commit and its put.
    async fn commit(&self, rows: &[Row]) -> std::io::Result<Vec<u64>> {
        let mut turns = Vec::new();
        for row in rows.iter().filter(|row| is_put(**row)) {
            turns.push(self.turns[usize::from(*row)].lock().await);
        }
        self.database.commit(rows).await
    }

    /// Puts what it has committed, and may invalidate the row again meanwhile. Others wait for the
    /// commit and the beginning of the put, not for its end: it must not undo what they invalidate.
    async fn put(&self, row: Row, is_overtaken: bool) {
        let turn = self.turns[usize::from(row)].lock().await;
        let Ok(versions) = self.database.commit(&[row]).await else { return };
        let version = versions.first().copied().unwrap_or_default();
        let (value, begin) = (Value::new(row, version), Moment::now());
        let mut put = pin!(self.region.put(key(row), &value));
        let first = poll_fn(|context| Poll::Ready(put.as_mut().poll(context))).await;
        drop(turn);
        let overtaking = async {
            if is_overtaken {
                self.invalidate([row], self.region.invalidate(key(row))).await;
            }
        };
        let ending = async {
            if first.is_pending() {
                put.await;
            }
            self.log.note(What::Put, row, version, begin);
        };
        tokio::join!(overtaking, ending);
    }
}
