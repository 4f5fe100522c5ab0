//! `features`: compiles each feature alone, and checks what it pulls in.
//!
//! Features are additive, so what another package or a test turns on hides what is missing.

mod rules;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::process::{self, Result, Stopwatch, heading};
use crate::workspace::{Package, Workspace};
use rules::Build;

/// The crate whose features people choose from.
const FACADE: &str = "tasker-cache";

/// Checks every published package without features and with each feature alone.
pub(crate) fn run() -> Result<bool> {
    let workspace = Workspace::load()?;
    let mut all_well = true;
    let mut table = vec![row("package", "feature", "crates")];
    let mut complaints = Vec::new();
    for package in workspace.published() {
        let features = package.features.keys().map(|feature| Some(feature.as_str()));
        for feature in [None].into_iter().chain(features) {
            let mut command = workspace.cargo("clippy");
            select(&mut command, package, feature);
            command.args(["--no-deps", "--", "-D", "warnings"]);
            all_well &= process::succeeds(&mut command)?;

            let tree = tree(&workspace, package, feature)?;
            let crates = crates(&tree);
            let build = Build::new(package, feature, &crates);
            complaints.extend(build.complaints());
            let count = crates.len().to_string();
            table.push(row(&package.name, feature.unwrap_or("(none)"), &count));
        }
    }
    heading(&format!("crates compiled, by feature\n{}", table.join("\n")));
    for complaint in &complaints {
        println!("error: {complaint}");
    }
    Ok(all_well && complaints.is_empty())
}

/// Prints, for each feature of the facade, how many crates it takes and how long they compile.
pub(crate) fn time() -> Result<bool> {
    let workspace = Workspace::load()?;
    let folder = workspace.target.join("features");
    let mut table = vec![format!("{}{:>10}", row("package", "feature", "crates"), "seconds")];
    for package in workspace.published().filter(|package| package.name == FACADE) {
        let features = package.features.keys().map(|feature| Some(feature.as_str()));
        for feature in [None].into_iter().chain(features) {
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            let tree = tree(&workspace, package, feature)?;
            let count = crates(&tree).len().to_string();
            let mut command = workspace.cargo("build");
            select(&mut command, package, feature);
            command.args(["--quiet", "--target-dir"]).arg(&folder);
            let stopwatch = Stopwatch::start();
            if !process::succeeds(&mut command)? {
                return Ok(false);
            }
            let row = row(&package.name, feature.unwrap_or("(none)"), &count);
            table.push(format!("{row}{:>10.1}", stopwatch.seconds()));
        }
    }
    heading(&format!("crates compiled, and how long, by feature\n{}", table.join("\n")));
    Ok(true)
}

fn tree(workspace: &Workspace, package: &Package, feature: Option<&str>) -> Result<String> {
    let mut command = workspace.cargo("tree");
    select(&mut command, package, feature);
    command.args(["--edges", "no-dev", "--prefix", "none", "--format", "{p}"]);
    process::output_of(&mut command)
}

fn select(command: &mut Command, package: &Package, feature: Option<&str>) {
    command.args(["--package", &package.name, "--no-default-features"]);
    if let Some(feature) = feature {
        command.args(["--features", feature]);
    }
}

fn row(package: &str, feature: &str, crates: &str) -> String {
    format!("{package:24}{feature:16}{crates:>6}")
}

/// Reads `cargo tree`'s lines, `NAME vVERSION …`; the same crate in two versions counts twice.
fn crates(tree: &str) -> BTreeSet<(&str, &str)> {
    tree.lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(' ')?;
            let version = rest.split(' ').next()?.strip_prefix('v')?;
            Some((name, version))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_counts_once_per_version() {
        let tree = "one v0.1.0 (/somewhere/one)\ntwo v1.0.0\n\n[build-dependencies]\n\
                    two v1.0.0 (*)\ntwo v2.0.0 (proc-macro)\n";
        let expected = [("one", "0.1.0"), ("two", "1.0.0"), ("two", "2.0.0")];
        assert_eq!(crates(tree), BTreeSet::from(expected));
    }
}
