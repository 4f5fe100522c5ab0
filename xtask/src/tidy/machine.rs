//! Nothing in the tree depends on one machine or names a package registry.
//!
//! Paths of one machine break on the next; a registry is the reader's choice, or their mirror's.

use crate::tidy::tree::{Finding, Tree};

/// How absolute paths on somebody's machine begin; put together so that this file passes.
const FOLDERS: [&str; 5] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
    concat!("C", ":\\"),
];

/// The hosts of registries and of their documentation.
const HOSTS: [&str; 3] =
    [concat!("crates", ".io"), concat!("//docs", ".rs"), concat!("docs", ".rs/")];

/// Cargo's own files, which say where each crate is from.
const EXEMPT: [&str; 2] = ["Cargo.lock", "fuzz/Cargo.lock"];

/// Checks every file with text in it.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files().filter(|file| !EXEMPT.contains(&file.path)) {
        for (at, line) in file.lines() {
            if let Some(folder) = FOLDERS.iter().find(|folder| begins_path(line, folder)) {
                let mend = "use a path from the root of the tree, or one made at run time";
                findings.push(file.line(at, format!("has a machine's own path, `{folder}`"), mend));
            }
            if let Some(host) = HOSTS.iter().find(|host| line.contains(*host)) {
                let mend = "name the package, not the place it is fetched from";
                findings.push(file.line(at, format!("names a registry, `{host}`"), mend));
            }
        }
    }
    findings
}

/// Looks for the folder at the beginning of a path: not in the middle of a longer one.
fn begins_path(line: &str, folder: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "._-~/\\}>".contains(c);
    line.match_indices(folder).any(|(at, _)| !line[..at].ends_with(is_part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, line: &str) -> usize {
        check(&Tree::of(&[(path, line)])).len()
    }

    #[test]
    fn paths_of_a_machine_are_caught() {
        for folder in FOLDERS {
            assert_eq!(findings("a.md", &format!("see `{folder}me/file`")), 1, "{folder}");
        }
    }

    #[test]
    fn the_middle_of_a_path_is_none_of_a_machine() {
        for folder in FOLDERS {
            assert_eq!(findings("a.md", &format!("GET /v1{folder}")), 0, "{folder}");
        }
    }

    #[test]
    fn registries_are_caught_but_in_the_lock_file() {
        for host in HOSTS {
            assert!(findings("a.md", &format!("https:{host}/one")) > 0, "{host}");
            assert_eq!(EXEMPT.map(|path| findings(path, host)), [0, 0], "{host}");
        }
    }

    #[test]
    fn a_table_for_a_documentation_builder_names_no_host() {
        assert_eq!(findings("Cargo.toml", concat!("[package.metadata.docs", ".rs]")), 0);
    }
}
