//! What goes to the registry carries its README and both licences; the release notes know it.

use crate::tidy::manifest::{Manifest, ROOT};
use crate::tidy::tree::{File, Finding, Tree};

/// The texts that a published package carries as copies of the root's: a package ends at its folder.
const LICENCES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];

/// The release notes of all packages, which are released together.
const NOTES: &str = "CHANGELOG.md";

/// Checks the published packages and the root.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending("/Cargo.toml") {
        // That a manifest can't be parsed is found elsewhere.
        if let Ok(manifest) = Manifest::parse(file)
            && manifest.is_published()
        {
            let folder = file.path.trim_end_matches("Cargo.toml");
            findings.extend(untold(&manifest, file.path));
            findings.extend(licences(tree, folder));
            findings.extend(readme(tree, folder));
        }
    }
    findings.extend(readme(tree, ""));
    findings.extend(notes(tree));
    findings
}

fn untold(manifest: &Manifest<'_>, path: &str) -> Option<Finding> {
    let untold = manifest.untold();
    let mend = "say it under `[package]`";
    let what = || format!("says nothing of {}", untold.join(", "));
    (!untold.is_empty()).then(|| Finding::at(path, what(), mend))
}

fn licences(tree: &Tree, folder: &str) -> Vec<Finding> {
    let mend = "copy the file from the root";
    let mut findings = Vec::new();
    for name in LICENCES {
        let path = format!("{folder}{name}");
        match (tree.text(name), tree.text(&path)) {
            (_, None) => findings.push(Finding::at(path, "is not there", mend)),
            (root, copy) if root != copy => {
                findings.push(Finding::at(path, "differs from the root's", mend));
            }
            _ => {}
        }
    }
    findings
}

fn readme(tree: &Tree, folder: &str) -> Option<Finding> {
    let path = format!("{folder}README.md");
    let is_empty = tree.text(&path).is_none_or(|text| text.trim().is_empty());
    let mend = "write what it is, for whom, and a first example";
    is_empty.then(|| Finding::at(path, "is missing or empty", mend))
}

fn notes(tree: &Tree) -> Option<Finding> {
    let root = tree.text(ROOT)?;
    let root = Manifest::parse(File { path: ROOT, text: root }).ok()?;
    let version = root.workspace_version().unwrap_or_default();
    let headings = ["## [Unreleased]".to_owned(), format!("## [{version}]")];
    let notes = tree.text(NOTES).unwrap_or_default();
    let is_told =
        notes.lines().any(|line| headings.iter().any(|heading| line.starts_with(heading)));
    let what = format!("says nothing of version {version}");
    let mend = "add `## [Unreleased]`, or a section for the version";
    (!is_told).then(|| Finding::at(NOTES, what, mend))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str = "[workspace.package]\nversion = \"0.2.0\"\n";

    const ONE: &str = "[package]\ndescription = \"One\"\nreadme = \"README.md\"\nkeywords = []\n\
                       categories = []\n[package.metadata.docs.rs]\nall-features = true\n";

    fn findings(changed: &[(&str, &str)]) -> Vec<String> {
        let mut files = vec![
            (ROOT, WORKSPACE),
            ("README.md", "# All"),
            (NOTES, "# Changelog\n\n## [0.2.0], 2026-01-01\n"),
            ("LICENSE-APACHE", "apache"),
            ("LICENSE-MIT", "mit"),
            ("one/Cargo.toml", ONE),
            ("one/README.md", "# One"),
            ("one/LICENSE-APACHE", "apache"),
            ("one/LICENSE-MIT", "mit"),
        ];
        files.extend(changed);
        check(&Tree::of(&files)).iter().map(Finding::place).collect()
    }

    #[test]
    fn a_complete_package_passes() {
        assert_eq!(findings(&[]), [""; 0]);
    }

    #[test]
    fn a_licence_that_differs_is_caught() {
        assert_eq!(findings(&[("one/LICENSE-MIT", "mitt")]), ["one/LICENSE-MIT"]);
    }

    #[test]
    fn what_a_new_package_lacks_is_caught() {
        let lacking = ["two/LICENSE-APACHE", "two/LICENSE-MIT", "two/README.md"];
        assert_eq!(findings(&[("two/Cargo.toml", ONE)]), lacking);
        assert_eq!(findings(&[("two/Cargo.toml", "[package]\npublish = false")]), [""; 0]);
    }

    #[test]
    fn a_package_that_does_not_introduce_itself_is_caught() {
        for line in ONE.lines().filter(|line| line.contains('=')) {
            let without = ONE.replace(line, "");
            assert_eq!(findings(&[("one/Cargo.toml", &without)]), ["one/Cargo.toml"], "{line}");
        }
    }

    #[test]
    fn an_empty_readme_is_caught() {
        assert_eq!(findings(&[("README.md", "\n")]), ["README.md"]);
    }

    #[test]
    fn notes_that_say_nothing_of_the_version_are_caught() {
        assert_eq!(findings(&[(NOTES, "## [0.1.0]\n")]), [NOTES]);
        assert_eq!(findings(&[(NOTES, "## [Unreleased]\n")]), [""; 0]);
    }
}
