//! What a build of one package with one feature may pull in.

use std::collections::{BTreeMap, BTreeSet};

use crate::workspace::Package;

/// Crates that come with one choice only: with that feature, or in the crate of that backend.
const CHOSEN: [(&str, &str); 5] = [
    ("moka", "moka"),
    ("fred", "redis"),
    ("redis", "redis"),
    ("async-memcached", "memcached"),
    ("metrics", "metrics"),
];

/// Crates that come only with a feature whose name ends like this, as `redis-rustls` does.
const ENCRYPTED: (&str, &str) = ("rustls", "rustls");

/// Crates that only the demo and the tests need.
const NEVER: [&str; 2] = ["axum", "sqlx"];

/// Crates that one package must do without.
const WITHOUT: [(&str, &str); 1] = [("tasker-cache-core", "tokio")];

/// Above the table of how many crates each of the facade's features may take.
const HEADING: &str = "## What a feature compiles";

/// Reads that table: rows of a feature between backticks and a number.
pub(crate) fn budgets(chapter: &str) -> BTreeMap<&str, usize> {
    let section = chapter.split_once(HEADING).map_or("", |(_, section)| section);
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut budgets = BTreeMap::new();
    for line in section.lines() {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        if let (Some(features), Some(Ok(most))) = (cells.next(), cells.next().map(str::parse)) {
            budgets.extend(features.split('`').skip(1).step_by(2).map(|name| (name, most)));
        }
    }
    budgets
}

/// The crates that one package pulls in with one feature, or with none.
#[derive(Debug)]
pub(crate) struct Build<'a> {
    package: &'a str,
    feature: Option<&'a str>,
    /// The feature and all that it turns on.
    enabled: BTreeSet<&'a str>,
    crates: &'a BTreeSet<(&'a str, &'a str)>,
}

impl<'a> Build<'a> {
    pub(crate) fn new(
        package: &'a Package,
        feature: Option<&'a str>,
        crates: &'a BTreeSet<(&'a str, &'a str)>,
    ) -> Self {
        Self {
            package: &package.name,
            feature,
            enabled: closure(&package.features, feature),
            crates,
        }
    }

    /// Returns a sentence for each rule that the build breaks.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for (name, feature) in CHOSEN {
            let is_chosen =
                self.enabled.contains(feature) || self.package == format!("tasker-cache-{feature}");
            if self.pulls(name) && !is_chosen {
                broken.push(format!("pulls in {name}, which feature `{feature}` alone may"));
            }
        }
        let (name, end) = ENCRYPTED;
        if self.pulls(name) && !self.enabled.iter().any(|feature| feature.ends_with(end)) {
            broken.push(format!("pulls in {name}, which only a feature `…{end}` may"));
        }
        for name in NEVER {
            if self.pulls(name) {
                broken.push(format!("pulls in {name}, which only the demo needs"));
            }
        }
        for (package, name) in WITHOUT {
            if self.package == package && self.pulls(name) {
                broken.push(format!("pulls in {name}, which it must do without"));
            }
        }
        broken.iter().map(|rule| format!("{} {rule}", self.name())).collect()
    }

    /// Returns a sentence if the build takes more crates than the book allows; what the book leaves
    /// out may take any number.
    pub(crate) fn over_budget(&self, budgets: &BTreeMap<&str, usize>) -> Option<String> {
        let (count, budget) = (self.crates.len(), budgets.get(self.feature?)?);
        let is_over = count > *budget;
        is_over.then(|| format!("{} takes {count} crates; the book allows {budget}", self.name()))
    }

    fn name(&self) -> String {
        match self.feature {
            Some(feature) => format!("{} with feature `{feature}`", self.package),
            None => format!("{} without features", self.package),
        }
    }

    fn pulls(&self, name: &str) -> bool {
        self.crates.iter().any(|(one, _)| *one == name)
    }
}

