//! The command line: what can be asked for, and the help that says so.

use crate::check::Step;
use crate::test::Lane;

/// The help, one screen of it.
pub(crate) const HELP: &str = "\
cargo xtask: the workspace's chores

Usage: cargo xtask COMMAND

  test [LANE…] [-p PACKAGE]  Run the tests and print which backend ran which conformance cases.
                             Lanes: tests (all test binaries), doc (the examples in the
                             documentation), loom (every interleaving). Default: all of them.
  check [STEP…]              Check what a test can't see. Steps: format, tidy, clippy, features,
                             docs, package. Default: all of them.
  features                   Compile each feature alone and check what it pulls in.
  tidy                       Check the rules of the tree that are matters of text.
  bench [NAME]               Run the benchmarks whose name contains NAME. Default: all of them.
  demo                       Run the demo for four seconds and check its figures.
  help                       Print this.

A command ends with exit code 0 only if everything it ran was well. Before sending a change:
cargo xtask check && cargo xtask test";

/// One parsed command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Test { lanes: Vec<Lane>, package: Option<String> },
    Check { steps: Vec<Step> },
    Features,
    Tidy,
    Bench { name: Option<String> },
    Demo,
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
            ("help" | "-h" | "--help", _) | (_, ["-h" | "--help"]) => Ok(Self::Help),
            ("test", words) => test(words),
            ("check", words) => check(words),
            ("features", []) => Ok(Self::Features),
            ("tidy", []) => Ok(Self::Tidy),
            ("demo", []) => Ok(Self::Demo),
            ("bench", []) => Ok(Self::Bench { name: None }),
            ("bench", [name]) => Ok(Self::Bench { name: Some((*name).to_owned()) }),
            ("features" | "tidy" | "demo" | "bench", [.., word]) => {
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
        } else {
            let lane = named(&Lane::ALL, Lane::name, word);
            lanes.push(lane.ok_or_else(|| format!("there is no lane `{word}`"))?);
        }
    }
    Ok(Command::Test { lanes, package })
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
    fn what_is_not_known_is_named() {
        assert!(parse("").is_err());
        assert!(parse("tset").is_err_and(|said| said.contains("`tset`")));
        assert!(parse("test dock").is_err_and(|said| said.contains("`dock`")));
        assert!(parse("check lint").is_err_and(|said| said.contains("`lint`")));
        assert!(parse("tidy all").is_err_and(|said| said.contains("`all`")));
        assert!(parse("test -p").is_err());
    }

    #[test]
    fn the_help_names_every_lane_and_step_and_fits_one_screen() {
        for name in Lane::ALL.map(Lane::name) {
            assert!(HELP.contains(name), "{name}");
        }
        for name in Step::ALL.map(Step::name) {
            assert!(HELP.contains(name), "{name}");
        }
        assert!(HELP.lines().count() <= 24);
        assert!(HELP.lines().all(|line| line.chars().count() <= 100));
    }
}
