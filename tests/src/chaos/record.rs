//! What a client notes of one call, in 32 bytes.

use super::clock::Moment;
use super::rows::Row;

/// How many bytes a record has in a log.
pub(crate) const SIZE: usize = 32;

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum What {
    /// The client has a cache and begins.
    Ready,
    /// The cache had the row, without a load of anybody.
    Hit,
    /// The cache had it not, or was not asked.
    Miss,
    /// The caller's own loader was run.
    Loaded,
    /// The row was in the cache, or came by somebody else's load.
    Shared,
    /// The caller's own loader erred, and its error came out.
    Refused,
    /// The caller dropped the call.
    Dropped,
    /// An invalidation was applied.
    Applied,
    /// An invalidation was deferred.
    Deferred,
    /// The backend can't do the invalidation.
    Unsupported,
    /// A value was put.
    Put,
    /// The state of the client's cache: calls that failed, were bypassed and deferred, in the
    /// fields `version`, `begin` and `spent`; and in `row` 1 while the circuit is not closed.
    Counters,
    /// The value of another row.
    Foreign,
    /// A value that is not as it was made.
    Garbled,
    /// An error that is not the caller's loader's, or an invalidation by a stand-in.
    Odd,
    /// Something in the client panicked.
    Panicked,
    /// The client could not be ended: a call did not return.
    Stuck,
}

impl What {
    const ALL: [Self; 17] = [
        Self::Ready,
        Self::Hit,
        Self::Miss,
        Self::Loaded,
        Self::Shared,
        Self::Refused,
        Self::Dropped,
        Self::Applied,
        Self::Deferred,
        Self::Unsupported,
        Self::Put,
        Self::Counters,
        Self::Foreign,
        Self::Garbled,
        Self::Odd,
        Self::Panicked,
        Self::Stuck,
    ];

    /// Tells whether it is a read that returned a row.
    pub(crate) const fn is_value(self) -> bool {
        matches!(self, Self::Hit | Self::Loaded | Self::Shared)
    }

    /// Tells whether it is a read that went to its end.
    pub(crate) const fn is_read(self) -> bool {
        self.is_value() || matches!(self, Self::Miss | Self::Refused)
    }

    /// Tells whether it is an invalidation that something is promised of.
    pub(crate) const fn is_promise(self) -> bool {
        matches!(self, Self::Applied | Self::Deferred)
    }

    /// Tells whether it is wrong whatever else happened.
    pub(crate) const fn is_wrong(self) -> bool {
        matches!(self, Self::Foreign | Self::Garbled | Self::Odd | Self::Panicked | Self::Stuck)
    }
}

/// One call of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) what: What,
    /// Whether it is the first of the call's records: a call may be about several rows.
    pub(crate) is_first: bool,
    pub(crate) row: Row,
    /// How long the caller's own loader took of it, in microseconds.
    pub(crate) spent: u32,
    pub(crate) version: u64,
    pub(crate) begin: Moment,
    pub(crate) end: Moment,
}

impl Record {
    pub(crate) fn encode(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[0] = self.what as u8;
        bytes[1] = self.is_first.into();
        bytes[2..4].copy_from_slice(&self.row.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.spent.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.version.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.begin.0.to_le_bytes());
        bytes[24..].copy_from_slice(&self.end.0.to_le_bytes());
        bytes
    }

    /// Decodes a record; `None` for what is none.
    pub(crate) fn decode(bytes: &[u8; SIZE]) -> Option<Self> {
        let [what, is_first, rest @ ..] = bytes;
        let (row, rest) = rest.split_first_chunk()?;
        let (spent, rest) = rest.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (begin, rest) = rest.split_first_chunk()?;
        let (end, _) = rest.split_first_chunk()?;
        Some(Self {
            what: *What::ALL.get(usize::from(*what))?,
            is_first: *is_first != 0,
            row: Row::from_le_bytes(*row),
            spent: u32::from_le_bytes(*spent),
            version: u64::from_le_bytes(*version),
            begin: Moment(u64::from_le_bytes(*begin)),
            end: Moment(u64::from_le_bytes(*end)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        for what in What::ALL {
            let record = Record {
                what,
                is_first: true,
                row: 517,
                spent: 70_001,
                version: u64::MAX - 1,
                begin: Moment(1 << 40),
                end: Moment(2 << 40),
            };
            assert_eq!(Record::decode(&record.encode()), Some(record));
        }
    }

    #[test]
    fn an_unknown_kind_is_no_record() {
        assert_eq!(Record::decode(&[200; SIZE]), None);
    }
}
