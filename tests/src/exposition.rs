//! Metrics in the text format that a Prometheus server collects.

#![expect(clippy::expect_used, reason = "a test's helpers expect what the test needs")]

use std::collections::{BTreeMap, BTreeSet};

/// What was collected once.
#[derive(Clone, Debug, Default)]
pub struct Exposition {
    kinds: BTreeMap<String, String>,
    helps: BTreeMap<String, String>,
    samples: Vec<Sample>,
}

/// One number.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its name; for a histogram one of three that begin with the metric's.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The number itself.
    pub value: f64,
}

impl Exposition {
    /// Reads the text format.
    ///
    /// # Panics
    ///
    /// If it is not that.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut seen = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a name and a type");
                seen.kinds.insert(name.to_owned(), kind.to_owned());
            } else if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a name and a text");
                seen.helps.insert(name.to_owned(), help.to_owned());
            } else {
                seen.samples.push(sample(line));
            }
        }
        seen
    }

    /// Returns the type of a metric.
    #[must_use]
    pub fn kind(&self, name: &str) -> Option<&str> {
        self.kinds.get(name).map(String::as_str)
    }

    /// Returns what a metric is said to tell.
    #[must_use]
    pub fn help(&self, name: &str) -> Option<&str> {
        self.helps.get(name).map(String::as_str)
    }

    /// Returns the names of all metrics.
    #[must_use]
    pub fn names(&self) -> BTreeSet<&str> {
        self.kinds.keys().map(String::as_str).collect()
    }

    /// Returns the metric that a sample's name belongs to.
    #[must_use]
    pub fn family<'a>(&self, sample: &'a str) -> &'a str {
        ["_bucket", "_sum", "_count"]
            .into_iter()
            .filter_map(|end| sample.strip_suffix(end))
            .find(|name| self.kinds.contains_key(*name))
            .unwrap_or(sample)
    }

    /// Returns every sample.
    #[must_use]
    pub fn all(&self) -> &[Sample] {
        &self.samples
    }

    /// Returns how many series there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.samples.len()
    }

    /// Returns the samples of this name.
    pub fn samples(&self, name: &str) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| sample.name == name)
    }

    /// Returns the sum of the samples of this name that have these labels, whatever others they
    /// have; `None` if there are none.
    #[must_use]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |sample: &&Sample| {
            labels
                .iter()
                .all(|&(label, value)| sample.labels.get(label).is_some_and(|found| found == value))
        };
        self.samples(name).filter(has).map(|sample| sample.value).reduce(|sum, value| sum + value)
    }

    /// Returns every value of a label.
    #[must_use]
    pub fn values_of(&self, label: &str) -> BTreeSet<&str> {
        self.samples.iter().filter_map(|sample| Some(sample.labels.get(label)?.as_str())).collect()
    }
}

/// Reads `name{label="value",…} number`; no value here has a quote in it.
fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').expect("a series and a number");
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.strip_suffix('}').expect("the labels end");
    let labels = labels.split_terminator("\",").map(|label| {
        let (name, value) = label.split_once("=\"").expect("a label and its value");
        (name.to_owned(), value.trim_end_matches('"').to_owned())
    });
    Sample {
        name: name.to_owned(),
        labels: labels.collect(),
        value: value.parse().expect("a number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_found_by_some_of_its_labels() {
        let text = "# HELP a_total what it is\n# TYPE a_total counter\n\
                    a_total{x=\"1\",y=\"2\"} 3\na_total{x=\"1\",y=\"4\"} 5\n\nb 0.5\n";
        let seen = Exposition::parse(text);

        assert_eq!(seen.value("a_total", &[("y", "4")]), Some(5.0));
        assert_eq!(seen.value("a_total", &[("x", "1")]), Some(8.0));
        assert_eq!(seen.value("a_total", &[("x", "2")]), None);
        assert_eq!(seen.value("b", &[]), Some(0.5));
        assert_eq!(seen.help("a_total"), Some("what it is"));
    }
}
