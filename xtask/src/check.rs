//! `check`: everything that a change must pass and a test can't see.

use std::process::Command;

use crate::process::{self, Result, Stopwatch, heading};
use crate::workspace::{Package, Workspace};
use crate::{features, tidy};

/// One of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Format,
    Tidy,
    /// Each package by itself, so that none leans on a feature that another one turns on.
    Clippy,
    Features,
    Docs,
    /// What would be uploaded, compiled from what would be uploaded.
    Package,
}

impl Step {
    /// Every step: the quick ones first.
    pub(crate) const ALL: [Self; 6] =
        [Self::Format, Self::Tidy, Self::Clippy, Self::Features, Self::Docs, Self::Package];

    /// Returns the name that selects the step on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Tidy => "tidy",
            Self::Clippy => "clippy",
            Self::Features => "features",
            Self::Docs => "docs",
            Self::Package => "package",
        }
    }

    fn run(self, workspace: &Workspace) -> Result<bool> {
        match self {
            Self::Format => process::succeeds(&mut format(workspace)),
            Self::Tidy => tidy::run(),
            Self::Clippy => clippy(workspace),
            Self::Features => features::run(),
            Self::Docs => process::succeeds(&mut docs(workspace)),
            Self::Package => process::succeeds(&mut package(workspace)),
        }
    }
}

/// Runs these steps (none means all); a failed one does not keep the others from running.
pub(crate) fn run(steps: &[Step]) -> Result<bool> {
    let workspace = Workspace::load()?;
    let mut failed = Vec::new();
    for step in Step::ALL {
        if !steps.is_empty() && !steps.contains(&step) {
            continue;
        }
        heading(step.name());
        let stopwatch = Stopwatch::start();
        let passed = step.run(&workspace)?;
        println!("{} took {}", step.name(), stopwatch.read());
        if !passed {
            failed.push(step.name());
        }
    }
    if failed.is_empty() {
        heading("all checks passed");
    } else {
        heading(&format!("failed checks: {}", failed.join(", ")));
    }
    Ok(failed.is_empty())
}

fn format(workspace: &Workspace) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(&workspace.root);
    command.args(["fmt", "--all", "--check"]);
    command
}

fn clippy(workspace: &Workspace) -> Result<bool> {
    let mut all_well = true;
    for Package { name, .. } in &workspace.packages {
        let mut command = workspace.cargo("clippy");
        command.args(["--package", name, "--all-targets", "--no-deps"]);
        command.args(["--", "-D", "warnings"]);
        all_well &= process::succeeds(&mut command)?;
    }
    Ok(all_well)
}

fn docs(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo("doc");
    command.env("RUSTDOCFLAGS", "-D warnings").args(["--workspace", "--no-deps", "--all-features"]);
    command
}

/// Packages the published crates together: they need versions of each other that are nowhere yet.
fn package(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo("package");
    command.arg("--allow-dirty");
    for package in workspace.published() {
        command.args(["--package", &package.name]);
    }
    command
}
