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

/// How many crates one package may take with one feature.
const BUDGETS: [(&str, &str, usize); 3] = [
    ("tasker-cache", "moka", 60),
    ("tasker-cache", "cache-moka", 60),
    ("tasker-cache", "default", 60),
];

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
        for (package, feature, budget) in BUDGETS {
            let (is_meant, count) = (self.is(package, feature), self.crates.len());
            if is_meant && count > budget {
                broken.push(format!("takes {count} crates; {budget} are allowed"));
            }
        }
        let what = match self.feature {
            Some(feature) => format!("{} with feature `{feature}`", self.package),
            None => format!("{} without features", self.package),
        };
        broken.iter().map(|rule| format!("{what} {rule}")).collect()
    }

    fn pulls(&self, name: &str) -> bool {
        self.crates.iter().any(|(one, _)| *one == name)
    }

    fn is(&self, package: &str, feature: &str) -> bool {
        self.package == package && self.feature == Some(feature)
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

    #[test]
    fn too_many_crates_are_caught() {
        let names: Vec<String> = (0..61).map(|number| format!("crate-{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(complaints("tasker-cache", Some("moka"), &names).len(), 1);
        assert!(complaints("tasker-cache", Some("moka"), &names[..60]).is_empty());
    }
}
