//! `test`: runs the tests lane by lane, and compares what each backend was tested for.

mod binary;
mod grid;
mod libtest;
mod report;

use std::env;
use std::process::Command;

use crate::process::{self, Result, Stopwatch, heading};
use crate::workspace::{Package, Workspace};
use report::Report;

/// A part of the tests that is compiled and run in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Every test binary.
    Tests,
    /// The examples in the documentation.
    Doc,
    /// Every interleaving of a few threads, in the packages that depend on loom.
    Loom,
}

impl Lane {
    /// Every lane, in the order in which they run.
    pub(crate) const ALL: [Self; 3] = [Self::Tests, Self::Doc, Self::Loom];

    /// Returns the name that selects the lane on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tests => "tests",
            Self::Doc => "doc",
            Self::Loom => "loom",
        }
    }
}

/// Runs these lanes (none means all), for this package or all of them.
///
/// Whatever goes wrong is counted as failed in the closing line, which is the last one printed.
pub(crate) fn run(lanes: &[Lane], package: Option<&str>) -> Result<bool> {
    let stopwatch = Stopwatch::start();
    let workspace = Workspace::load()?;
    let packages = selected(&workspace, package)?;
    let mut report = Report::default();
    for lane in Lane::ALL {
        if !lanes.is_empty() && !lanes.contains(&lane) {
            continue;
        }
        let before = report.events();
        match lane {
            Lane::Tests => tests(&workspace, &packages, &mut report)?,
            Lane::Doc => doc(&workspace, &packages, &mut report)?,
            Lane::Loom => loom(&workspace, &packages, &mut report)?,
        }
        // One package need not have every kind of test, but the workspace has.
        if package.is_none() && report.events() == before {
            report.complain(format!("lane {}: not one test ran", lane.name()));
        }
    }
    Ok(report.close(&stopwatch.read()))
}

fn selected<'a>(workspace: &'a Workspace, name: Option<&str>) -> Result<Vec<&'a Package>> {
    let is_wanted = |package: &&Package| name.is_none_or(|name| package.name == name);
    let packages: Vec<_> = workspace.packages.iter().filter(is_wanted).collect();
    match name {
        Some(name) if packages.is_empty() => Err(format!("there is no package `{name}`").into()),
        _ => Ok(packages),
    }
}

fn tests(workspace: &Workspace, packages: &[&Package], report: &mut Report) -> Result<()> {
    heading("compile the tests");
    let mut command = workspace.cargo("test");
    let is_whole = packages.len() == workspace.packages.len();
    if is_whole {
        command.arg("--workspace");
    } else {
        add_packages(&mut command, packages);
    }
    command.arg("--all-features");
    let compiled = run_binaries(workspace, &mut command, report)?;
    if is_whole && compiled && report.lacks_backends() {
        report.complain("no backend ran the conformance suite".to_owned());
    }
    Ok(())
}

fn doc(workspace: &Workspace, packages: &[&Package], report: &mut Report) -> Result<()> {
    let libraries: Vec<&Package> =
        packages.iter().copied().filter(|package| package.has_library()).collect();
    if libraries.is_empty() {
        return Ok(());
    }
    heading("examples in the documentation");
    let mut command = workspace.cargo("test");
    command.args(["--doc", "--all-features", "--no-fail-fast"]);
    add_packages(&mut command, &libraries);
    println!("$ {}", process::typed(&command));
    let (transcript, succeeded) = libtest::run(&mut command)?;
    report.add("documentation", &transcript, succeeded);
    Ok(())
}

fn loom(workspace: &Workspace, packages: &[&Package], report: &mut Report) -> Result<()> {
    let needs_loom = |package: &&&Package| {
        package.dependencies.iter().any(|dependency| {
            dependency.name == "loom" && dependency.target.as_deref() == Some("cfg(loom)")
        })
    };
    for package in packages.iter().filter(needs_loom) {
        heading(&format!("compile the loom tests of {}", package.name));
        let mut flags = env::var("RUSTFLAGS").unwrap_or_default();
        flags.push_str(" --cfg loom");
        let mut command = workspace.cargo("test");
        command
            .env("RUSTFLAGS", flags.trim())
            .args(["--package", &package.name, "--lib", "--release"])
            // The flag changes every crate: without a folder of its own it would throw away
            // what the other lanes have compiled.
            .arg("--target-dir")
            .arg(workspace.target.join("loom"));
        run_binaries(workspace, &mut command, report)?;
    }
    Ok(())
}

fn add_packages(command: &mut Command, packages: &[&Package]) {
    for package in packages {
        command.args(["--package", &package.name]);
    }
}

/// Compiles what `command` would test, runs one binary after the other, and tells whether it
/// could.
fn run_binaries(workspace: &Workspace, command: &mut Command, report: &mut Report) -> Result<bool> {
    let Some(binaries) = binary::compile(command, workspace)? else {
        report.complain(format!("does not compile: {}", process::typed(command)));
        return Ok(false);
    };
    for binary in &binaries {
        let title = binary.title(workspace);
        heading(&title);
        let (transcript, succeeded) = binary.run()?;
        report.add(&title, &transcript, succeeded);
        report.compare(binary, &title, &transcript)?;
    }
    Ok(true)
}
