//! The files of the tree, and what is found in them.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::process::{self, Result};

/// Files by their path from the root, with `/` between its parts; text is empty where it is none.
#[derive(Debug)]
pub(crate) struct Tree(BTreeMap<String, String>);

/// A file with text in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File<'a> {
    pub(crate) path: &'a str,
    pub(crate) text: &'a str,
}

/// A rule that is broken somewhere.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    /// The line, from 1; none if it is about the file as a whole.
    line: Option<usize>,
    what: String,
    mend: &'static str,
}

impl Tree {
    /// Reads the files that are in git or would be added to it.
    ///
    /// # Errors
    ///
    /// When git can't be asked or a file can't be read.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut command = Command::new("git");
        command
            .current_dir(root)
            // A checkout that belongs to another user, as in a container, is read all the same.
            .args(["-c", "safe.directory=*", "ls-files", "-z"])
            .args(["--cached", "--others", "--exclude-standard"]);
        let listed = process::output_of(&mut command)?;
        let mut files = BTreeMap::new();
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            let full = root.join(path);
            // Deleted files are listed until the deletion is committed; links are not followed.
            if full.symlink_metadata().is_ok_and(|file| file.is_file()) {
                let text = String::from_utf8(fs::read(full)?).unwrap_or_default();
                files.insert(path.to_owned(), text);
            }
        }
        Ok(Self(files))
    }

    /// Returns how many files there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns every file.
    pub(crate) fn files(&self) -> impl Iterator<Item = File<'_>> {
        self.0.iter().map(|(path, text)| File { path, text })
    }

    /// Returns every file whose name ends like this.
    pub(crate) fn ending(&self, end: &str) -> impl Iterator<Item = File<'_>> {
        self.files().filter(move |file| file.path.ends_with(end))
    }

    /// Returns a file's text.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    /// Tells whether this is a folder with files in it.
    pub(crate) fn has_folder(&self, path: &str) -> bool {
        let inside = format!("{path}/");
        path.is_empty() || self.0.keys().any(|one| one.starts_with(&inside))
    }

    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        Self(files.iter().map(owned).collect())
    }
}

impl<'a> File<'a> {
    /// Returns the lines, counted from 1.
    pub(crate) fn lines(self) -> impl Iterator<Item = (usize, &'a str)> {
        self.text.lines().enumerate().map(|(at, line)| (at + 1, line))
    }

    /// Returns the finding that this line breaks a rule.
    pub(crate) fn line(self, line: usize, what: impl Into<String>, mend: &'static str) -> Finding {
        Finding { line: Some(line), ..Finding::at(self.path, what, mend) }
    }
}

impl Finding {
    /// Returns the finding that a file as a whole breaks a rule, if only by not being there.
    pub(crate) fn at(path: impl Into<String>, what: impl Into<String>, mend: &'static str) -> Self {
        Self { path: path.into(), line: None, what: what.into(), mend }
    }

    /// Returns `path:line`, or the path alone.
    pub(crate) fn place(&self) -> String {
        match self.line {
            Some(line) => format!("{}:{line}", self.path),
            None => self.path.clone(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    mend: {}", self.place(), self.what, self.mend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    #[test]
    fn the_tree_is_what_git_would_keep() {
        let tree = Tree::read(&Workspace::load().unwrap().root).unwrap();
        assert!(
            tree.text("xtask/src/tidy/tree.rs").is_some_and(|text| text.contains("struct Tree"))
        );
        assert!(tree.has_folder("crates"));
        assert!(!tree.has_folder("target"));
    }

    #[test]
    fn a_finding_says_where_what_and_how_to_mend_it() {
        let file = File { path: "src/a.rs", text: "" };
        let finding = file.line(3, "is too long", "split it");
        assert_eq!(finding.to_string(), "src/a.rs:3: is too long\n    mend: split it");
    }
}
