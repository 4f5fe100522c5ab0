//! A client's log: written by one process, read by another, whole up to the moment of a kill.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use super::clock::Moment;
use super::record::{Record, SIZE, What};
use super::rows::Row;

/// The end of a log to which records are added.
///
/// Each call is handed to the kernel at once, which a kill of the process can't undo.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
}

impl Log {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: OpenOptions::new().create(true).append(true).open(path)? })
    }

    /// Adds the records of one call, in one write.
    ///
    /// # Panics
    ///
    /// If they can't be written: what is not noted can't be judged.
    pub(crate) fn add(&self, records: &[Record]) {
        let bytes: Vec<u8> = records.iter().flat_map(Record::encode).collect();
        let written = (&self.file).write_all(&bytes);
        written.unwrap_or_else(|error| panic!("the log can't be written: {error}"));
    }

    /// Adds one record that ends now.
    pub(crate) fn note(&self, what: What, row: Row, version: u64, begin: Moment) {
        let end = Moment::now();
        self.add(&[Record { what, is_first: true, row, spent: 0, version, begin, end }]);
    }
}

/// The other end of a log, from which records are taken as they come.
#[derive(Debug)]
pub(crate) struct Tail {
    file: File,
    /// What is not yet a whole record.
    rest: Vec<u8>,
}

impl Tail {
    /// Makes the log's file, and stands at its beginning.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        File::create(path)?;
        Ok(Self { file: File::open(path)?, rest: Vec::new() })
    }

    /// Returns the records that were added since the last time; a torn one waits for its rest.
    pub(crate) fn take(&mut self) -> io::Result<Vec<Record>> {
        self.file.read_to_end(&mut self.rest)?;
        let (whole, torn) = self.rest.as_chunks::<SIZE>();
        let records = whole.iter().filter_map(Record::decode).collect();
        self.rest = torn.to_vec();
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_record_is_left_out_until_it_is_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let mut tail = Tail::create(&path).expect("a file");
        let log = Log::create(&path).expect("the same file");
        log.note(What::Hit, 1, 2, Moment::now());
        let mut bytes = std::fs::read(&path).expect("it is there");
        bytes[2] = 9;
        (&log.file).write_all(&bytes[..SIZE - 1]).expect("it is open");
        assert_eq!(tail.take().expect("it is there").len(), 1);
        (&log.file).write_all(&bytes[SIZE - 1..]).expect("it is open");
        let rows: Vec<_> = tail.take().expect("it is there").iter().map(|one| one.row).collect();
        assert_eq!(rows, [9]);
    }
}
