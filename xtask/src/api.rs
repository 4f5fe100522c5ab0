//! `check api`: which crates' types stand in the public signatures of the published crates.
//!
//! A type of a client in a signature makes the client's next major version one of ours too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde::Deserialize;
use serde_json::Value;

use crate::process::{self, Result, heading};
use crate::workspace::{Package, Workspace};

/// Whose types may stand there: the standard library, and what a caller meets anyway.
const ALLOWED: [&str; 7] = ["std", "core", "alloc", "bytes", "serde", "serde_core", "async_trait"];

/// Whose types may stand there in one crate only: the recorder of log lines is part of a
/// subscriber that the test puts together.
const EXCEPTIONS: [(&str, &str); 2] =
    [("tasker_cache_testkit", "tracing_core"), ("tasker_cache_testkit", "tracing_subscriber")];

/// What rustdoc writes with `--output-format json`, as far as it is of interest. The format is
/// not stable: ids and names have been there in all of its versions.
#[derive(Debug, Deserialize)]
struct Crate {
    index: BTreeMap<String, Item>,
    paths: BTreeMap<String, Path>,
    external_crates: BTreeMap<String, External>,
}

#[derive(Debug, Deserialize)]
struct Item {
    name: Option<String>,
    crate_id: u32,
    inner: Value,
}

#[derive(Debug, Deserialize)]
struct Path {
    crate_id: u32,
    path: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct External {
    name: String,
}

/// Documents every published crate for a program to read, and names each type that must not be
/// in a signature.
pub(crate) fn run(workspace: &Workspace) -> Result<bool> {
    let mut rustdoc = workspace.cargo("doc");
    // The compiler in use can do this; only its command line is not settled.
    rustdoc.env("RUSTC_BOOTSTRAP", "1");
    rustdoc.env("RUSTDOCFLAGS", "-Z unstable-options --output-format json");
    rustdoc.args(["--no-deps", "--all-features", "--lib", "--target-dir"]);
    let folder = workspace.target.join("api");
    rustdoc.arg(&folder);
    for package in workspace.published() {
        rustdoc.args(["--package", &package.name]);
    }
    if !process::succeeds(&mut rustdoc)? {
        return Ok(false);
    }
    let members: BTreeSet<String> = workspace.published().map(Package::crate_name).collect();
    let mut complaints = Vec::new();
    for name in &members {
        let text = fs::read_to_string(folder.join("doc").join(format!("{name}.json")))?;
        let documented: Crate = serde_json::from_str(&text)?;
        let used = documented.uses()?;
        let foreign: BTreeSet<&str> = used.values().flatten().map(|path| crate_of(path)).collect();
        println!("{name}: {} items, with types of {}", used.len(), list(&foreign));
        complaints.extend(documented.complaints(name, &members)?);
    }
    for complaint in &complaints {
        println!("error: {complaint}");
    }
    if !complaints.is_empty() {
        heading("wrap these types, or name their crates in ALLOWED of xtask/src/api.rs");
    }
    Ok(complaints.is_empty())
}

fn list(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}

fn crate_of(path: &str) -> &str {
    path.split("::").next().unwrap_or(path)
}

impl Crate {
    /// Returns the paths of the types and traits in the signature of each public item.
    ///
    /// # Errors
    ///
    /// When there are none at all, which is no crate but a format that isn't understood.
    fn uses(&self) -> Result<BTreeMap<String, BTreeSet<String>>> {
        let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (id, item) in &self.index {
            if item.crate_id == 0 && !is_derived_by_the_compiler(&item.inner) {
                let name = self.name(id, item);
                let mut ids = BTreeSet::new();
                collect(&item.inner, &mut ids);
                used.entry(name).or_default().extend(ids.iter().filter_map(|id| self.path(id)));
            }
        }
        if used.values().all(BTreeSet::is_empty) {
            return Err("rustdoc's JSON names no type: is its format another one?".into());
        }
        Ok(used)
    }

