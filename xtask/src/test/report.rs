//! What all lanes together came to, down to the closing line.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::process::{Result, heading};
use crate::test::binary::Binary;
use crate::test::grid::Grid;
use crate::test::libtest::{Case, Counts, Outcome, Transcript};
use crate::test::rare;
use crate::test::row::{Place, Row};

/// The sum of everything that was run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    counts: Counts,
    /// The tests that failed.
    failures: Vec<String>,
    /// What is wrong besides: each counts like a failed test.
    complaints: Vec<String>,
    grid: Grid,
    /// The backends that somebody else runs, which are lanes only where they do.
    given: BTreeSet<String>,
    /// What can't be run here, with the reason.
    not_run: BTreeSet<String>,
}

impl Report {
    /// Returns how many tests ran so far, plus what else was wrong: no more of it, and nothing has
    /// happened.
    pub(crate) fn events(&self) -> u64 {
        self.counts.passed + self.counts.failed + self.complaints.len() as u64
    }

    /// Takes note of something that is wrong although no test says so.
    pub(crate) fn complain(&mut self, complaint: String) {
        self.complaints.push(complaint);
    }

    /// Adds a test that is a program of its own.
    pub(crate) fn note(&mut self, title: &str, succeeded: bool) {
        if succeeded {
            self.counts.passed += 1;
        } else {
            self.counts.failed += 1;
            self.failures.push(title.to_owned());
        }
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

    /// Puts the cases of the conformance suite into the grid; a binary that was run as a whole must
    /// have had some if it calls the suite.
    ///
    /// # Errors
    ///
    /// When the binary's source can't be read.
    pub(crate) fn compare(
        &mut self,
        binary: &Binary,
        title: &str,
        transcript: &Transcript,
        is_whole: bool,
    ) -> Result<()> {
        if !binary.is_integration_test() {
            return Ok(());
        }
        let mut executed = 0;
        for Case { path, outcome } in &transcript.cases {
            if let Some((row, place)) = binary.case(path) {
                let is_executed = *outcome != Outcome::Ignored;
                self.grid.add(&row, place, is_executed);
                executed += usize::from(is_executed);
            }
        }
        if is_whole && executed == 0 && binary.calls_the_suite()? {
            self.complain(format!(
                "{title}: calls the conformance suite and ran none of its cases"
            ));
        }
        Ok(())
    }

    /// Takes note of a case that a backend has, without having run it.
    pub(crate) fn list(&mut self, row: &Row, place: Place) {
        if rare::is_given(row) {
            self.given.insert(row.to_string());
        }
        self.grid.add(row, place, true);
    }

    /// Takes note of a backend whose tests are left out, and why.
    pub(crate) fn leave_out(&mut self, name: &str, why: &str) {
        self.not_run.insert(format!("{name} ({why})"));
    }

    /// Tells whether no backend has run the conformance suite so far.
    pub(crate) fn lacks_backends(&self) -> bool {
        self.grid.is_empty()
    }

    /// Prints the grid, all that failed and the closing line, and tells whether nothing failed.
    pub(crate) fn close(mut self, elapsed: &str) -> bool {
        self.complaints.extend(self.grid.gaps());
        self.print_grid();
        let failed = self.failed();
        if !failed.is_empty() {
            heading(&format!("failed\n  {}", failed.join("\n  ")));
        }
        heading(&format!("the tests took {elapsed}"));
        println!("{}", self.closing_line());
        failed.is_empty()
    }

    /// Prints the grid alone and what is wrong with it, and tells whether nothing is.
    pub(crate) fn close_matrix(mut self, is_json: bool, lanes: &[&str]) -> bool {
        self.complaints.extend(self.grid.gaps());
        let failed = self.failed();
        if is_json {
            println!("{:#}", self.json(lanes));
        } else {
            self.print_grid();
            if !failed.is_empty() {
                heading(&format!("failed\n  {}", failed.join("\n  ")));
            }
        }
        failed.is_empty()
    }

    fn print_grid(&self) {
        if !self.grid.is_empty() {
            heading(&format!("backend × conformance group\n{}", self.grid));
        }
        for one in &self.not_run {
            println!("not run: {one}");
        }
    }

    fn failed(&self) -> Vec<String> {
        self.failures.iter().chain(&self.complaints).cloned().collect()
    }

    fn json(&self, lanes: &[&str]) -> Value {
        let backends = self.grid.backends().filter(|name| !self.given.contains(*name));
        let lanes: Vec<&str> = lanes.iter().copied().chain(backends).collect();
        let (groups, backends) = self.grid.json();
        json!({
            "groups": groups,
            "backends": backends,
            "lanes": lanes,
            "given": self.given,
            "not_run": self.not_run,
            "failed": self.failed(),
        })
    }

    fn closing_line(&self) -> String {
        let Counts { passed, failed, ignored } = self.counts;
        let failed = failed + self.complaints.len() as u64;
        if ignored == 0 {
            format!("{passed} passed, {failed} failed")
        } else {
            format!("{passed} passed, {failed} failed, {ignored} skipped")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(output: &str, succeeded: bool) -> Report {
        let mut transcript = Transcript::default();
        output.lines().for_each(|line| transcript.read(line));
        let mut report = Report::default();
        report.add("package: tests/one.rs", &transcript, succeeded);
        report
    }

    #[test]
    fn the_closing_line_tells_the_sum() {
        let output = "test a ... ok\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured";
        let report = report(output, true);
        assert_eq!(report.closing_line(), "1 passed, 0 failed");
        assert!(report.close("1 s"));
    }

    #[test]
    fn skipped_tests_are_told_too() {
        let output =
            "test a ... ignored\ntest result: ok. 0 passed; 0 failed; 1 ignored; 0 measured";
        let report = report(output, true);
        assert_eq!(report.closing_line(), "0 passed, 0 failed, 1 skipped");
    }

    #[test]
    fn a_failed_test_fails_the_run() {
        let output =
            "test a ... FAILED\ntest result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured";
        let report = report(output, false);
        assert_eq!(report.closing_line(), "0 passed, 1 failed");
        assert_eq!(report.failures, ["package: tests/one.rs: a"]);
        assert!(!report.close("1 s"));
    }

    #[test]
    fn a_complaint_counts_as_failed() {
        let mut report = report("test a ... ok", true);
        report.complain("does not compile".to_owned());
        assert_eq!(report.closing_line(), "1 passed, 2 failed");
        assert!(!report.close("1 s"));
    }

    #[test]
    fn a_program_reads_every_lane_and_what_was_left_out() {
        let mut report = Report::default();
        let (row, place) =
            Row::of_case("tasker-cache-moka", "", "conformance::get::a_miss").unwrap();
        report.list(&row, place);
        let (row, place) =
            Row::of_case("tasker-cache-tests", "given", "given_redis::conformance::get::a_miss")
                .unwrap();
        report.list(&row, place);
        report.leave_out("dragonfly", "not here");
        let json = report.json(&["tests", "doc"]);
        assert_eq!(json["lanes"], json!(["tests", "doc", "moka"]));
        assert_eq!(json["given"], json!(["tests/given/given_redis"]));
        assert_eq!(json["not_run"], json!(["dragonfly (not here)"]));
        assert_eq!(json["backends"][0]["cases"]["get"], json!(1));
    }
}
