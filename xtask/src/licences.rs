//! `check licences`: what the dependencies may bring with them, by `deny.toml`.

use std::process::Command;

use crate::install::on_path;
use crate::process::{self, Result};
use crate::workspace::Workspace;

/// Checks licences, bans and sources where `cargo-deny` is installed; elsewhere says that it does
/// not. The build server checks the advisories too, for which one has to have their database.
pub(crate) fn run(workspace: &Workspace) -> Result<bool> {
    let Some(program) = on_path("cargo-deny") else {
        println!("not run: there is no cargo-deny (`cargo install cargo-deny`)");
        return Ok(true);
    };
    let mut command = Command::new(program);
    command.current_dir(&workspace.root);
    command.args(["--locked", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"]);
    process::succeeds(&mut command)
}
