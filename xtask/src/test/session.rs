//! Compiles test binaries, and runs those of their tests that are asked for.

use std::collections::BTreeSet;
use std::process::Command;

use crate::process::{self, Result, Voice};
use crate::servers::Servers;
use crate::test::binary::{self, Binary};
use crate::test::rare;
use crate::test::report::Report;
use crate::test::row::{self, Row};
use crate::workspace::{Package, Workspace};

/// Which of the tests that were compiled are run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Choice<'a> {
    All,
    /// The cases of the conformance suite.
    Cases,
    /// What belongs to backends or variants of these names.
    Lanes(&'a [String]),
}

/// A run of tests, over several compilations.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) voice: Voice,
    pub(crate) report: Report,
    pub(crate) servers: Servers,
}

/// A test binary with the paths of all its tests.
type Listed = (Binary, Vec<String>);

impl<'a> Session<'a> {
    /// Begins a run that starts no server.
    pub(crate) fn new(workspace: &'a Workspace, voice: Voice) -> Self {
        Self { workspace, voice, report: Report::default(), servers: Servers::default() }
    }

    /// Finds or installs the servers that these packages need; one that is missing counts as a
    /// failed test.
    pub(crate) fn prepare(&mut self, packages: &[&Package]) {
        let (servers, missing) = Servers::prepare(self.workspace, packages);
        self.servers = servers;
        for complaint in missing {
            self.report.complain(complaint);
        }
    }

    /// Compiles what `command` would test, runs what is chosen of it, one binary after the other,
    /// and tells whether it could be compiled.
    pub(crate) fn run(&mut self, command: &mut Command, choice: Choice<'_>) -> Result<bool> {
        let Some(binaries) = self.compile(command)? else {
            return Ok(false);
        };
        let rows = self.rows(&binaries, choice);
        for (binary, tests) in binaries {
            let mut chosen = Vec::new();
            for path in &tests {
                if is_chosen(&binary, path, choice, &rows) && !self.leaves_out(&binary, path) {
                    chosen.push(path.clone());
                }
            }
            let is_whole = chosen.len() == tests.len();
            if is_whole || !chosen.is_empty() {
                let title = binary.title(self.workspace);
                self.voice.heading(&title);
                let only = (!is_whole).then_some(chosen.as_slice());
                let (transcript, succeeded) = binary.run(only, &self.servers, self.voice)?;
                self.report.add(&title, &transcript, succeeded);
                self.report.compare(&binary, &title, &transcript, is_whole)?;
            }
        }
        Ok(true)
    }

    /// Compiles what `command` would test, and notes the suite's cases as if they had been run.
    pub(crate) fn list(&mut self, command: &mut Command) -> Result<()> {
        for (binary, tests) in self.compile(command)?.into_iter().flatten() {
            for (row, place) in tests.iter().filter_map(|path| binary.case(path)) {
                self.report.list(&row, place);
            }
        }
        Ok(())
    }

    fn compile(&mut self, command: &mut Command) -> Result<Option<Vec<Listed>>> {
        let Some(binaries) = binary::compile(command, self.workspace, self.voice)? else {
            self.report.complain(format!("does not compile: {}", process::typed(command)));
            return Ok(None);
        };
        let list = |binary: Binary| binary.tests().map(|tests| (binary, tests));
        binaries.into_iter().map(list).collect::<Result<_>>().map(Some)
    }

    /// Returns the rows that the lanes run; a lane without one counts as a failed test.
    fn rows(&mut self, binaries: &[Listed], choice: Choice<'_>) -> Chosen {
        let Choice::Lanes(lanes) = choice else {
            return Chosen::default();
        };
        let cases = binaries
            .iter()
            .flat_map(|(binary, tests)| tests.iter().filter_map(|path| Some(binary.case(path)?.0)));
        let grid: BTreeSet<Row> = cases.collect();
        let homes = binaries
            .iter()
            .flat_map(|(binary, tests)| tests.iter().map(|path| binary.row_of(path).home(&grid)));
        let all: BTreeSet<Row> = homes.collect();
        let mut wanted = BTreeSet::new();
        for lane in lanes {
            let rows = row::answering(&all, &grid, lane);
            if rows.is_empty() {
                let mend = "`cargo xtask matrix --list` names the backends";
                self.report.complain(format!("lane {lane}: there is none; {mend}"));
            }
            let absences: Vec<_> =
                rows.iter().filter_map(|row| rare::absence(row, &self.servers)).collect();
            if !rows.is_empty() && absences.len() == rows.len() {
                let why: Vec<String> = absences.into_iter().map(|(_, why)| why).collect();
                self.report.complain(format!("lane {lane}: {}", why.join("; ")));
            }
            wanted.extend(rows.into_iter().cloned());
        }
        Chosen { grid, wanted }
    }

    /// Tells whether a test needs what this machine does not have; says so at the end.
    fn leaves_out(&mut self, binary: &Binary, path: &str) -> bool {
        let absence = rare::absence(&binary.row_of(path), &self.servers);
        let is_left_out = absence.is_some() && binary.is_integration_test();
        if let Some((name, why)) = absence.filter(|_| is_left_out) {
            self.report.leave_out(name, &why);
        }
        is_left_out
    }
}

/// The rows that the grid has, and those that are run.
#[derive(Debug, Default)]
struct Chosen {
    grid: BTreeSet<Row>,
    wanted: BTreeSet<Row>,
}

fn is_chosen(binary: &Binary, path: &str, choice: Choice<'_>, rows: &Chosen) -> bool {
    match choice {
        Choice::All => true,
        Choice::Cases => binary.case(path).is_some(),
        Choice::Lanes(_) => rows.wanted.contains(&binary.row_of(path).home(&rows.grid)),
    }
}
