//! `matrix`: runs the conformance suite alone on every backend, and prints who ran what.

use crate::process::{Result, Voice};
use crate::test::session::{Choice, Session};
use crate::test::{FIXED, whole};
use crate::workspace::{Package, Workspace};

/// What `matrix` does and prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// One JSON document, which lists every lane too; what happens meanwhile goes to stderr.
    pub(crate) is_json: bool,
    /// Counts the cases without running them, which needs no server.
    pub(crate) is_list: bool,
}

/// Prints the grid, and tells whether every case passed on every backend.
pub(crate) fn run(options: Options) -> Result<bool> {
    let workspace = Workspace::load()?;
    let voice = if options.is_json { Voice::Stderr } else { Voice::Stdout };
    let mut session = Session::new(&workspace, voice);
    let mut command = whole(&workspace);
    if options.is_list {
        session.list(&mut command)?;
    } else {
        let packages: Vec<&Package> = workspace.packages.iter().collect();
        session.prepare(&packages);
        session.run(&mut command, Choice::Cases)?;
    }
    if session.report.lacks_backends() {
        session.report.complain("no backend calls the conformance suite".to_owned());
    }
    Ok(session.report.close_matrix(options.is_json, &FIXED.map(|(name, _)| name)))
}
