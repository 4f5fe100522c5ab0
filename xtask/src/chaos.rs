//! `chaos`: runs the history checker over real processes and servers, and shows that it can fail.

use std::process::Command;

use crate::process::{self, Result, heading};
use crate::servers::{Server, Servers};
use crate::test::flagged;
use crate::test::session::Session;
use crate::workspace::{Package, Workspace};

/// The package with the checker, and the checker.
const CHECKER: (&str, &str) = ("tasker-cache-tests", "chaos");

/// The option that leaves a part of the protocol out, which takes a build of its own.
const MUTANT: &str = "--mutant";

/// The servers that are checked when none is named: those that everybody can have.
const USUAL: [&str; 3] = ["redis", "valkey", "memcached"];

/// How long the lane of the tests checks each server.
const SECONDS: &str = "60";

/// How long a mutant may stay unnoticed: usually it takes some seconds.
const PATIENCE: &str = "300";

/// The parts of the protocol that must be missed on a real server.
const MUTANTS: [&str; 4] = ["NoSeal", "NoJournal", "ReadBeforeReplay", "JoinAnyFlight"];

/// Runs the checker with these words of its own command line, on each server if they name none.
pub(crate) fn run(words: &[String]) -> Result<bool> {
    let workspace = Workspace::load()?;
    let packages: Vec<&Package> =
        workspace.packages.iter().filter(|package| package.name == CHECKER.0).collect();
    let (servers, missing) = Servers::prepare(&workspace, &packages);
    for complaint in &missing {
        println!("error: {complaint}");
    }
    if words.iter().any(|word| matches!(word.as_str(), "-h" | "--help")) {
        return process::succeeds(checker(&workspace, &servers, false).arg("help"));
    }
    let is_named = words.first().is_some_and(|word| !word.starts_with('-'));
    let (named, options) = words.split_at(usize::from(is_named));
    let backends: Vec<&str> =
        if is_named { named.iter().map(String::as_str).collect() } else { USUAL.to_vec() };
    let mut all_well = missing.is_empty();
    for backend in backends {
        if backend == "dragonfly" && !servers.has(Server::Dragonfly) {
            println!("error: dragonfly: {}", Server::Dragonfly.absence());
            all_well = false;
            continue;
        }
        heading(backend);
        let mut command = checker(&workspace, &servers, options.iter().any(|word| word == MUTANT));
        command.arg(backend).args(options);
        all_well &= process::succeeds(&mut command)?;
    }
    Ok(all_well)
}

/// Checks each server for a minute, and that each mutant is noticed; counts each as a test.
pub(crate) fn lane(session: &mut Session<'_>, packages: &[&Package]) -> Result<()> {
    let packages: Vec<&Package> =
        packages.iter().copied().filter(|package| package.name == CHECKER.0).collect();
    if packages.is_empty() {
        return Ok(());
    }
    session.prepare(&packages);
    let honest = USUAL.map(|backend| (backend, None));
    let planted = MUTANTS.map(|mutant| (USUAL[0], Some(mutant)));
    for (backend, mutant) in honest.into_iter().chain(planted) {
        let title = format!("chaos: {}", mutant.unwrap_or(backend));
        heading(&title);
        let mut command = checker(session.workspace, &session.servers, mutant.is_some());
        command.args([backend, "--seconds", if mutant.is_some() { PATIENCE } else { SECONDS }]);
        if let Some(mutant) = mutant {
            command.args([MUTANT, mutant]);
        }
        let succeeded = process::succeeds(&mut command)?;
        session.report.note(&title, succeeded);
    }
    Ok(())
}

/// Returns the command that compiles and runs the checker, up to its own words.
fn checker(workspace: &Workspace, servers: &Servers, is_mutant: bool) -> Command {
    let mut command = if is_mutant {
        flagged(workspace, "run", "tasker_cache_mutants", "mutants")
    } else {
        workspace.cargo("run")
    };
    let (package, binary) = CHECKER;
    command.args(["--quiet", "--package", package, "--bin", binary, "--"]);
    servers.tell(&mut command);
    command
}
