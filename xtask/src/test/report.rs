//! What all lanes together came to, down to the closing line.

use crate::process::{Result, heading};
use crate::test::binary::Binary;
use crate::test::grid::Grid;
use crate::test::libtest::{Counts, Outcome, Transcript};

/// The sum of everything that was run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    counts: Counts,
    /// The tests that failed.
    failures: Vec<String>,
    /// What is wrong besides: each counts like a failed test.
    complaints: Vec<String>,
    grid: Grid,
    has_backends: bool,
}

impl Report {
    /// Returns how many tests ran so far.
    pub(crate) fn executed(&self) -> u64 {
        self.counts.passed + self.counts.failed
    }

    /// Takes note of something that is wrong although no test says so.
    pub(crate) fn complain(&mut self, complaint: String) {
        self.complaints.push(complaint);
    }

    /// Adds what a test binary said.
    pub(crate) fn add(&mut self, title: &str, transcript: &Transcript, succeeded: bool) {
        let (counts, complaint) = transcript.settle(succeeded);
        self.counts.add(counts);
        if let Some(complaint) = complaint {
            self.complain(format!("{title}: {complaint}"));
        }
        for case in &transcript.cases {
            if case.outcome == Outcome::Failed {
                self.failures.push(format!("{title}: {}", case.path));
            }
        }
    }
}
