//! Understands what a test binary prints, and settles what came of it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::process::{Result, Voice, typed};

/// What a test binary said, line by line.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    pub(crate) cases: Vec<Case>,
    /// What it counted itself; the sum, if it summed up more than once.
    summary: Option<Counts>,
}

/// One test and what came of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Case {
    /// The path of the test function, as in `conformance::lease::a_late_fill_is_refused`.
    pub(crate) path: String,
    pub(crate) outcome: Outcome,
}

/// What came of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    Ignored,
}

/// How many tests came to which end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl Counts {
    /// Adds the other counts to these.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }

    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Ignored => self.ignored += 1,
        }
    }
}

/// Runs a command that prints as libtest does, lets its output through and reads along.
///
/// Returns what was read, and whether the command succeeded.
///
/// # Errors
///
/// When the command can't be started or its output can't be passed on.
pub(crate) fn run(command: &mut Command, voice: Voice) -> Result<(Transcript, bool)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("can't start {}: {error}", typed(command)))?;
    let mut transcript = Transcript::default();
    if let Some(stdout) = child.stdout.take() {
        let mut stdout = BufReader::new(stdout);
        let mut line = Vec::new();
        while stdout.read_until(b'\n', &mut line)? > 0 {
            voice.pass_on(&line)?;
            transcript.read(String::from_utf8_lossy(&line).trim_end());
            line.clear();
        }
    }
    Ok((transcript, child.wait()?.success()))
}

/// Reads what a test binary answers to `--list --format terse`: the paths of its tests.
pub(crate) fn listed(output: &str) -> Vec<String> {
    output.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

impl Transcript {
    /// Takes note of one line.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ").and_then(summary) {
            self.summary.get_or_insert_default().add(counts);
        } else if let Some(case) = line.strip_prefix("test ").and_then(case) {
            self.cases.push(case);
        }
    }

    /// Returns the counts and what else is wrong, given whether the process succeeded.
    ///
    /// A binary is not believed when it ends before its summary, when its lines and its summary
    /// disagree, or when it fails without a failed test.
    pub(crate) fn settle(&self, succeeded: bool) -> (Counts, Option<&'static str>) {
        let mut seen = Counts::default();
        for case in &self.cases {
            seen.count(case.outcome);
        }
        match self.summary {
            None => (seen, Some("ended before it said how its tests went")),
            Some(counts) if counts != seen => (
                counts,
                Some("its lines don't add up to its summary: does a test print to its stdout?"),
            ),
            Some(counts) if !succeeded && counts.failed == 0 => {
                (counts, Some("failed although none of its tests did"))
            }
            Some(counts) => (counts, None),
        }
    }
}

/// Parses `PATH ... OUTCOME`; a path has no ` ... ` in it, but a reason to ignore may.
fn case(line: &str) -> Option<Case> {
    let (path, outcome) = line.split_once(" ... ")?;
    let outcome = match outcome.split([' ', ',']).next()? {
        "ok" => Outcome::Passed,
        "FAILED" => Outcome::Failed,
        "ignored" => Outcome::Ignored,
        _ => return None,
    };
    let path = path.strip_suffix(" - should panic").unwrap_or(path);
    Some(Case { path: path.to_owned(), outcome })
}

/// Parses `ok. 3 passed; 0 failed; 1 ignored; …`.
fn summary(line: &str) -> Option<Counts> {
    let (_, parts) = line.split_once(". ")?;
    let count = |name: &str| {
        parts.split("; ").find_map(|part| {
            let (count, of) = part.split_once(' ')?;
            (of == name).then(|| count.parse().ok())?
        })
    };
    Some(Counts { passed: count("passed")?, failed: count("failed")?, ignored: count("ignored")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "
running 4 tests
test lease::a_late_fill_is_refused ... ok
test lease::a_zero_hold_panics - should panic ... ok
test slow has been running for over 60 seconds
test get::a_miss_is_none ... FAILED
test slow ... ignored, it takes an hour ... or two

failures:
    get::a_miss_is_none

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
";

    fn transcript(output: &str) -> Transcript {
        let mut transcript = Transcript::default();
        output.lines().for_each(|line| transcript.read(line));
        transcript
    }

    #[test]
    fn every_result_line_is_a_case() {
        let cases: Vec<_> =
            transcript(OUTPUT).cases.into_iter().map(|case| (case.path, case.outcome)).collect();
        let expected = [
            ("lease::a_late_fill_is_refused", Outcome::Passed),
            ("lease::a_zero_hold_panics", Outcome::Passed),
            ("get::a_miss_is_none", Outcome::Failed),
            ("slow", Outcome::Ignored),
        ];
        assert_eq!(cases, expected.map(|(path, o)| (path.to_owned(), o)));
    }

    #[test]
    fn only_tests_are_listed() {
        assert_eq!(listed("one::a: test\ntwo: bench\nb: test\n"), ["one::a", "b"]);
    }

    #[test]
    fn lines_and_summary_that_agree_are_believed() {
        let counts = Counts { passed: 2, failed: 1, ignored: 1 };
        assert_eq!(transcript(OUTPUT).settle(false), (counts, None));
    }

    #[test]
    fn the_summaries_of_several_runs_add_up() {
        let (counts, complaint) = transcript(&OUTPUT.repeat(3)).settle(false);
        assert_eq!((counts.passed, counts.failed, counts.ignored), (6, 3, 3));
        assert_eq!(complaint, None);
    }

    #[test]
    fn a_binary_that_dies_is_caught() {
        let (cut, _) = OUTPUT.split_once("failures:").unwrap();
        assert!(transcript(cut).settle(false).1.is_some());
        assert!(transcript("").settle(true).1.is_some());
    }

    #[test]
    fn a_lost_line_is_caught() {
        let garbled = OUTPUT.replace("test get::", "noise test get::");
        assert!(transcript(&garbled).settle(false).1.is_some());
    }

    #[test]
    fn a_failure_that_no_test_reports_is_caught() {
        let output = "test one ... ok\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured";
        assert_eq!(transcript(output).settle(true).1, None);
        assert!(transcript(output).settle(false).1.is_some());
    }
}
