//! The ways in which a client reads.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{sleep, timeout};

use super::Client;
use crate::chaos::clock::Moment;
use crate::chaos::record::{Record, What};
use crate::chaos::rows::{ROWS, Row, Value, key};

/// How many rows are read at once.
const MANY: usize = 5;

/// The loader's own error, which tells by its number whose it is.
#[derive(Debug, PartialEq, Eq)]
struct Refused(u64);

/// What became of the caller's own loader, if it went to its end.
#[derive(Debug)]
struct Load {
    spent: Duration,
    /// The number of its error.
    error: Option<u64>,
}

impl Client {
    /// Reads once, in one of the ways there are.
    pub(super) async fn read(&self, random: &mut Rng) {
        let row = self.zipf.draw(random);
        match random.u8(0..100) {
            0..68 => self.load(row, random).await,
            68..80 => self.get(row).await,
            80..88 => self.get_many(random).await,
            88..98 => {
                let (patience, begin) = (Duration::from_millis(random.u64(0..6)), Moment::now());
                if timeout(patience, self.load(row, random)).await.is_err() {
                    self.log.note(What::Dropped, row, 0, begin);
                }
            }
            _ => self.raw(row, random).await,
        }
    }

    async fn load(&self, row: Row, random: &mut Rng) {
        let (load, chance) = (OnceLock::new(), random.fork());
        let begin = Moment::now();
        let loader = || self.query(row, chance, &load);
        let found = self.region.get_or_load(key(row), loader).await;
        let own = load.get();
        let (what, version) = match found {
            Ok(value) => {
                let way = if own.is_some() { What::Loaded } else { What::Shared };
                (judged(&value, row, way), value.version)
            }
            Err(Refused(number)) if own.is_some_and(|load| load.error == Some(number)) => {
                (What::Refused, 0)
            }
            Err(_) => (What::Odd, 0),
        };
        let spent = own.map_or(0, |load| u32::try_from(load.spent.as_micros()).unwrap_or(u32::MAX));
        let end = Moment::now();
        self.log.add(&[Record { what, is_first: true, row, spent, version, begin, end }]);
    }

    /// The loader: another process's answer, which is some time on its way, and errs now and then.
    async fn query(
        &self,
        row: Row,
        mut random: Rng,
        done: &OnceLock<Load>,
    ) -> Result<Value, Refused> {
        let begin = Moment::now();
        let version = self.database.query(row).await;
        let delay = match random.u8(..) {
            0..4 => random.u64(50..400),
            4..32 => random.u64(1..20),
            _ => 0,
        };
        if delay > 0 {
            sleep(Duration::from_millis(delay)).await;
        }
        let spent = Moment::now().since(begin);
        let version = version.ok().filter(|_| random.u8(..) > 2);
        let error = version.is_none().then(|| random.u64(..));
        let _ = done.set(Load { spent, error });
        version.map(|version| Value::new(row, version)).ok_or(Refused(error.unwrap_or_default()))
    }

    async fn get(&self, row: Row) {
        let begin = Moment::now();
        let found = self.region.get(key(row)).await;
        self.log.add(&[hit_or_miss(row, found.as_ref(), begin, true)]);
    }

    async fn get_many(&self, random: &mut Rng) {
        let rows: Vec<Row> = (0..MANY).map(|_| random.u16(..ROWS)).collect();
        let keys: Vec<_> = rows.iter().copied().map(key).collect();
        let begin = Moment::now();
        let found = self.region.get_many(&keys).await;
        let found = rows.into_iter().zip(&found).enumerate();
        let records: Vec<Record> = found
            .map(|(at, (row, value))| hit_or_miss(row, value.as_ref(), begin, at == 0))
            .collect();
        self.log.add(&records);
    }

    /// Uses the raw operations: they promise nothing but that a value is that of its key.
    async fn raw(&self, row: Row, random: &mut Rng) {
        let begin = Moment::now();
        match random.u8(0..4) {
            0 => self.cache.set(key(row), row.to_string(), Duration::from_secs(9)).await,
            1 => drop(self.cache.delete(key(row)).await),
            _ => {
                let found = self.cache.get(key(row)).await;
                if found.is_some_and(|found| found != row.to_string()) {
                    self.log.note(What::Foreign, row, 0, begin);
                }
            }
        }
    }
}

fn hit_or_miss(row: Row, found: Option<&Arc<Value>>, begin: Moment, is_first: bool) -> Record {
    let what = found.map_or(What::Miss, |value| judged(value, row, What::Hit));
    let version = found.map_or(0, |value| value.version);
    Record { what, is_first, row, spent: 0, version, begin, end: Moment::now() }
}

/// Tells what came of a read whose value can be seen to be right or wrong by itself.
fn judged(value: &Value, row: Row, otherwise: What) -> What {
    if value.row != row {
        What::Foreign
    } else if value.is_whole() {
        otherwise
    } else {
        What::Garbled
    }
}
