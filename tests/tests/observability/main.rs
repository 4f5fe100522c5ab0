//! What the chapter on observability lists is what is recorded and logged, and the dashboard and
//! the alerts ask for nothing else.

#![expect(clippy::expect_used, reason = "a test's helpers expect what the test needs")]

mod dashboard;
mod promql;

use std::collections::{BTreeMap, BTreeSet};

use tasker_cache::telemetry::{COMMON_LABELS, DURATION_BUCKETS, LABELS, METRICS, Metric};
use tasker_cache_tests::log_lines::{self, LogLine, What, skeleton};
use tasker_cache_tests::tree::{self, read, rows, ticked};

fn chapter() -> String {
    read("docs/src/observability.md")
}

/// The rows below a heading, without the names of the columns.
fn listed(heading: &str) -> Vec<Vec<String>> {
    let rows = rows(&chapter(), heading);
    assert!(rows.len() > 1, "{heading} has rows");
    rows[1..].to_vec()
}

fn documented(metric: &Metric) -> Vec<String> {
    let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
    let name = format!("`{}`", metric.name);
    let [kind, unit] = [metric.kind.as_str(), metric.unit.as_str()].map(str::to_owned);
    vec![name, kind, unit, labels.join(", "), metric.help.to_owned()]
}

#[test]
fn the_chapter_lists_every_metric_as_it_is_recorded() {
    let recorded: Vec<Vec<String>> = METRICS.iter().map(documented).collect();
    assert_eq!(listed("## Metrics"), recorded);
}

#[test]
fn the_chapter_lists_the_values_of_every_label() {
    let of_label = |row: &Vec<String>| (ticked(&row[0]).concat(), ticked(&row[1]));
    let documented: BTreeMap<String, Vec<String>> =
        listed("## Labels").iter().map(of_label).collect();
    for (label, values) in LABELS {
        assert_eq!(documented[*label], *values, "{label}");
    }
    let used = METRICS.iter().flat_map(|metric| metric.labels).chain(&COMMON_LABELS);
    let used: BTreeSet<&str> = used.copied().collect();
    assert_eq!(documented.keys().map(String::as_str).collect::<BTreeSet<_>>(), used);
}

#[test]
fn the_buckets_rise() {
    assert!(DURATION_BUCKETS.is_sorted_by(|one, next| one < next));
}

/// What the published crates but the testkit log.
fn logged(what: What) -> Vec<LogLine> {
    let mut by_crate: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (path, text) in tree::sources("crates") {
        let name = path.split('/').nth(1).unwrap_or_default();
        let is_meant = !name.ends_with("-testkit") && !name.ends_with("-demo");
        if is_meant && path.contains("/src/") {
            by_crate.entry(name.to_owned()).or_default().insert(path, text);
        }
    }
    let mut lines: Vec<LogLine> =
        by_crate.values().flat_map(|sources| log_lines::found(sources, what)).collect();
    lines.sort();
    lines
}

/// A row of level, message or name, fields and target.
fn line(row: &[String]) -> LogLine {
    let one = |cell: &str| ticked(cell).concat();
    LogLine {
        level: row[0].clone(),
        message: skeleton(&one(&row[1]), '<', '>'),
        fields: ticked(&row[2]),
        target: one(&row[3]),
    }
}

fn assert_lists(heading: &str, what: What) {
    let mut documented: Vec<LogLine> = listed(heading).iter().map(|row| line(row)).collect();
    documented.sort();
    let logged = logged(what);
    for line in &logged {
        assert!(documented.contains(line), "{heading} does not list {line:?}");
    }
    for line in &documented {
        assert!(logged.contains(line), "nothing logs {line:?}");
    }
    assert_eq!(documented.len(), logged.len(), "{heading} lists each once");
}

#[test]
fn the_chapter_lists_every_log_line() {
    assert_lists("## Log lines", What::Events);
    assert!(logged(What::Events).len() > 20, "the log lines are found");
}

#[test]
fn the_chapter_lists_every_span() {
    assert_lists("## Spans", What::Spans);
}

#[test]
fn the_chapter_lists_every_target_and_no_other() {
    let lines = logged(What::Events).into_iter().chain(logged(What::Spans));
    let targets: BTreeSet<String> = lines.map(|line| line.target).collect();
    let documented: BTreeSet<String> =
        listed("## Targets").iter().map(|row| ticked(&row[0]).concat()).collect();
    assert_eq!(documented, targets);
}

#[test]
fn macros_of_tracing_are_called_by_their_path() {
    for (path, text) in tree::sources("crates") {
        for import in text.lines().filter(|line| line.starts_with("use tracing::")) {
            let is_macro = ["error", "warn", "info", "debug", "trace", "event", "span"]
                .iter()
                .any(|name| import.contains(name));
            assert!(!is_macro || path.contains("/tests/"), "{path}: {import}");
        }
    }
}

#[test]
fn every_alert_is_valid_and_names_what_is_recorded() {
    let chapter = chapter();
    let alerts: Vec<&str> =
        chapter.split("```promql\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    for alert in &alerts {
        promql::check(alert).unwrap_or_else(|error| panic!("{error}: {alert}"));
    }
    assert!(alerts.len() >= 6, "the alerts are found");
}
