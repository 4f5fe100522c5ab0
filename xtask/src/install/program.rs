//! Programs that a crate brings, compiled below the target folder where the machine has none.

use std::path::PathBuf;

use crate::install::{is_program, on_path};
use crate::process::{self, Result, Voice};
use crate::workspace::Workspace;

/// A crate with a program of the same name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// What it is compiled with, such as fewer features.
    pub(crate) options: &'static [&'static str],
}

impl Program {
    /// Returns the program: the one on PATH, the one compiled before, or one compiled for this.
    ///
    /// # Errors
    ///
    /// When it can't be compiled.
    pub(crate) fn get(&self, workspace: &Workspace) -> Result<PathBuf> {
        let root = workspace.target.join("tools");
        let built = root.join("bin").join(self.name);
        if let Some(program) = on_path(self.name).or_else(|| is_program(&built).then_some(built)) {
            return Ok(program);
        }
        let mut command = workspace.cargo("install");
        command.args([self.name, "--version", self.version]).args(self.options);
        command.arg("--root").arg(&root);
        // Shared, so that a second program finds what the first has compiled.
        command.arg("--target-dir").arg(root.join("build"));
        if process::succeeds_with(&mut command, Voice::Stderr)? {
            Ok(root.join("bin").join(self.name))
        } else {
            Err(format!("can't install {} {}", self.name, self.version).into())
        }
    }
}
