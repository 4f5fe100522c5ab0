//! `bench`: runs the benchmarks, after a line on the machine that their figures hold for.

use std::env::consts::{ARCH, OS};
use std::process::Command;
use std::thread;

use crate::process::{self, Result, heading};
use crate::servers::Servers;
use crate::workspace::{Package, Workspace};

/// Runs each benchmark of the workspace whose name contains this one, or all of them.
pub(crate) fn run(name: Option<&str>) -> Result<bool> {
    let workspace = Workspace::load()?;
    let all: Vec<(&str, &str)> = workspace
        .packages
        .iter()
        .flat_map(|package| {
            let benches = package.targets.iter().filter(|target| target.is("bench"));
            benches.map(|target| (package.name.as_str(), target.name.as_str()))
        })
        .collect();
    let wanted = matching(&all, name)?;
    let packages: Vec<&Package> = workspace.packages.iter().collect();
    let (servers, missing) = Servers::prepare(&workspace, &packages);
    for complaint in &missing {
        println!("error: {complaint}");
    }
    println!("{}", machine()?);
    let mut all_well = missing.is_empty();
    for (package, bench) in wanted {
        heading(&format!("{package}: {bench}"));
        let mut command = workspace.cargo("bench");
        servers.tell(&mut command);
        command.args(["--package", package, "--bench", bench]);
        all_well &= process::succeeds(&mut command)?;
    }
    Ok(all_well)
}

fn matching<'a>(all: &[(&'a str, &'a str)], name: Option<&str>) -> Result<Vec<(&'a str, &'a str)>> {
    let wanted: Vec<_> = all
        .iter()
        .copied()
        .filter(|(_, bench)| name.is_none_or(|name| bench.contains(name)))
        .collect();
    if wanted.is_empty() {
        let names: Vec<&str> = all.iter().map(|(_, bench)| *bench).collect();
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(format!("no benchmark to run; there are: {known}").into());
    }
    Ok(wanted)
}

/// Returns the line that makes figures comparable: cores, system, compiler.
fn machine() -> Result<String> {
    let rustc = process::output_of(Command::new("rustc").arg("--version"))?;
    let cores = thread::available_parallelism()?;
    Ok(format!("{cores} cores, {OS} on {ARCH}, {}", rustc.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(&str, &str); 2] = [("tests", "memory"), ("tests", "redis")];

    #[test]
    fn a_name_selects_by_what_it_is_part_of() {
        assert_eq!(matching(&ALL, None).unwrap(), ALL);
        assert_eq!(matching(&ALL, Some("mem")).unwrap(), ALL[..1]);
    }

    #[test]
    fn a_name_that_fits_nothing_is_an_error_that_names_the_others() {
        let error = matching(&ALL, Some("disk")).unwrap_err().to_string();
        assert!(error.contains("memory, redis"), "{error}");
    }
}
