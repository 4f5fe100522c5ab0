//! `docs`: builds the documentation of the crates and the book, and accepts no warning.

use std::process::Command;

use crate::install::program::Program;
use crate::process::{self, Result};
use crate::workspace::Workspace;

const MDBOOK: Program = Program {
    name: "mdbook",
    version: "0.5.4",
    // Nobody here waits for it long enough to be worth optimising.
    options: &["--no-default-features", "--features", "search", "--debug"],
};

/// Builds both, and tells whether both are well.
pub(crate) fn run(workspace: &Workspace) -> Result<bool> {
    let mut rustdoc = workspace.cargo("doc");
    rustdoc.env("RUSTDOCFLAGS", "-D warnings");
    rustdoc.args(["--workspace", "--no-deps", "--all-features"]);
    let are_crates_well = process::succeeds(&mut rustdoc)?;

    let mut book = Command::new(MDBOOK.get(workspace)?);
    book.current_dir(&workspace.root).args(["build", "docs", "--dest-dir"]);
    book.arg(workspace.target.join("book"));
    Ok(process::succeeds(&mut book)? && are_crates_well)
}
