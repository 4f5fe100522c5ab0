//! Which backend ran which conformance cases.
//!
//! A backend is whatever calls the suite from a file under `tests/`: there is no list to forget
//! one in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::test::binary::Binary;
use crate::test::libtest::{Case, Outcome};

/// The module that the suite's macro expands to.
const SUITE: &str = "conformance";

/// Backends, conformance cases, and which ran which.
#[derive(Debug, Default)]
pub(crate) struct Grid {
    /// Every case that any backend has.
    known: BTreeSet<Place>,
    /// What each backend has executed, whether it passed or not.
    executed: BTreeMap<String, BTreeSet<Place>>,
}

/// A case of the suite: its group and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    group: String,
    case: String,
}

impl Grid {
    /// Takes note of a test that is a case of the suite, and tells whether it was executed.
    pub(crate) fn record(&mut self, binary: &Binary, case: &Case) -> bool {
        self.add(&binary.package, &binary.target.name, case)
    }

    fn add(&mut self, package: &str, target: &str, case: &Case) -> bool {
        let Some((module, place)) = place(&case.path) else {
            return false;
        };
        let backend = backend(package, target, &module);
        let is_executed = case.outcome != Outcome::Ignored;
        let executed = self.executed.entry(backend).or_default();
        if is_executed {
            executed.insert(place.clone());
        }
        self.known.insert(place);
        is_executed
    }

    /// Tells whether no backend has run the suite.
    pub(crate) fn is_empty(&self) -> bool {
        self.executed.is_empty()
    }

    /// Returns a sentence for each case that one backend has executed and another has not.
    pub(crate) fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        for (backend, executed) in &self.executed {
            for Place { group, case } in self.known.difference(executed) {
                gaps.push(format!("{backend}: did not run conformance case {group}::{case}"));
            }
        }
        gaps
    }

    fn count(&self, executed: &BTreeSet<Place>, group: &str) -> String {
        let of = |cases: &BTreeSet<Place>| cases.iter().filter(|one| one.group == group).count();
        match (of(executed), of(&self.known)) {
            (all, known) if all == known => all.to_string(),
            (some, known) => format!("{some}/{known}"),
        }
    }
}

/// Prints one row per backend and one column per group; `7/9` where cases are missing.
impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups: BTreeSet<&str> = self.known.iter().map(|one| one.group.as_str()).collect();
        let title = "conformance cases";
        let names = self.executed.keys().map(String::len);
        let first = names.max().unwrap_or(0).max(title.len());
        write!(f, "{title:first$}")?;
        for group in &groups {
            write!(f, "  {group:>5}")?;
        }
        write!(f, "  {:>5}", "total")?;
        for (backend, executed) in &self.executed {
            write!(f, "\n{backend:first$}")?;
            for group in &groups {
                let width = group.len().max(5);
                write!(f, "  {:>width$}", self.count(executed, group))?;
            }
            write!(f, "  {:>5}", executed.len())?;
        }
        Ok(())
    }
}

/// Takes `MODULE::conformance::GROUP::CASE` apart.
fn place(path: &str) -> Option<(String, Place)> {
    let segments: Vec<&str> = path.split("::").collect();
    let at = segments.iter().rposition(|segment| *segment == SUITE)?;
    let [group, case] = segments.get(at + 1..)? else {
        return None;
    };
    let place = Place { group: (*group).to_owned(), case: (*case).to_owned() };
    Some((segments[..at].join("::"), place))
}

/// Names a backend after its package, test file and module, leaving out what says nothing.
fn backend(package: &str, target: &str, module: &str) -> String {
    let package = package.strip_prefix("tasker-cache-").unwrap_or(package);
    let mut names = vec![package];
    for name in [target, module] {
        if !name.is_empty() && name != SUITE && name != package {
            names.push(name);
        }
    }
    names.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(grid: &mut Grid, package: &str, path: &str, outcome: Outcome) -> bool {
        let path = path.to_owned();
        grid.add(package, "conformance", &Case { path, outcome })
    }

    #[test]
    fn equal_backends_have_no_gaps() {
        let mut grid = Grid::default();
        for package in ["tasker-cache-moka", "tasker-cache-core"] {
            assert!(run(&mut grid, package, "conformance::get::miss", Outcome::Passed));
            assert!(run(&mut grid, package, "conformance::get::hit", Outcome::Failed));
        }
        assert_eq!(grid.gaps(), Vec::<String>::new());
    }

    #[test]
    fn a_case_that_one_backend_lacks_is_a_gap() {
        let mut grid = Grid::default();
        run(&mut grid, "tasker-cache-moka", "conformance::get::miss", Outcome::Passed);
        run(&mut grid, "tasker-cache-moka", "conformance::get::hit", Outcome::Passed);
        run(&mut grid, "tasker-cache-core", "conformance::get::hit", Outcome::Passed);
        assert_eq!(grid.gaps(), ["core: did not run conformance case get::miss"]);
        assert!(grid.to_string().contains("  1/2  "), "{grid}");
    }

    #[test]
    fn as_many_cases_but_others_are_gaps() {
        let mut grid = Grid::default();
        run(&mut grid, "tasker-cache-moka", "conformance::get::miss", Outcome::Passed);
        run(&mut grid, "tasker-cache-core", "conformance::get::hit", Outcome::Passed);
        assert_eq!(grid.gaps().len(), 2);
    }

    #[test]
    fn an_ignored_case_is_a_gap_even_if_everyone_ignores_it() {
        let mut grid = Grid::default();
        assert!(!run(&mut grid, "tasker-cache-moka", "conformance::get::hit", Outcome::Ignored));
        assert_eq!(grid.gaps().len(), 1);
    }

    #[test]
    fn a_backend_is_named_by_what_tells_it_apart() {
        assert_eq!(backend("tasker-cache-moka", "conformance", ""), "moka");
        assert_eq!(backend("tasker-cache-core", "noop", ""), "core/noop");
        assert_eq!(backend("tasker-cache-tests", "matrix", "moka"), "tests/matrix/moka");
    }

    #[test]
    fn only_a_group_and_a_case_make_a_place() {
        let (module, found) = place("moka::conformance::lease::late").unwrap();
        assert_eq!((&*module, &*found.group, &*found.case), ("moka", "lease", "late"));
        for path in ["lease::late", "conformance::late", "conformance::a::b::c"] {
            assert_eq!(place(path), None, "{path}");
        }
    }
}
