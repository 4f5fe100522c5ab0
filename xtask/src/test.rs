//! `test`: runs the tests lane by lane, and compares what each backend was tested for.

mod binary;
mod grid;
mod libtest;
pub(crate) mod matrix;
mod rare;
mod report;
mod row;
pub(crate) mod session;

use std::env;
use std::process::Command;

use crate::chaos;
use crate::process::{self, Result, Stopwatch, Voice, heading};
use crate::workspace::{Package, Workspace};
use session::{Choice, Session};

/// A part of the tests that is compiled and run in its own way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Every test binary.
    Tests,
    /// The examples in the documentation.
    Doc,
    /// Every interleaving of a few threads, in the packages that depend on loom.
    Loom,
    /// The tests of the tests, against a cache that leaves out one part of the protocol at a time.
    Mutants,
    /// Histories of real processes under faults, and whether the checker of them can fail.
    Chaos,
    /// What belongs to one backend, or to one variant of it, by its name in the grid.
    Backend(String),
}

/// The lanes that are there whatever the backends are, in the order in which they run.
pub(crate) const FIXED: [(&str, Lane); 5] = [
    ("tests", Lane::Tests),
    ("doc", Lane::Doc),
    ("loom", Lane::Loom),
    ("mutants", Lane::Mutants),
    ("chaos", Lane::Chaos),
];

/// The package with the tests of the mutants, and the test binary.
const MUTANTS: (&str, &str) = ("tasker-cache-tests", "mutants");

impl Lane {
    /// Returns the lane of this name; one that is not fixed is a backend's, which shows later.
    pub(crate) fn named(name: &str) -> Self {
        let fixed = FIXED.into_iter().find(|(fixed, _)| *fixed == name);
        fixed.map_or_else(|| Self::Backend(name.to_owned()), |(_, lane)| lane)
    }

    fn backend(&self) -> Option<&str> {
        match self {
            Self::Backend(name) => Some(name),
            _ => None,
        }
    }
}

/// Runs these lanes (none means all that are fixed), for this package or all of them.
///
/// Whatever goes wrong is counted as failed in the closing line, which is the last one printed.
pub(crate) fn run(lanes: &[Lane], package: Option<&str>) -> Result<bool> {
    let stopwatch = Stopwatch::start();
    let workspace = Workspace::load()?;
    let packages = selected(&workspace, package)?;
    let backends: Vec<String> = lanes.iter().filter_map(Lane::backend).map(str::to_owned).collect();
    let mut session = Session::new(&workspace, Voice::Stdout);
    if !backends.is_empty() {
        self::backends(&mut session, &packages, &backends)?;
    }
    for (name, lane) in FIXED {
        if !lanes.is_empty() && !lanes.contains(&lane) {
            continue;
        }
        let before = session.report.events();
        match lane {
            Lane::Doc => doc(&mut session, &packages)?,
            Lane::Loom => loom(&mut session, &packages)?,
            Lane::Mutants => mutants(&mut session, &packages)?,
            Lane::Chaos => chaos::lane(&mut session, &packages)?,
            _ => tests(&mut session, &packages)?,
        }
        // One package need not have every kind of test, but the workspace has.
        if package.is_none() && session.report.events() == before {
            session.report.complain(format!("lane {name}: not one test ran"));
        }
    }
    Ok(session.report.close(&stopwatch.read()))
}

fn selected<'a>(workspace: &'a Workspace, name: Option<&str>) -> Result<Vec<&'a Package>> {
    let is_wanted = |package: &&Package| name.is_none_or(|name| package.name == name);
    let packages: Vec<_> = workspace.packages.iter().filter(is_wanted).collect();
    match name {
        Some(name) if packages.is_empty() => Err(format!("there is no package `{name}`").into()),
        _ => Ok(packages),
    }
}

