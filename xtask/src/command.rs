//! The command line: what can be asked for, and the help that says so.

use crate::check::Step;
use crate::features::Depth;
use crate::publish;
use crate::test::{Lane, matrix};

/// The help, one screen of it.
pub(crate) const HELP: &str = "\
cargo xtask: the workspace's chores

Usage: cargo xtask COMMAND

  test [LANE…] [-p PACKAGE]  Run the tests; find or install the servers that they need. Lanes: tests
                             (all test binaries), doc (examples in the documentation), loom (every
                             interleaving), mutants (are the tests' own faults found?), chaos (real
                             processes under faults), or a backend or variant: redis, valkey, …
  matrix [--list] [--json]   Run (or count) each backend's conformance cases; print the grid.
  check [STEP…]              Check what a test can't see. Steps: format, tidy, workflows, licences,
                             oldest, clippy, features, docs, api, package. Default: all of them.
  features [--quick]         Compile each feature alone, check what it pulls in, and measure how
                             long that takes from nothing; --quick does not measure.
  tidy                       Check the rules of the tree that are matters of text.
  docs                       Build the documentation of the crates and the book.
  bench [NAME]               Run the benchmarks whose name contains NAME. Default: all of them.
  chaos [BACKEND] [OPTION…]  Check what real processes see under faults; --help tells the options.
  demo                       Run the demo for four seconds and check its figures.
  fuzz [--seconds N]         Fuzz each target for N seconds (20) with nightly Rust.
  publish --dry-run          Package all crates and use them as strangers would; with --execute
                             [--from PACKAGE] in its place, publish them, dependencies first.
  help                       Print this.

A command ends with exit code 0 only if everything it ran was well.";

/// One parsed command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Test { lanes: Vec<Lane>, package: Option<String> },
    Matrix(matrix::Options),
    Check { steps: Vec<Step> },
    Features(Depth),
    Tidy,
    Docs,
    Bench { name: Option<String> },
    Demo,
    Chaos { words: Vec<String> },
    Fuzz { seconds: u32 },
    Publish(publish::Mode),
}

impl Command {
    /// Parses the words behind `cargo xtask`.
    ///
    /// # Errors
    ///
    /// Tells in words what is missing or not known.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let Some((command, rest)) = words.split_first() else {
            return Err("which command?".to_owned());
        };
        match (*command, rest) {
            // The checker has a help of its own.
            ("chaos", words) => {
                Ok(Self::Chaos { words: words.iter().copied().map(str::to_owned).collect() })
            }
            ("help" | "-h" | "--help", _) | (_, ["-h" | "--help"]) => Ok(Self::Help),
            ("test", words) => test(words),
            ("matrix", words) => matrix(words),
            ("check", words) => check(words),
            ("features", []) => Ok(Self::Features(Depth::Timed)),
            ("features", ["--quick"]) => Ok(Self::Features(Depth::Checked)),
            ("tidy", []) => Ok(Self::Tidy),
            ("docs", []) => Ok(Self::Docs),
            ("demo", []) => Ok(Self::Demo),
            ("bench", []) => Ok(Self::Bench { name: None }),
            ("bench", [name]) => Ok(Self::Bench { name: Some((*name).to_owned()) }),
            ("fuzz", []) => Ok(Self::Fuzz { seconds: 20 }),
            ("fuzz", ["--seconds", seconds]) => fuzz(seconds),
            ("publish", words) => publish(words),
            ("features" | "tidy" | "docs" | "demo" | "bench" | "fuzz", [.., word]) => {
                Err(format!("`{command}` does not take `{word}`"))
            }
            (unknown, _) => Err(format!("there is no command `{unknown}`")),
        }
    }
}

fn test(words: &[&str]) -> Result<Command, String> {
    let mut lanes = Vec::new();
    let mut package = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if matches!(*word, "-p" | "--package") {
            let name = words.next().ok_or("`-p` takes the name of a package")?;
            package = Some((*name).to_owned());
        } else if word.starts_with('-') {
            return Err(format!("`test` does not take `{word}`"));
        } else {
            lanes.push(Lane::named(word));
        }
    }
    Ok(Command::Test { lanes, package })
}

