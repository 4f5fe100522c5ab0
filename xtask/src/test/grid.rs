//! Which backend ran which conformance cases.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

use crate::test::row::{Place, Row};

/// Backends, conformance cases, and which ran which.
#[derive(Debug, Default)]
pub(crate) struct Grid {
    /// Every case that any backend has.
    known: BTreeSet<Place>,
    /// What each backend has executed, whether it passed or not.
    executed: BTreeMap<String, BTreeSet<Place>>,
}

impl Grid {
    /// Takes note of a case that a backend has, and of whether it was executed.
    pub(crate) fn add(&mut self, row: &Row, place: Place, is_executed: bool) {
        let executed = self.executed.entry(row.to_string()).or_default();
        if is_executed {
            executed.insert(place.clone());
        }
        self.known.insert(place);
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

    /// Returns the grid as `groups` and `backends`, with the cases of each backend by group.
    pub(crate) fn json(&self) -> (Value, Value) {
        let groups = self.groups();
        let backends = self.executed.iter().map(|(name, executed)| {
            let count = |group| executed.iter().filter(|one| one.group == group).count();
            let cases: BTreeMap<&str, usize> =
                groups.iter().map(|group| (*group, count(*group))).collect();
            let total = executed.len();
            let is_complete = total == self.known.len();
            json!({ "name": name, "cases": cases, "total": total, "complete": is_complete })
        });
        (json!(groups), backends.collect())
    }

    /// Returns the name of every backend and variant, which is that of a lane too.
    pub(crate) fn backends(&self) -> impl Iterator<Item = &str> {
        self.executed.keys().map(String::as_str)
    }

    fn groups(&self) -> BTreeSet<&str> {
        self.known.iter().map(|one| one.group.as_str()).collect()
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
        let groups = self.groups();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn run(grid: &mut Grid, package: &str, path: &str, is_executed: bool) {
        let (row, place) = Row::of_case(package, "conformance", path).unwrap();
        grid.add(&row, place, is_executed);
    }

    #[test]
    fn equal_backends_have_no_gaps() {
        let mut grid = Grid::default();
        for package in ["tasker-cache-moka", "tasker-cache-core"] {
            run(&mut grid, package, "conformance::get::miss", true);
            run(&mut grid, package, "conformance::get::hit", true);
        }
        assert_eq!(grid.gaps(), Vec::<String>::new());
    }

    #[test]
    fn a_case_that_one_backend_lacks_is_a_gap() {
        let mut grid = Grid::default();
        run(&mut grid, "tasker-cache-moka", "conformance::get::miss", true);
        run(&mut grid, "tasker-cache-moka", "conformance::get::hit", true);
        run(&mut grid, "tasker-cache-core", "conformance::get::hit", true);
        assert_eq!(grid.gaps(), ["core: did not run conformance case get::miss"]);
        assert!(grid.to_string().contains("  1/2  "), "{grid}");
    }

    #[test]
    fn as_many_cases_but_others_are_gaps() {
        let mut grid = Grid::default();
        run(&mut grid, "tasker-cache-moka", "conformance::get::miss", true);
        run(&mut grid, "tasker-cache-core", "conformance::get::hit", true);
        assert_eq!(grid.gaps().len(), 2);
    }

    #[test]
    fn an_ignored_case_is_a_gap_even_if_everyone_ignores_it() {
        let mut grid = Grid::default();
        run(&mut grid, "tasker-cache-moka", "conformance::get::hit", false);
        assert_eq!(grid.gaps().len(), 1);
    }

    #[test]
    fn a_program_reads_the_same_grid() {
        let mut grid = Grid::default();
        run(&mut grid, "tasker-cache-moka", "conformance::get::miss", true);
        run(&mut grid, "tasker-cache-moka", "conformance::ttl::rounds_up", true);
        run(&mut grid, "tasker-cache-redis", "tls::conformance::get::miss", true);
        let (groups, backends) = grid.json();
        assert_eq!(groups, json!(["get", "ttl"]));
        assert_eq!(backends[0]["cases"], json!({ "get": 1, "ttl": 1 }));
        assert_eq!((&backends[1]["name"], &backends[1]["total"]), (&json!("redis/tls"), &json!(1)));
        assert_eq!(backends[1]["complete"], json!(false));
        assert_eq!(grid.backends().collect::<Vec<_>>(), ["moka", "redis/tls"]);
    }
}
