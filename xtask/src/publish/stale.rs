//! What an earlier rehearsal has left behind.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::process::Result;
use crate::workspace::Package;

/// Removes what was packaged, unpacked and compiled by an earlier rehearsal.
///
/// To verify a package, cargo takes those that it depends on from a registry on disk, and trusts
/// that a version of a registry never changes: it would neither unpack nor compile it again.
pub(super) fn remove(target: &Path, packages: &[&Package]) -> Result<()> {
    remove_folder(target)?;
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
            for Package { name, version, .. } in packages {
                remove_folder(&registry.path().join(format!("{name}-{version}")))?;
            }
        }
    }
    Ok(())
}

fn remove_folder(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

fn cargo_home() -> Option<PathBuf> {
    let named = env::var_os("CARGO_HOME").map(PathBuf::from);
    named.or_else(|| Some(env::home_dir()?.join(".cargo")))
}
