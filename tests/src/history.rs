//! The rule: a read returns nothing older than what was invalidated before it began.

use std::sync::atomic::{AtomicU64, Ordering};

use tasker_cache::Invalidation;

/// A database row that many processes read and write, and what they may still see of it.
///
/// Its value is its version. Reads that break the rule are counted, not asserted, so that a
/// planted fault can be seen to be caught.
#[derive(Debug, Default)]
pub struct Row {
    committed: AtomicU64,
    /// The highest version whose invalidation was acknowledged to everybody.
    applied: AtomicU64,
    violations: AtomicU64,
    reads: AtomicU64,
    digest: AtomicU64,
}

/// What one process knows of a row beyond what everybody does: the highest version that it
/// deferred.
#[derive(Debug, Default)]
pub struct Process {
    deferred: AtomicU64,
}

impl Row {
    /// Returns the version that a query sees now.
    #[must_use]
    pub fn query(&self) -> u64 {
        self.committed.load(Ordering::SeqCst)
    }

    /// Commits a new version and returns it.
    pub fn commit(&self) -> u64 {
        self.committed.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Notes how the invalidation of a version went; one that the store can't do promises nothing.
    ///
    /// # Panics
    ///
    /// Panics if the cache says that it stands in for another.
    pub fn invalidated(&self, process: &Process, version: u64, done: Invalidation) {
        match done {
            Invalidation::Applied => self.applied.fetch_max(version, Ordering::SeqCst),
            Invalidation::Deferred => process.deferred.fetch_max(version, Ordering::SeqCst),
            Invalidation::Unsupported => 0,
            other => panic!("an invalidation was {other}"),
        };
    }

    /// Returns the oldest version that a read of this process may return if it begins now.
    #[must_use]
    pub fn oldest_allowed(&self, process: &Process) -> u64 {
        let deferred = process.deferred.load(Ordering::SeqCst);
        self.applied.load(Ordering::SeqCst).max(deferred)
    }

    /// Checks what a read returned against what was allowed when it began.
    pub fn check(&self, allowed: u64, version: u64) {
        let nth = self.reads.fetch_add(1, Ordering::SeqCst);
        if version < allowed {
            self.violations.fetch_add(1, Ordering::SeqCst);
        }
        self.digest.fetch_add((version + 1).wrapping_mul(nth + 1), Ordering::SeqCst);
    }

    /// Counts what is wrong whatever its version: a value of another row, say.
    pub fn violate(&self) {
        self.violations.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns how many reads broke the rule.
    #[must_use]
    pub fn violations(&self) -> u64 {
        self.violations.load(Ordering::SeqCst)
    }

    /// Returns how many reads were checked.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::SeqCst)
    }

    /// Returns a number that two runs share if their reads were the same.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest.load(Ordering::SeqCst)
    }
}