fn matrix(words: &[&str]) -> Result<Command, String> {
    let mut options = matrix::Options::default();
    for word in words {
        match *word {
            "--json" => options.is_json = true,
            "--list" => options.is_list = true,
            word => return Err(format!("`matrix` does not take `{word}`")),
        }
    }
    Ok(Command::Matrix(options))
}

fn fuzz(seconds: &str) -> Result<Command, String> {
    match seconds.parse() {
        Ok(seconds) if seconds > 0 => Ok(Command::Fuzz { seconds }),
        _ => Err(format!("`--seconds` takes a number above 0, not `{seconds}`")),
    }
}

fn publish(words: &[&str]) -> Result<Command, String> {
    match words {
        ["--dry-run"] => Ok(Command::Publish(publish::Mode::DryRun)),
        ["--execute"] => Ok(Command::Publish(publish::Mode::Execute { from: None })),
        ["--execute", "--from", package] => {
            Ok(Command::Publish(publish::Mode::Execute { from: Some((*package).to_owned()) }))
        }
        _ => Err("`publish` takes `--dry-run`, or `--execute`: what is published stays".to_owned()),
    }
}

fn check(words: &[&str]) -> Result<Command, String> {
    let steps = words
        .iter()
        .map(|word| {
            named(&Step::ALL, Step::name, word).ok_or_else(|| format!("there is no step `{word}`"))
        })
        .collect::<Result<_, _>>()?;
    Ok(Command::Check { steps })
}

fn named<T: Copy>(all: &[T], name: fn(T) -> &'static str, word: &str) -> Option<T> {
    all.iter().copied().find(|one| name(*one) == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::FIXED;

    fn parse(line: &str) -> Result<Command, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Command::parse(&words)
    }

    #[test]
    fn no_lane_means_every_lane() {
        let all = Command::Test { lanes: Vec::new(), package: None };
        assert_eq!(parse("test"), Ok(all));
    }

    #[test]
    fn lanes_and_a_package_come_in_any_order() {
        let both = || Command::Test {
            lanes: vec![Lane::Doc, Lane::Loom],
            package: Some("one".to_owned()),
        };
        assert_eq!(parse("test doc -p one loom"), Ok(both()));
        assert_eq!(parse("test doc loom --package one"), Ok(both()));
    }

    #[test]
    fn a_lane_that_is_not_fixed_is_a_backend() {
        let lanes = vec![Lane::Backend("redis/valkey".to_owned()), Lane::Doc];
        assert_eq!(parse("test redis/valkey doc"), Ok(Command::Test { lanes, package: None }));
    }

    #[test]
    fn nothing_is_published_by_default() {
        assert!(parse("publish").is_err());
        assert!(parse("publish --from core").is_err());
        assert_eq!(parse("publish --dry-run"), Ok(Command::Publish(publish::Mode::DryRun)));
    }

    #[test]
    fn what_is_not_known_is_named() {
        assert!(parse("").is_err());
        assert!(parse("tset").is_err_and(|said| said.contains("`tset`")));
        assert!(parse("test --dock").is_err_and(|said| said.contains("`--dock`")));
        assert!(parse("matrix --all").is_err_and(|said| said.contains("`--all`")));
        assert!(parse("fuzz --seconds 0").is_err_and(|said| said.contains("`0`")));
        assert!(parse("check lint").is_err_and(|said| said.contains("`lint`")));
        assert!(parse("tidy all").is_err_and(|said| said.contains("`all`")));
        assert!(parse("test -p").is_err());
    }

    #[test]
    fn the_help_names_every_lane_and_step_and_fits_one_screen() {
        for (name, _) in FIXED {
            assert!(HELP.contains(name), "{name}");
        }
        for name in Step::ALL.map(Step::name) {
            assert!(HELP.contains(name), "{name}");
        }
        assert!(HELP.lines().count() <= 24);
        assert!(HELP.lines().all(|line| line.chars().count() <= 100));
    }
}
