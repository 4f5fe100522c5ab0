//! The files of the tree as its documentation's tests read them.

#![expect(clippy::expect_used, reason = "a test's helpers expect what the test needs")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Returns the root of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Reads the file at a path from the root.
///
/// # Panics
///
/// If it can't be read.
#[must_use]
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Reads every Rust source below a folder, by its path from the root.
///
/// # Panics
///
/// If one can't be read.
#[must_use]
pub fn sources(folder: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(root().join(folder)).expect("it can be listed") {
        let entry = entry.expect("it can be listed");
        let name = entry.file_name().into_string().expect("our names are UTF-8");
        let path = format!("{folder}/{name}");
        if entry.path().is_dir() {
            found.extend(sources(&path));
        } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
            let text = read(&path);
            found.insert(path, text);
        }
    }
    found
}

/// Returns the cells of each row of every table below a heading of the second level.
///
/// # Panics
///
/// If the heading isn't there.
#[must_use]
pub fn rows(text: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, section) = text.split_once(&format!("\n{heading}\n")).expect("the heading is there");
    let section = section.split("\n## ").next().unwrap_or_default();
    let lines = section.lines().filter(|line| line.starts_with("| "));
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    lines.map(cells).collect()
}

/// Returns what stands between backticks.
#[must_use]
pub fn ticked(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