fn tests(session: &mut Session<'_>, packages: &[&Package]) -> Result<()> {
    session.prepare(packages);
    heading("compile the tests");
    let is_whole = packages.len() == session.workspace.packages.len();
    let mut command = whole(session.workspace);
    if !is_whole {
        command = some(session.workspace, packages);
    }
    let compiled = session.run(&mut command, Choice::All)?;
    if is_whole && compiled && session.report.lacks_backends() {
        session.report.complain("no backend ran the conformance suite".to_owned());
    }
    Ok(())
}

/// Runs what belongs to these backends, out of the packages that speak of them.
fn backends(session: &mut Session<'_>, packages: &[&Package], lanes: &[String]) -> Result<()> {
    let mut speaking = Vec::new();
    for package in packages.iter().copied() {
        for word in lanes.iter().filter_map(|lane| lane.rsplit('/').next()) {
            if package.speaks_of(word)? {
                speaking.push(package);
                break;
            }
        }
    }
    if speaking.is_empty() {
        let mend = "`cargo xtask matrix --list` names the backends";
        return Err(format!("there is no lane {}; {mend}", lanes.join(", ")).into());
    }
    session.prepare(&speaking);
    heading(&format!("compile the tests of {}", lanes.join(", ")));
    let mut command = some(session.workspace, &speaking);
    session.run(&mut command, Choice::Lanes(lanes))?;
    Ok(())
}

/// Returns the command that tests the whole workspace.
fn whole(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo("test");
    command.args(["--workspace", "--all-features"]);
    command
}

fn some(workspace: &Workspace, packages: &[&Package]) -> Command {
    let mut command = workspace.cargo("test");
    add_packages(&mut command, packages);
    command.arg("--all-features");
    command
}

fn doc(session: &mut Session<'_>, packages: &[&Package]) -> Result<()> {
    let libraries: Vec<&Package> =
        packages.iter().copied().filter(|package| package.has_library()).collect();
    if libraries.is_empty() {
        return Ok(());
    }
    heading("examples in the documentation");
    let mut command = session.workspace.cargo("test");
    command.args(["--doc", "--all-features", "--no-fail-fast"]);
    add_packages(&mut command, &libraries);
    println!("$ {}", process::typed(&command));
    let (transcript, succeeded) = libtest::run(&mut command, session.voice)?;
    session.report.add("documentation", &transcript, succeeded);
    Ok(())
}

fn loom(session: &mut Session<'_>, packages: &[&Package]) -> Result<()> {
    let needs_loom = |package: &&&Package| {
        package.dependencies.iter().any(|dependency| {
            dependency.name == "loom" && dependency.target.as_deref() == Some("cfg(loom)")
        })
    };
    for package in packages.iter().filter(needs_loom) {
        heading(&format!("compile the loom tests of {}", package.name));
        let mut command = flagged(session.workspace, "test", "loom", "loom");
        command.args(["--package", &package.name, "--lib", "--release"]);
        session.run(&mut command, Choice::All)?;
    }
    Ok(())
}

fn mutants(session: &mut Session<'_>, packages: &[&Package]) -> Result<()> {
    let (package, binary) = MUTANTS;
    if packages.iter().any(|selected| selected.name == package) {
        heading("compile the tests of the mutants");
        let mut command = flagged(session.workspace, "test", "tasker_cache_mutants", "mutants");
        command.args(["--package", package, "--test", binary]);
        session.run(&mut command, Choice::All)?;
    }
    Ok(())
}

/// Returns a command of cargo's with a private `--cfg`. The flag changes every crate: without a
/// folder of its own it would throw away what the other lanes have compiled.
pub(crate) fn flagged(workspace: &Workspace, subcommand: &str, cfg: &str, folder: &str) -> Command {
    let mut flags = env::var("RUSTFLAGS").unwrap_or_default();
    flags.push_str(" --cfg ");
    flags.push_str(cfg);
    let mut command = workspace.cargo(subcommand);
    command.env("RUSTFLAGS", flags.trim()).arg("--target-dir").arg(workspace.target.join(folder));
    command
}

fn add_packages(command: &mut Command, packages: &[&Package]) {
    for package in packages {
        command.args(["--package", &package.name]);
    }
}
