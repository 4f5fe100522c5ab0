//! `check oldest`: that the oldest supported Rust, `rust-version`, is one that the dependencies
//! take too, and that it compiles the workspace, where it is installed.
//!
//! What it does not know of the standard library, `clippy::incompatible_msrv` finds.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::process::{self, Result};
use crate::workspace::Workspace;

/// All that `cargo metadata` knows of the published crates and what they are made of.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    rust_version: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Debug, Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Debug, Deserialize)]
struct Kind {
    kind: Option<String>,
}

/// Checks the dependencies, and compiles with the oldest Rust if that is here.
pub(crate) fn run(workspace: &Workspace) -> Result<bool> {
    let mut command = workspace.cargo("metadata");
    command.args(["--format-version", "1", "--all-features"]);
    let metadata: Metadata = serde_json::from_str(&process::output_of(&mut command)?)?;
    let published: BTreeSet<&str> = workspace.published().map(|one| one.name.as_str()).collect();
    let oldest = metadata.oldest(&published)?;
    let needed = metadata.needed(&published);
    let complaints: Vec<String> =
        needed.iter().filter_map(|package| package.complaint(&oldest)).collect();
    println!("Rust {oldest}, {} crates to be compiled with it", needed.len());
    for complaint in &complaints {
        println!("error: {complaint}");
    }
    Ok(compiles(workspace, &oldest)? && complaints.is_empty())
}

fn compiles(workspace: &Workspace, oldest: &str) -> Result<bool> {
    let is_installed = Command::new("cargo")
        .env("RUSTUP_TOOLCHAIN", oldest)
        .env("RUSTUP_AUTO_INSTALL", "0")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !is_installed {
        println!("not compiled with it: `rustup toolchain install {oldest}` would have it done");
        return Ok(true);
    }
    let mut command = Command::new("cargo");
    command.current_dir(&workspace.root).env("RUSTUP_TOOLCHAIN", oldest);
    for variable in ["CARGO", "RUSTC", "RUSTDOC"] {
        command.env_remove(variable);
    }
    command.args(["check", "--locked", "--all-features", "--target-dir"]);
    command.arg(workspace.target.join("oldest"));
    for package in workspace.published() {
        command.args(["--package", &package.name]);
    }
    process::succeeds(&mut command)
}

impl Metadata {
    /// Returns the one version that all published crates state.
    ///
    /// # Errors
    ///
    /// When one states none, or they state several.
    fn oldest(&self, published: &BTreeSet<&str>) -> Result<String> {
        let members = self.packages.iter().filter(|one| published.contains(one.name.as_str()));
        let stated: BTreeSet<Option<&str>> =
            members.map(|one| one.rust_version.as_deref()).collect();
        match stated.iter().collect::<Vec<_>>().as_slice() {
            [Some(version)] => Ok((*version).to_owned()),
            several => Err(format!("no one rust-version for all published: {several:?}").into()),
        }
    }

    /// Returns the published crates and all that they need but for their tests.
    fn needed(&self, published: &BTreeSet<&str>) -> Vec<&Package> {
        let nodes: BTreeMap<&str, &Node> =
            self.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let members = self.packages.iter().filter(|one| published.contains(one.name.as_str()));
        let mut open: Vec<&str> = members.map(|one| one.id.as_str()).collect();
        let mut found = BTreeSet::new();
        while let Some(id) = open.pop() {
            if found.insert(id)
                && let Some(node) = nodes.get(id)
            {
                let edges = node.deps.iter().filter(|edge| edge.is_needed());
                open.extend(edges.map(|edge| edge.pkg.as_str()));
            }
        }
        self.packages.iter().filter(|one| found.contains(one.id.as_str())).collect()
    }
}

impl Package {
    fn complaint(&self, oldest: &str) -> Option<String> {
        let needs = self.rust_version.as_deref()?;
        let Self { name, version, .. } = self;
        let is_newer = compare(needs, oldest) == Ordering::Greater;
        is_newer.then(|| format!("{name} {version} needs Rust {needs}, which is newer"))
    }
}

impl Edge {
    fn is_needed(&self) -> bool {
        self.dep_kinds.iter().any(|one| one.kind.as_deref() != Some("dev"))
    }
}

/// Compares versions of one to three numbers.
fn compare(one: &str, other: &str) -> Ordering {
    let numbers = |version: &str| -> Vec<u32> {
        let parsed = version.split('.').map(|number| number.parse().unwrap_or(0));
        parsed.chain([0, 0]).take(3).collect()
    };
    numbers(one).cmp(&numbers(other))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, rust_version: Option<&str>) -> serde_json::Value {
        json!({ "id": name, "name": name, "version": "1.0.0", "rust_version": rust_version })
    }

    fn metadata() -> Metadata {
        let edge = |name: &str, kind: Option<&str>| {
            let kinds = [json!({ "kind": kind })];
            json!({ "pkg": name, "dep_kinds": kinds })
        };
        serde_json::from_value(json!({
            "packages": [package("ours", Some("1.88")), package("used", Some("1.89.1")),
                package("tested-with", Some("1.95")), package("silent", None)],
            "resolve": { "nodes": [
                { "id": "ours", "deps": [edge("used", None), edge("tested-with", Some("dev"))] },
                { "id": "used", "deps": [edge("silent", Some("build"))] },
            ]},
        }))
        .unwrap()
    }

    #[test]
    fn what_a_crate_needs_is_judged_and_what_its_tests_need_is_not() {
        let metadata = metadata();
        let published = BTreeSet::from(["ours"]);
        let oldest = metadata.oldest(&published).unwrap();
        let needed = metadata.needed(&published);
        let complaints: Vec<_> = needed.iter().filter_map(|one| one.complaint(&oldest)).collect();
        assert_eq!(needed.len(), 3);
        assert_eq!(complaints, ["used 1.0.0 needs Rust 1.89.1, which is newer"]);
    }

    #[test]
    fn crates_that_disagree_have_no_oldest() {
        assert!(metadata().oldest(&BTreeSet::from(["ours", "used"])).is_err());
        assert!(metadata().oldest(&BTreeSet::from(["silent"])).is_err());
    }

    #[test]
    fn versions_are_compared_by_number() {
        assert_eq!(compare("1.88", "1.88.0"), Ordering::Equal);
        assert_eq!(compare("1.9", "1.88"), Ordering::Less);
        assert_eq!(compare("1.88.1", "1.88"), Ordering::Greater);
    }
}
