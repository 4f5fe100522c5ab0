//! `chaos`: runs the program that breaks servers under load and looks for stale reads.

use crate::process::{self, Result};
use crate::servers::Servers;
use crate::workspace::{Package, Workspace};

/// The package and the program.
const PROGRAM: (&str, &str) = ("tasker-cache-tests", "chaos");

/// Passes the arguments on to the program, and tells whether it was satisfied.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let (name, program) = PROGRAM;
    let workspace = Workspace::load()?;
    let is_home = |package: &&Package| package.name == name;
    let package = workspace.packages.iter().find(is_home);
    let Some(package) = package.filter(|package| package.has_program(program)) else {
        return Err(format!("package {name} has no program `{program}`").into());
    };
    let (servers, missing) = Servers::prepare(&workspace, &[package]);
    if !missing.is_empty() {
        return Err(missing.join("; ").into());
    }
    let mut command = workspace.cargo("run");
    servers.tell(&mut command);
    command.args(["--release", "--package", name, "--bin", program, "--"]).args(arguments);
    process::succeeds(&mut command)
}
