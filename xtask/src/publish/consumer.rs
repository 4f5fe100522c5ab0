//! Crates outside of the workspace that depend on the packaged crates, as a stranger's would.
//!
//! A path dependency hides what a package lacks: a file left out, a feature that a sibling turns
//! on.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::process::{self, Result, heading};
use crate::workspace::{Package, Workspace};

/// The crate that people depend on.
const FACADE: &str = "tasker-cache";

/// The crate with the recorder of log lines, by which the programs see what is said.
const RECORDER: &str = "tasker-cache-testkit";

/// The backend that needs no server.
const LOCAL: &str = "moka";

/// The backend that has TLS by a feature of its own, which no program here turns on.
const ENCRYPTABLE: &str = "redis";

/// What a stranger's program has, its dependencies aside.
const MANIFEST: &str = r#"
[package]
version = "0.1.0"
edition = "2024"
publish = false
"#;

/// Compiles and runs one crate without a backend, one for each backend of the facade alone, and one
/// for all of them.
pub(super) fn run(workspace: &Workspace, archives: &Path, packages: &[&Package]) -> Result<bool> {
    let root = workspace.target.join("consumers");
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    fs::create_dir_all(&root)?;
    let Some(facade) = packages.iter().find(|package| package.name == FACADE) else {
        return Err(format!("{FACADE} is not published").into());
    };
    let backends = backends(facade);
    let mut consumers = vec![Vec::new()];
    consumers.extend(backends.iter().map(|one| vec![*one]));
    if backends.len() > 1 {
        consumers.push(backends.clone());
    }

    let mut manifest = "[workspace]\nresolver = \"3\"\nmembers = [\"on-*\"]\n".to_owned();
    manifest.push_str(&profiles(workspace)?);
    manifest.push_str(concat!("[patch.crates", "-io]\n"));
    for package in packages {
        let folder = unpack(archives, package, &root)?;
        let _ = writeln!(manifest, "{} = {{ path = '{folder}' }}", package.name);
    }
    fs::write(root.join("Cargo.toml"), manifest)?;
    fs::copy(workspace.root.join("Cargo.lock"), root.join("Cargo.lock"))?;

    let names: Vec<String> = consumers.iter().map(|backends| name(backends)).collect();
    for (name, chosen) in names.iter().zip(&consumers) {
        let folder = root.join(name);
        fs::create_dir_all(folder.join("src"))?;
        fs::write(folder.join("Cargo.toml"), manifest_of(name, chosen, &facade.version))?;
        fs::write(folder.join("src/main.rs"), program(chosen, &backends))?;
    }
    let mut all_well = true;
    for name in &names {
        heading(&format!("a stranger's crate: {name}"));
        let mut command = Command::new("cargo");
        command.current_dir(&root).args(["run", "--quiet", "--package", name, "--target-dir"]);
        all_well &= process::succeeds(command.arg(&workspace.target))?;
    }
    Ok(all_well)
}

/// Returns the features that turn on a backend's crate by themselves.
fn backends(facade: &Package) -> Vec<&str> {
    let features = facade.features.iter().filter(|(name, turned_on)| {
        turned_on.iter().any(|one| *one == format!("dep:{FACADE}-{name}"))
    });
    features.map(|(name, _)| name.as_str()).collect()
}

fn name(backends: &[&str]) -> String {
    match backends {
        [] => "on-none".to_owned(),
        [one] => format!("on-{one}"),
        _ => "on-all".to_owned(),
    }
}

/// Unpacks what would be uploaded and returns the folder's name.
fn unpack(archives: &Path, package: &Package, to: &Path) -> Result<String> {
    let folder = format!("{}-{}", package.name, package.version);
    let archive = archives.join(format!("{folder}.crate"));
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(&archive).arg("-C").arg(to);
    if process::succeeds(&mut tar)? {
        Ok(folder)
    } else {
        Err(format!("can't unpack {}", archive.display()).into())
    }
}

/// Returns the workspace's profiles, without which every dependency would be compiled again.
fn profiles(workspace: &Workspace) -> Result<String> {
    let manifest: toml::Table =
        toml::from_str(&fs::read_to_string(workspace.root.join("Cargo.toml"))?)?;
    let mut kept = toml::Table::new();
    kept.extend(manifest.into_iter().filter(|(name, _)| name == "profile"));
    Ok(toml::to_string(&kept)?)
}

fn manifest_of(name: &str, chosen: &[&str], version: &str) -> String {
    let features: Vec<String> = chosen.iter().map(|one| format!("'{one}'")).collect();
    let features = features.join(", ");
    format!(
        "{}\n[dependencies]\n{FACADE} = {{ version = '{version}', default-features = false, \
         features = [{features}] }}\n{RECORDER} = '{version}'\n\
         tokio = {{ version = '1', features = ['macros', 'rt'] }}\n",
        MANIFEST.replace("[package]", &format!("[package]\nname = \"{name}\""))
    )
}

/// Returns a program that opens each backend by configuration, gets a hit where no server is needed
/// for it, and is told by the cache which of the others, and what of theirs, it was compiled
/// without.
fn program(chosen: &[&str], all: &[&str]) -> String {
    let mut calls = Vec::new();
    let mut functions = BTreeSet::new();
    for backend in all {
        if chosen.contains(backend) {
            calls.push(format!("open(\"{backend}\").await;"));
            functions.insert(include_str!("consumer/open.rs.txt"));
        } else {
            calls.push(format!("absent(\"{backend}\").await;"));
            functions.insert(include_str!("consumer/absent.rs.txt"));
        }
    }
    if chosen.contains(&LOCAL) {
        calls.push("hit().await;".to_owned());
        functions.insert(include_str!("consumer/hit.rs.txt"));
    }
    if chosen.contains(&ENCRYPTABLE) {
        calls.push("unencrypted();".to_owned());
        functions.insert(include_str!("consumer/unencrypted.rs.txt"));
    }
    let mut program = "#[tokio::main(flavor = \"current_thread\")]\nasync fn main() {\n".to_owned();
    for call in calls {
        let _ = writeln!(program, "    {call}");
    }
    program.push_str("}\n");
    program.extend(functions);
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facades_backends_are_found_by_what_they_turn_on() {
        let workspace = Workspace::load().unwrap();
        let facade = workspace.packages.iter().find(|one| one.name == FACADE).unwrap();
        let found = backends(facade);
        assert!(found.contains(&LOCAL), "{found:?}");
        assert!(!found.contains(&"default") && !found.contains(&"cache-moka"), "{found:?}");
    }

    #[test]
    fn only_the_local_backend_must_hit() {
        let all = ["moka", "redis"];
        assert!(program(&["moka"], &all).contains("hit().await"));
        assert!(!program(&["redis"], &all).contains("hit()"));
        assert_eq!(program(&all, &all).matches("open(\"").count(), 2);
    }

    #[test]
    fn what_was_not_chosen_must_say_that_it_is_absent() {
        let all = ["moka", "redis"];
        assert_eq!(program(&[], &all).matches("absent(\"").count(), 2);
        assert!(program(&["moka"], &all).contains("absent(\"redis\")"));
        assert!(program(&["redis"], &all).contains("unencrypted();"));
        assert!(!program(&all, &all).contains("absent("));
    }
}