    fn complaints(&self, name: &str, members: &BTreeSet<String>) -> Result<Vec<String>> {
        let mut complaints = Vec::new();
        for (item, paths) in self.uses()? {
            for path in paths {
                let owner = crate_of(&path);
                let is_allowed = ALLOWED.contains(&owner) || EXCEPTIONS.contains(&(name, owner));
                if !is_allowed && !members.contains(owner) {
                    complaints.push(format!("{name}: `{item}` has {path} in its signature"));
                }
            }
        }
        Ok(complaints)
    }

    /// Names an item: by its path, or else by the type that it implements something for.
    fn name(&self, id: &str, item: &Item) -> String {
        let path = self.paths.get(id).map(|found| found.path.join("::"));
        let implemented = || {
            let of = item.inner.pointer("/impl/for/resolved_path/path")?.as_str()?;
            Some(format!("impl for {of}"))
        };
        path.or_else(|| item.name.clone()).or_else(implemented).unwrap_or_else(|| "impl".to_owned())
    }

    /// Returns the path of what an id stands for, beginning with its crate's name.
    fn path(&self, id: &str) -> Option<String> {
        let found = self.paths.get(id)?;
        let owner = self.external_crates.get(&found.crate_id.to_string());
        let mut path = found.path.clone();
        if let (Some(owner), Some(first)) = (owner, path.first_mut()) {
            first.clone_from(&owner.name);
        }
        Some(path.join("::"))
    }
}

/// Tells whether this is an implementation that nobody wrote: of an auto trait, or a blanket one.
fn is_derived_by_the_compiler(inner: &Value) -> bool {
    inner.get("impl").is_some_and(|found| {
        found["is_synthetic"].as_bool() == Some(true) || !found["blanket_impl"].is_null()
    })
}

/// Collects the ids of all that is named by a path, at any depth.
fn collect(value: &Value, ids: &mut BTreeSet<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect(value, ids)),
        Value::Object(fields) => {
            let is_path = ["path", "source"].iter().any(|name| fields.contains_key(*name));
            if let (true, Some(Value::Number(id))) = (is_path, fields.get("id")) {
                ids.insert(id.to_string());
            }
            fields.values().for_each(|value| collect(value, ids));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A crate with a function that takes a type of another crate, and a blanket implementation.
    fn documented(owner: &str) -> Crate {
        let taken = json!({ "resolved_path": { "path": "Client", "id": 7, "args": null } });
        let listed = json!({ "slice": taken });
        let (path, external) = (json!(["inside", "Client"]), json!({ "name": owner }));
        let blanket = json!({ "impl": { "is_synthetic": false, "blanket_impl": { "generic": "T" },
            "trait": { "path": "Any", "id": 8 } } });
        serde_json::from_value(json!({
            "index": {
                "1": { "name": "connect", "crate_id": 0,
                    "inner": { "function": { "sig": { "inputs": [["client", listed]] } } } },
                "2": { "name": null, "crate_id": 0, "inner": blanket },
            },
            "paths": {
                "7": { "crate_id": 3, "path": path },
                "8": { "crate_id": 4, "path": ["any", "Any"] },
            },
            "external_crates": { "3": external, "4": { "name": "any" } },
        }))
        .unwrap()
    }

    fn complaints(owner: &str) -> Vec<String> {
        let members = BTreeSet::from(["tasker_cache_core".to_owned()]);
        documented(owner).complaints("tasker_cache", &members).unwrap()
    }

    #[test]
    fn a_type_of_a_client_is_caught_however_deep_it_is() {
        let expected = "tasker_cache: `connect` has fred::Client in its signature";
        assert_eq!(complaints("fred"), [expected]);
    }

    #[test]
    fn types_of_siblings_and_of_the_standard_library_may_be_there() {
        for owner in ["std", "bytes", "tasker_cache_core"] {
            assert_eq!(complaints(owner), [""; 0], "{owner}");
        }
        assert_eq!(complaints("tracing_core").len(), 1, "in the testkit only");
    }

    #[test]
    fn a_format_without_types_is_an_error_and_not_a_pass() {
        let mut documented = documented("std");
        documented.paths.clear();
        assert!(documented.uses().is_err());
    }
}
