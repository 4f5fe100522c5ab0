//! `check`: everything that a change must pass and a test can't see.

use std::process::Command;

use crate::process::{self, Result, Stopwatch, heading};
use crate::workspace::{Package, Workspace};
use crate::{api, docs, features, licences, oldest, publish, tidy, workflows};

/// One of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Format,
    Tidy,
    Workflows,
    /// What the dependencies may bring with them.
    Licences,
    /// The oldest Rust that is supported.
    Oldest,
    /// Each package by itself, so that none leans on a feature that another one turns on.
    Clippy,
    Features,
    Docs,
    /// No type of a client in a public signature.
    Api,
    /// What would be uploaded, compiled from what would be uploaded, and used.
    Package,
}

impl Step {
    /// Every step: the quick ones first.
    pub(crate) const ALL: [Self; 10] = [
        Self::Format,
        Self::Tidy,
        Self::Workflows,
        Self::Licences,
        Self::Oldest,
        Self::Clippy,
        Self::Features,
        Self::Docs,
        Self::Api,
        Self::Package,
    ];

    /// Returns the name that selects the step on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Tidy => "tidy",
            Self::Workflows => "workflows",
            Self::Licences => "licences",
            Self::Oldest => "oldest",
            Self::Clippy => "clippy",
            Self::Features => "features",
            Self::Docs => "docs",
            Self::Api => "api",
            Self::Package => "package",
        }
    }

    fn run(self, workspace: &Workspace) -> Result<bool> {
        match self {
            Self::Format => format(workspace),
            Self::Tidy => tidy::run(),
            Self::Workflows => workflows::run(workspace),
            Self::Licences => licences::run(workspace),
            Self::Oldest => oldest::run(workspace),
            Self::Clippy => clippy(workspace),
            Self::Features => features::run(features::Depth::Checked),
            Self::Docs => docs::run(workspace),
            Self::Api => api::run(workspace),
            Self::Package => publish::rehearse(workspace),
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
        let passed = step.run(&workspace).unwrap_or_else(|error| {
            println!("error: {error}");
            false
        });
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

fn format(workspace: &Workspace) -> Result<bool> {
    let mut all_well = true;
    // The fuzz targets are a workspace of their own.
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        let mut command = Command::new("cargo");
        command.current_dir(&workspace.root);
        command.args(["fmt", "--all", "--check", "--manifest-path", manifest]);
        all_well &= process::succeeds(&mut command)?;
    }
    Ok(all_well)
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
