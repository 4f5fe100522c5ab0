//! What cargo knows about the workspace: its packages, their targets, features and dependencies.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::process::{self, Result};

/// The workspace, as `cargo metadata` describes it.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
}

/// A member of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    manifest_path: PathBuf,
    pub(crate) features: BTreeMap<String, Vec<String>>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
    /// The registries it may go to: any if absent, none if empty.
    publish: Option<Vec<String>>,
}

/// One line of a manifest's dependency tables.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// The condition under which it is needed.
    pub(crate) target: Option<String>,
    /// `dev`, `build`, or nothing for one that the package itself is made of.
    kind: Option<String>,
}

/// Something that cargo builds: a library, a binary, a test, a benchmark.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
    pub(crate) src_path: PathBuf,
}

impl Workspace {
    /// Asks cargo about the workspace around the current directory.
    ///
    /// # Errors
    ///
    /// When cargo fails, as it does on a broken manifest or an outdated `Cargo.lock`.
    pub(crate) fn load() -> Result<Self> {
        let mut command = cargo("metadata");
        command.args(["--format-version", "1", "--no-deps", "--locked"]);
        Ok(serde_json::from_str(&process::output_of(&mut command)?)?)
    }

    /// Returns `cargo SUBCOMMAND --locked`, to be run at the root.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        let mut command = cargo(subcommand);
        command.current_dir(&self.root).arg("--locked");
        command
    }

    /// Returns a path relative to the root, for messages.
    pub(crate) fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }

    /// Returns the member whose manifest this is.
    ///
    /// # Errors
    ///
    /// When it is nobody's.
    pub(crate) fn package_of(&self, manifest: &Path) -> Result<&Package> {
        let package = self.packages.iter().find(|one| one.manifest_path == manifest);
        package.ok_or_else(|| format!("{} is no member's", manifest.display()).into())
    }

    /// Returns the packages that go to the registry.
    pub(crate) fn published(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.is_published())
    }
}

impl Package {
    /// Tells whether the package goes to the registry.
    pub(crate) fn is_published(&self) -> bool {
        self.publish.as_ref().is_none_or(|to| !to.is_empty())
    }

    /// Returns what code calls the package's library.
    pub(crate) fn crate_name(&self) -> String {
        self.name.replace('-', "_")
    }

    /// Returns the folder that the package is in.
    pub(crate) fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(Path::new("."))
    }

    /// Tells whether the package, a file of its tests or a module of its is called like this.
    ///
    /// # Errors
    ///
    /// When its source can't be read.
    pub(crate) fn speaks_of(&self, word: &str) -> Result<bool> {
        let is_called = self.name.strip_prefix("tasker-cache-").unwrap_or(&self.name) == word
            || self.targets.iter().any(|target| target.is("test") && target.name == word);
        Ok(is_called || has_module(self.folder(), word)?)
    }

    /// Tells whether the package has a library, which is what can have examples in its docs.
    pub(crate) fn has_library(&self) -> bool {
        self.targets.iter().any(|target| target.is("lib"))
    }
}

impl Dependency {
    /// Tells whether only the package's own tests and examples need it.
    pub(crate) fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

impl Target {
    /// Tells whether this is a `lib`, `bin`, `test`, `bench` …
    pub(crate) fn is(&self, kind: &str) -> bool {
        self.kind.iter().any(|one| one == kind)
    }
}

/// Looks for a module of this name in the files under a folder.
fn has_module(folder: &Path, name: &str) -> Result<bool> {
    let begins = [format!("mod {name};"), format!("mod {name} ")];
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_source = path.extension().is_some_and(|extension| extension == "rs");
        let found = if path.is_dir() {
            has_module(&path, name)?
        } else {
            is_source
                && fs::read_to_string(&path)?
                    .lines()
                    .any(|line| begins.iter().any(|begin| line.trim_start().starts_with(begin)))
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the cargo that runs this program, which is the one of the right toolchain.
fn cargo(subcommand: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg(subcommand).stdin(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_is_understood() {
        let workspace = Workspace::load().unwrap();
        let find = |name| workspace.packages.iter().find(|one| one.name == name);
        let (core, xtask) = (find("tasker-cache-core").unwrap(), find("xtask").unwrap());
        assert!(core.is_published() && core.has_library());
        assert!(!xtask.is_published() && !xtask.has_library());
        assert!(workspace.published().all(|one| one.name != "xtask"));
    }

    #[test]
    fn a_package_speaks_of_its_name_its_tests_and_its_modules() {
        let workspace = Workspace::load().unwrap();
        let find = |name| workspace.packages.iter().find(|one| one.name == name).unwrap();
        let breaker = find("tasker-cache-breaker");
        for word in ["breaker", "guarded", "scripted"] {
            assert!(breaker.speaks_of(word).unwrap(), "{word}");
        }
        assert!(!breaker.speaks_of("dragonfly").unwrap());
    }
}
