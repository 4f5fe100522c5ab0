//! Which row of the grid a test belongs to, and which lane runs it.
//!
//! A backend, and each variant of it, is whatever calls the conformance suite from a file under
//! `tests/`: package, file and module name it, and nothing lists it.

use std::collections::BTreeSet;
use std::fmt;

/// The module that the suite's macro expands to.
const SUITE: &str = "conformance";

/// What tells a backend or a variant apart, outermost first, as in `redis/valkey`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row(Vec<String>);

/// A case of the suite: its group and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) group: String,
    pub(crate) case: String,
}

impl Row {
    /// Names what a package, a file of its tests and a module tell of, leaving out what says
    /// nothing.
    fn of<'a>(package: &'a str, file: &'a str, modules: &[&'a str]) -> Self {
        let package = package.strip_prefix("tasker-cache-").unwrap_or(package);
        let mut words = vec![package.to_owned()];
        for word in [&[file], modules].concat() {
            if !word.is_empty() && word != SUITE && word != package {
                words.push(word.to_owned());
            }
        }
        Self(words)
    }

    /// Names everything that the path of a test tells, whether or not the grid has such a row.
    pub(crate) fn of_test(package: &str, file: &str, path: &str) -> Self {
        let mut modules: Vec<&str> = path.split("::").collect();
        modules.pop();
        if let Some(at) = modules.iter().rposition(|module| *module == SUITE) {
            modules.truncate(at);
        }
        Self::of(package, file, &modules)
    }

    /// Takes `MODULE::conformance::GROUP::CASE` apart.
    pub(crate) fn of_case(package: &str, file: &str, path: &str) -> Option<(Self, Place)> {
        let segments: Vec<&str> = path.split("::").collect();
        let at = segments.iter().rposition(|segment| *segment == SUITE)?;
        let [group, case] = segments.get(at + 1..)? else {
            return None;
        };
        let place = Place { group: (*group).to_owned(), case: (*case).to_owned() };
        Some((Self::of(package, file, &segments[..at]), place))
    }

    /// Returns the row that a test with this name belongs to: the one that says most of it, or
    /// else its package.
    pub(crate) fn home(&self, rows: &BTreeSet<Self>) -> Self {
        let fitting = rows.iter().filter_map(|row| Some((row.0.len(), row.end_in(self)?, row)));
        let best = fitting.max_by_key(|(words, end, _)| (*words, *end));
        best.map_or_else(|| Self(self.0[..1].to_vec()), |(_, _, row)| row.clone())
    }

    /// Returns where the last of this row's words stands in a name that has all of them in order.
    fn end_in(&self, name: &Self) -> Option<usize> {
        let mut at = 0;
        for word in &self.0 {
            at += name.0[at..].iter().position(|one| one == word)? + 1;
        }
        Some(at)
    }

    /// Tells whether the name ends like this, as `redis/valkey` does in `valkey`.
    fn ends_in(&self, lane: &str) -> bool {
        self.0.ends_with(&words(lane))
    }

    /// Tells whether the name has this in it, as `redis/valkey` has `redis`.
    fn has(&self, lane: &str) -> bool {
        let words = words(lane);
        self.0.windows(words.len()).any(|part| part == words)
    }

    /// Tells whether the name has this word.
    pub(crate) fn names(&self, word: &str) -> bool {
        self.0.iter().any(|one| one == word)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

/// Returns the rows that a lane runs: those that end in its name, if one of them is in the grid,
/// or else those that have it.
///
/// `all` is what tests belong to: the grid's rows, and packages.
pub(crate) fn answering<'a>(
    all: &'a BTreeSet<Row>,
    grid: &BTreeSet<Row>,
    lane: &str,
) -> BTreeSet<&'a Row> {
    let ending: BTreeSet<_> = all.iter().filter(|row| row.ends_in(lane)).collect();
    if ending.iter().any(|row| grid.contains(row)) {
        ending
    } else {
        all.iter().filter(|row| row.has(lane)).collect()
    }
}

fn words(lane: &str) -> Vec<String> {
    lane.split('/').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(names: &[&str]) -> BTreeSet<Row> {
        names.iter().map(|name| Row(words(name))).collect()
    }

    fn home(package: &str, file: &str, path: &str) -> String {
        let rows = rows(&["redis", "redis/valkey", "redis/cluster", "tests/matrix/moka", "moka"]);
        Row::of_test(package, file, path).home(&rows).to_string()
    }

    fn answers(names: &[&str], lane: &str) -> Vec<String> {
        let grid = rows(names);
        let mut all = grid.clone();
        all.insert(Row(words("moka")));
        answering(&all, &grid, lane).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_row_is_named_by_what_tells_it_apart() {
        let name = |package, file, modules: &[&str]| Row::of(package, file, modules).to_string();
        assert_eq!(name("tasker-cache-moka", "conformance", &[]), "moka");
        assert_eq!(name("tasker-cache-core", "noop", &[]), "core/noop");
        assert_eq!(name("tasker-cache-redis", "conformance", &["valkey"]), "redis/valkey");
        assert_eq!(name("tasker-cache-tests", "matrix", &["moka"]), "tests/matrix/moka");
    }

    #[test]
    fn only_a_group_and_a_case_make_a_place() {
        let (row, found) = Row::of_case("p", "", "moka::conformance::lease::late").unwrap();
        assert_eq!((&*row.to_string(), &*found.group, &*found.case), ("p/moka", "lease", "late"));
        for path in ["lease::late", "conformance::late", "conformance::a::b::c"] {
            assert_eq!(Row::of_case("p", "", path), None, "{path}");
        }
    }

    #[test]
    fn a_test_belongs_to_the_row_that_says_most_of_it() {
        let redis = "tasker-cache-redis";
        assert_eq!(home(redis, "conformance", "valkey::conformance::get::hit"), "redis/valkey");
        assert_eq!(home(redis, "conformance", "conformance::get::hit"), "redis");
        assert_eq!(home(redis, "faults", "cluster::a_slot_moves"), "redis/cluster");
        assert_eq!(home(redis, "", "url::tests::a_password_is_decoded"), "redis");
        assert_eq!(home("tasker-cache-tests", "matrix", "moka::one"), "tests/matrix/moka");
    }

    #[test]
    fn a_test_that_no_row_speaks_of_belongs_to_its_package() {
        assert_eq!(home("tasker-cache-core", "", "key::tests::one"), "core");
    }

    #[test]
    fn a_lane_is_the_end_of_a_name() {
        let names = ["redis", "redis/unix", "memcached/unix", "memcached"];
        assert_eq!(answers(&names, "redis"), ["redis"]);
        assert_eq!(answers(&names, "unix"), ["memcached/unix", "redis/unix"]);
        assert_eq!(answers(&names, "redis/unix"), ["redis/unix"]);
        assert_eq!(answers(&names, "mem"), [""; 0]);
    }

    #[test]
    fn a_package_without_a_row_of_its_own_stands_for_all_of_its_rows() {
        let names = ["moka/counted", "moka/weighed"];
        assert_eq!(answers(&names, "moka"), ["moka", "moka/counted", "moka/weighed"]);
    }
}
