//! The versions that are shipped are the ones that are fuzzed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::tidy::tree::{Finding, Tree};

/// The versions of the workspace, and those of the fuzz targets, which are a workspace of their own.
const LOCKS: [&str; 2] = ["Cargo.lock", "fuzz/Cargo.lock"];

/// A `Cargo.lock`, as far as it is of interest.
#[derive(Debug, Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: String,
}

/// Compares what both lock files name.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let [Some(shipped), Some(fuzzed)] = LOCKS.map(|path| tree.text(path)) else {
        return Vec::new();
    };
    let (shipped, fuzzed) = match (toml::from_str(shipped), toml::from_str(fuzzed)) {
        (Ok(shipped), Ok(fuzzed)) => (versions(shipped), versions(fuzzed)),
        (Err(error), _) => return vec![unreadable(LOCKS[0], &error)],
        (_, Err(error)) => return vec![unreadable(LOCKS[1], &error)],
    };
    let mut findings = Vec::new();
    for (name, fuzzed) in &fuzzed {
        let known = shipped.get(name);
        for version in fuzzed.iter().filter(|one| known.is_some_and(|all| !all.contains(*one))) {
            let what = format!("has {name} {version}, which the workspace has not");
            let mend = "copy the root's Cargo.lock over it, and let `cargo metadata` cut it down";
            findings.push(Finding::at(LOCKS[1], what, mend));
        }
    }
    findings
}

fn versions(lock: Lock) -> BTreeMap<String, BTreeSet<String>> {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for Package { name, version } in lock.package {
        versions.entry(name).or_default().insert(version);
    }
    versions
}

fn unreadable(path: &str, error: &toml::de::Error) -> Finding {
    Finding::at(path, error.message().to_owned(), "let cargo write it")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = "[[package]]\nname = \"one\"\nversion = \"1.0.0\"\n";

    fn findings(fuzzed: &str) -> usize {
        check(&Tree::of(&[(LOCKS[0], SHIPPED), (LOCKS[1], fuzzed)])).len()
    }

    #[test]
    fn another_version_than_is_shipped_is_caught() {
        assert_eq!(findings(SHIPPED), 0);
        assert_eq!(findings(&SHIPPED.replace("1.0.0", "1.0.1")), 1);
    }

    #[test]
    fn what_only_the_targets_need_may_be_of_any_version() {
        assert_eq!(findings(&SHIPPED.replace("one", "fuzzer")), 0);
    }

    #[test]
    fn what_is_no_lock_is_caught() {
        assert_eq!(findings("package = 1"), 1);
    }
}
