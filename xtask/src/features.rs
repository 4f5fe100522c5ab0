//! `features`: compiles each feature alone, and checks what it pulls in.
//!
//! Features are additive, so what another package or a test turns on hides what is missing.

mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::process::{self, Result, Stopwatch, heading};
use crate::workspace::{Package, Workspace};
use rules::Build;

/// The crate whose features people choose from.
const FACADE: &str = "tasker-cache";

/// What the book says of the facade's features.
const TABLE: &str = "docs/src/costs.md";

/// What `features` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Compiles, counts and judges.
    Checked,
    /// Measures too how long the facade compiles from nothing, which takes minutes.
    Timed,
}

/// Checks every published package without features and with each feature alone, and prints how
/// many crates each takes; timed or not.
pub(crate) fn run(depth: Depth) -> Result<bool> {
    let workspace = Workspace::load()?;
    let chapter = fs::read_to_string(workspace.root.join(TABLE))?;
    let budgets = rules::budgets(&chapter);
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
            if package.name == FACADE {
                complaints.extend(build.over_budget(&budgets));
            }
            let count = crates.len().to_string();
            table.push(row(&package.name, feature.unwrap_or("(none)"), &count));
        }
    }
    heading(&format!("crates compiled, by feature\n{}", table.join("\n")));
    for complaint in &complaints {
        println!("error: {complaint}");
    }
    if depth == Depth::Timed {
        all_well &= time(&workspace)?;
    }
    Ok(all_well && complaints.is_empty())
}

/// Prints, for each feature of the facade, how many crates it takes and how long they compile;
/// two features that compile the same are measured once.
fn time(workspace: &Workspace) -> Result<bool> {
    let folder = workspace.target.join("features");
    let mut measured: BTreeMap<String, f64> = BTreeMap::new();
    let mut table = vec![format!("{}{:>10}", row("package", "feature", "crates"), "seconds")];
    for package in workspace.published().filter(|package| package.name == FACADE) {
        let features = package.features.keys().map(|feature| Some(feature.as_str()));
        for feature in [None].into_iter().chain(features) {
            let tree = tree(workspace, package, feature)?;
            let seconds = match measured.get(&tree) {
                Some(seconds) => *seconds,
                None => match build(workspace, package, feature, &folder)? {
                    Some(seconds) => seconds,
                    None => return Ok(false),
                },
            };
            let count = crates(&tree).len().to_string();
            let row = row(&package.name, feature.unwrap_or("(none)"), &count);
            table.push(format!("{row}{seconds:>10.1}"));
            measured.insert(tree, seconds);
        }
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    heading(&format!("crates compiled, and how long, by feature\n{}", table.join("\n")));
    Ok(true)
}

/// Compiles a package from nothing, and returns how long that took if it could be done.
fn build(
    workspace: &Workspace,
    package: &Package,
    feature: Option<&str>,
    folder: &Path,
) -> Result<Option<f64>> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let mut command = workspace.cargo("build");
    select(&mut command, package, feature);
    command.args(["--quiet", "--target-dir"]).arg(folder);
    let stopwatch = Stopwatch::start();
    let is_built = process::succeeds(&mut command)?;
    Ok(is_built.then(|| stopwatch.seconds()))
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
