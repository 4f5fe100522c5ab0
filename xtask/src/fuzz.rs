//! `fuzz`: runs each fuzz target for a while, from its corpus on.
//!
//! The targets are a workspace of their own in `fuzz/`, since they need nightly Rust.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::install::program::Program;
use crate::process::{self, Result, heading};
use crate::workspace::Workspace;

const CARGO_FUZZ: Program =
    Program { name: "cargo-fuzz", version: "0.13.2", options: &["--debug"] };

/// Runs every target for this many seconds; without nightly Rust none, which is said and no fault.
pub(crate) fn run(seconds: u32) -> Result<bool> {
    let workspace = Workspace::load()?;
    if !is_locked(&workspace) {
        return Ok(false);
    }
    if !has_nightly() {
        println!("fuzz: not run: there is no nightly Rust (`rustup toolchain install nightly`)");
        return Ok(true);
    }
    let program = match CARGO_FUZZ.get(&workspace) {
        Ok(program) => program,
        Err(error) => {
            println!("fuzz: not run: {error}");
            return Ok(true);
        }
    };
    let folder = workspace.root.join("fuzz");
    let targets = targets(&folder.join("fuzz_targets"))?;
    let mut failed = Vec::new();
    for target in &targets {
        heading(&format!("fuzz {target}"));
        // The corpus grows below the target folder; the seeds in the tree stay as they are.
        let grown = workspace.target.join("fuzz-corpus").join(target);
        fs::create_dir_all(&grown)?;
        let mut command = Command::new(&program);
        command
            .current_dir(&workspace.root)
            .env("RUSTUP_TOOLCHAIN", "nightly")
            .env_remove("CARGO")
            .args(["run", "--fuzz-dir", "fuzz", "--target-dir"])
            .arg(workspace.target.join("fuzz"))
            .arg(target)
            .arg(grown)
            .arg(Path::new("fuzz").join("seeds").join(target))
            .args(["--", &format!("-max_total_time={seconds}"), "-max_len=4096"])
            .args(["-timeout=10", "-print_final_stats=1"]);
        if !process::succeeds(&mut command)? {
            failed.push(target.as_str());
        }
    }
    if failed.is_empty() {
        heading(&format!("{} fuzz targets found nothing", targets.len()));
    } else {
        heading(&format!("fuzz targets that found something: {}", failed.join(", ")));
    }
    Ok(failed.is_empty())
}

/// Tells whether the targets' own `Cargo.lock` fits; cargo-fuzz would quietly mend it.
fn is_locked(workspace: &Workspace) -> bool {
    let mut command = workspace.cargo("metadata");
    command.args(["--format-version", "1", "--manifest-path", "fuzz/Cargo.toml"]);
    let is_locked = process::output_of(&mut command).is_ok();
    if !is_locked {
        println!("error: `cargo metadata --manifest-path fuzz/Cargo.toml` mends fuzz/Cargo.lock");
    }
    is_locked
}

/// Returns the targets: a file each.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    if names.is_empty() { Err("there is no fuzz target".into()) } else { Ok(names) }
}

fn has_nightly() -> bool {
    let mut cargo = Command::new("cargo");
    cargo.env("RUSTUP_TOOLCHAIN", "nightly").arg("--version");
    cargo.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    cargo.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_target_and_has_seeds() {
        let folder = Workspace::load().unwrap().root.join("fuzz");
        for target in targets(&folder.join("fuzz_targets")).unwrap() {
            let seeds = folder.join("seeds").join(&target);
            assert!(fs::read_dir(&seeds).unwrap().next().is_some(), "{target}");
        }
    }

    #[test]
    fn a_folder_without_targets_is_an_error() {
        assert!(targets(Path::new(env!("CARGO_MANIFEST_DIR"))).is_err());
    }
}
