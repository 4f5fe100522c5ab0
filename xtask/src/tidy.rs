//! `tidy`: the rules of the tree that are matters of text.
//!
//! Each says where it is broken, how, and what mends it.

mod links;
mod locks;
mod machine;
mod manifest;
mod package;
mod source;
mod tree;

use crate::process::Result;
use crate::workspace::Workspace;
use tree::{Finding, Tree};

/// Checks every file that git knows or would add.
pub(crate) fn run() -> Result<bool> {
    let tree = Tree::read(&Workspace::load()?.root)?;
    let mut findings = findings(&tree);
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    println!("tidy: {} files, {} findings", tree.len(), findings.len());
    Ok(findings.is_empty())
}

fn findings(tree: &Tree) -> Vec<Finding> {
    let rules = [
        source::check,
        manifest::check,
        package::check,
        links::check,
        locks::check,
        machine::check,
    ];
    rules.iter().flat_map(|rule| rule(tree)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tidy_tree_has_no_findings() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace.package]\nversion = \"0.1.0\"\n"),
            ("CHANGELOG.md", "## [Unreleased]\n"),
            ("README.md", "See [the guide](docs/src/guide.md#first-steps).\n"),
            ("docs/src/SUMMARY.md", "- [Guide](guide.md)\n"),
            ("docs/src/guide.md", "# First steps\n"),
            ("src/main.rs", "//! Does nothing.\n\nfn main() {}\n"),
        ]);
        assert_eq!(findings(&tree), []);
    }

    #[test]
    fn every_kind_of_rule_is_run() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace.dependencies]\nunused = \"1\"\n"),
            ("CHANGELOG.md", ""),
            ("README.md", concat!("[gone](gone.md) and https://crates", ".io\n")),
            ("src/main.rs", "fn main() {}\n"),
        ]);
        let places: Vec<String> = findings(&tree).iter().map(Finding::place).collect();
        let expected =
            ["src/main.rs:1", "Cargo.toml:2", "CHANGELOG.md", "README.md:1", "README.md:1"];
        assert_eq!(places, expected);
    }
}