/// Returns the feature and all features of the same package that it turns on.
fn closure<'a>(
    features: &'a BTreeMap<String, Vec<String>>,
    feature: Option<&'a str>,
) -> BTreeSet<&'a str> {
    let mut enabled = BTreeSet::new();
    let mut open: Vec<&str> = feature.into_iter().collect();
    while let Some(name) = open.pop() {
        if let Some(others) = features.get(name)
            && enabled.insert(name)
        {
            open.extend(others.iter().map(String::as_str));
        }
    }
    enabled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(package: &str, feature: Option<&str>, crates: &[&str]) -> Vec<String> {
        let features = [
            ("default", vec!["cache-moka"]),
            ("cache-moka", vec!["moka"]),
            ("moka", vec!["dep:tasker-cache-moka"]),
            ("metrics", vec!["dep:metrics"]),
            ("redis-rustls", vec!["redis", "tasker-cache-redis/rustls"]),
            ("redis", vec!["dep:tasker-cache-redis"]),
        ];
        let features: BTreeMap<String, Vec<String>> = features
            .into_iter()
            .map(|(name, on)| (name.to_owned(), on.into_iter().map(str::to_owned).collect()))
            .collect();
        let crates = crates.iter().map(|name| (*name, "1.0.0")).collect();
        let build =
            Build { package, feature, enabled: closure(&features, feature), crates: &crates };
        build.complaints()
    }

    #[test]
    fn a_client_may_come_with_its_feature_and_its_aliases() {
        for feature in ["moka", "cache-moka", "default"] {
            let found = complaints("tasker-cache", Some(feature), &["moka", "bytes"]);
            assert_eq!(found, Vec::<String>::new());
        }
    }

    #[test]
    fn a_client_may_come_with_its_backend() {
        assert!(complaints("tasker-cache-moka", None, &["moka"]).is_empty());
        assert_eq!(complaints("tasker-cache-core", None, &["moka"]).len(), 1);
    }

    #[test]
    fn a_client_without_its_feature_is_caught() {
        assert_eq!(complaints("tasker-cache", None, &["moka"]).len(), 1);
        assert_eq!(complaints("tasker-cache", Some("metrics"), &["moka"]).len(), 1);
        assert_eq!(complaints("tasker-cache", Some("moka"), &["moka", "fred"]).len(), 1);
    }

    #[test]
    fn encryption_without_its_feature_is_caught() {
        let crates = ["fred", "rustls"];
        assert_eq!(complaints("tasker-cache", Some("redis"), &crates).len(), 1);
        assert!(complaints("tasker-cache", Some("redis-rustls"), &crates).is_empty());
    }

    #[test]
    fn what_only_the_demo_needs_is_caught_everywhere() {
        assert_eq!(complaints("tasker-cache", Some("moka"), &["axum", "sqlx"]).len(), 2);
    }

    #[test]
    fn a_runtime_in_core_is_caught() {
        assert_eq!(complaints("tasker-cache-core", None, &["tokio"]).len(), 1);
        assert!(complaints("tasker-cache", None, &["tokio"]).is_empty());
    }

    const CHAPTER: &str = "# Costs\n\n## What a feature compiles\n\n\
        | feature | crates, at most | built in |\n|---|---|---|\n\
        | `moka`, `default` | 60 | 20 s |\n\n## Other\n\n| `redis` | 1 |\n";

    fn over_budget(feature: &str, count: usize) -> Option<String> {
        let names: Vec<String> = (0..count).map(|number| format!("crate-{number}")).collect();
        let crates = names.iter().map(|name| (name.as_str(), "1.0.0")).collect();
        let (package, enabled) = ("tasker-cache", BTreeSet::new());
        let build = Build { package, feature: Some(feature), enabled, crates: &crates };
        build.over_budget(&budgets(CHAPTER))
    }

    #[test]
    fn more_crates_than_the_book_allows_are_caught() {
        assert_eq!(over_budget("moka", 60), None);
        assert!(over_budget("moka", 61).is_some());
        assert!(over_budget("default", 61).is_some());
    }

    #[test]
    fn a_feature_that_the_book_leaves_out_may_take_any_number() {
        assert_eq!(over_budget("redis", 1_000), None);
    }

    #[test]
    fn the_book_allows_a_newcomers_build_no_more_than_sixty() {
        let root = crate::workspace::Workspace::load().unwrap().root;
        let chapter = std::fs::read_to_string(root.join(super::super::TABLE)).unwrap();
        let budgets = budgets(&chapter);
        for feature in ["default", "moka", "cache-moka"] {
            assert!(budgets[feature] <= 60, "{feature}");
        }
    }
}
