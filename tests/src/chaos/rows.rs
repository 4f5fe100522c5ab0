//! The database's rows: their keys in the cache, how often each is asked for, and their values.

use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// How many rows there are.
pub(crate) const ROWS: u16 = 50;

/// How many rows share the first segment of their keys.
const GROUP: u16 = 10;

/// The longest text in a value, in bytes.
const LONGEST: usize = 800;

/// The number of a row.
pub(crate) type Row = u16;

/// Returns the key of a row.
pub(crate) const fn key(row: Row) -> (u16, u16) {
    (row / GROUP, row % GROUP)
}

/// Returns the rows with this first segment.
pub(crate) fn group(number: u16) -> impl Iterator<Item = Row> {
    number * GROUP..(number + 1) * GROUP
}

/// Tells whether a row is one that is also put, and so written by the first client alone: a put
/// does not see what another process invalidates between its call and its lease.
pub(crate) const fn is_put(row: Row) -> bool {
    row % GROUP == 1
}

/// Tells whether a client may write a row.
pub(crate) const fn may_write(client: usize, row: Row) -> bool {
    client == 0 || !is_put(row)
}

/// Draws rows by Zipf's law: the second half as often as the first, the third a third as often.
#[derive(Clone, Debug)]
pub(crate) struct Zipf {
    /// The sum of the shares up to and including each row.
    sums: Vec<f64>,
}

impl Zipf {
    pub(crate) fn new() -> Self {
        let mut sum = 0.0;
        let sums = (1..=ROWS).map(|rank| {
            sum += f64::from(rank).recip();
            sum
        });
        Self { sums: sums.collect() }
    }

    pub(crate) fn draw(&self, random: &mut Rng) -> Row {
        let at = random.f64() * self.sums.last().copied().unwrap_or_default();
        let row = self.sums.partition_point(|sum| *sum <= at);
        Row::try_from(row).unwrap_or_default().min(ROWS - 1)
    }
}

/// What is cached of a row: its number and version, and a text that follows from them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Value {
    pub(crate) row: Row,
    pub(crate) version: u64,
    text: String,
}

impl Value {
    pub(crate) fn new(row: Row, version: u64) -> Self {
        Self { row, version, text: text(row, version) }
    }

    /// Tells whether every byte is as it was made.
    pub(crate) fn is_whole(&self) -> bool {
        self.text == text(self.row, self.version)
    }
}

fn text(row: Row, version: u64) -> String {
    let mut random = Rng::with_seed(version << 16 | u64::from(row));
    let len = random.usize(..=LONGEST);
    std::iter::repeat_with(|| random.alphanumeric()).take(len).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_is_drawn_twice_as_often_as_the_second() {
        let (zipf, mut random) = (Zipf::new(), Rng::with_seed(1));
        let mut drawn = vec![0_u32; usize::from(ROWS)];
        for _ in 0..100_000 {
            drawn[usize::from(zipf.draw(&mut random))] += 1;
        }
        let factor = f64::from(drawn[0]) / f64::from(drawn[1]);
        assert!((1.9..2.1).contains(&factor), "{factor}");
        assert!(drawn.iter().all(|times| *times > 0));
    }

    #[test]
    fn a_value_with_a_changed_byte_is_not_whole() {
        let value = Value::new(3, 8);
        assert!(value.is_whole());
        assert!(!Value { version: 9, ..value }.is_whole());
    }
}
