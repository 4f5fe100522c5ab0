//! What cargo keeps of the packages of an earlier rehearsal.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::process::Result;
use crate::workspace::Package;

/// Removes what cargo has unpacked of these packages.
///
/// To verify a package, cargo takes those that it depends on from a registry on disk, and keeps
/// them unpacked by name and version: of a version that has changed since, it would compile what
/// was there before.
pub(super) fn forget(packages: &[&Package]) -> Result<()> {
    let Some(home) = cargo_home() else {
        return Ok(());
    };
    let Ok(registries) = fs::read_dir(home.join("registry/src")) else {
        return Ok(());
    };
    for registry in registries {
        let registry = registry?;
        // A registry on disk has no host before the dash.
        if registry.file_name().as_encoded_bytes().starts_with(b"-") {
            forget_in(&registry.path(), packages)?;
        }
    }
    Ok(())
}

fn forget_in(registry: &Path, packages: &[&Package]) -> Result<()> {
    for Package { name, version, .. } in packages {
        let unpacked = registry.join(format!("{name}-{version}"));
        if unpacked.exists() {
            fs::remove_dir_all(unpacked)?;
        }
    }
    Ok(())
}

fn cargo_home() -> Option<PathBuf> {
    let named = env::var_os("CARGO_HOME").map(PathBuf::from);
    named.or_else(|| Some(env::home_dir()?.join(".cargo")))
}
