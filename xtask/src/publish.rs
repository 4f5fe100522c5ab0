//! `publish`: packages the crates, uses them as strangers would, and publishes them if told to.

mod consumer;
mod order;
mod stale;

use std::process::Command;

use crate::process::{self, Result, heading};
use crate::workspace::{Package, Workspace};
use order::in_order;

/// How far `publish` goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Up to what would be uploaded.
    DryRun,
    /// To the end: each crate as soon as those that it depends on are there.
    Execute {
        /// The first package that is not published yet, after a run that broke off.
        from: Option<String>,
    },
}

/// Publishes, or does all but that, from a tree without changes.
pub(crate) fn run(mode: &Mode) -> Result<bool> {
    let workspace = Workspace::load()?;
    require_clean(&workspace)?;
    match mode {
        Mode::DryRun => rehearse(&workspace),
        Mode::Execute { from } => upload(&workspace, from.as_deref()),
    }
}

/// Packages and compiles every crate from what would be uploaded, then compiles and runs crates
/// outside of the workspace that depend on it.
pub(crate) fn rehearse(workspace: &Workspace) -> Result<bool> {
    let packages = in_order(workspace)?;
    let target = workspace.target.join("rehearsal");
    stale::remove(&target, &packages)?;
    let mut command = workspace.cargo("package");
    command.arg("--allow-dirty").arg("--target-dir").arg(&target);
    for package in &packages {
        command.args(["--package", &package.name]);
    }
    let archives = target.join("package");
    Ok(process::succeeds(&mut command)? && consumer::run(workspace, &archives, &packages)?)
}

fn upload(workspace: &Workspace, from: Option<&str>) -> Result<bool> {
    let packages = in_order(workspace)?;
    for package in starting_at(&packages, from)? {
        heading(&format!("publish {} {}", package.name, package.version));
        let mut command = workspace.cargo("publish");
        command.args(["--package", &package.name]);
        if !process::succeeds(&mut command)? {
            println!("go on with `cargo xtask publish --execute --from {}`", package.name);
            return Ok(false);
        }
    }
    Ok(true)
}

fn starting_at<'a>(packages: &[&'a Package], from: Option<&str>) -> Result<Vec<&'a Package>> {
    let at = match from {
        None => Some(0),
        Some(name) => packages.iter().position(|package| package.name == name),
    };
    match at {
        Some(at) => Ok(packages[at..].to_vec()),
        None => Err(format!("{} is not published", from.unwrap_or_default()).into()),
    }
}

fn require_clean(workspace: &Workspace) -> Result<()> {
    let mut git = Command::new("git");
    git.current_dir(&workspace.root).args(["-c", "safe.directory=*", "status", "--porcelain"]);
    let changes = process::output_of(&mut git)?;
    if changes.is_empty() {
        return Ok(());
    }
    Err(format!("commit first: the tree differs from its last commit in\n{changes}").into())
}
