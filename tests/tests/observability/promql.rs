//! Checks an expression: its syntax by a parser of `PromQL`, its names by the list of metrics.

use std::collections::BTreeSet;

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{self, Expr, VectorSelector};
use promql_parser::util::{ExprVisitor, walk_expr};
use tasker_cache::telemetry::{COMMON_LABELS, Kind, LABELS, METRICS, Metric};

/// The labels that a Prometheus server adds.
const TARGET_LABELS: [&str; 2] = ["job", "instance"];

/// Checks an expression as a dashboard has it, and returns the metrics that it names.
pub(crate) fn check(expression: &str) -> Result<BTreeSet<&'static str>, String> {
    let expression = expression.replace("$__rate_interval", "5m").replace("$__range", "1h");
    let parsed = parser::parse(&expression)?;
    let mut named = BTreeSet::new();
    for selector in selectors(&parsed) {
        named.insert(checked(&selector)?.name);
    }
    walk_expr(&mut Groupings, &parsed)?;
    Ok(named)
}

/// Returns the metric that a selector names, if its labels and their values exist.
fn checked(selector: &VectorSelector) -> Result<&'static Metric, String> {
    let metric = metric(selector)?;
    for matcher in &selector.matchers.matchers {
        let label = matcher.name.as_str();
        if !has(metric, label) {
            return Err(format!("{} has no label {label}", metric.name));
        }
        let values = LABELS.iter().find(|(name, _)| *name == label).map(|(_, values)| values);
        for value in values_of(matcher) {
            if values.is_some_and(|values| !values.contains(&value)) {
                return Err(format!("{label} is never {value}"));
            }
        }
    }
    Ok(metric)
}

fn metric(selector: &VectorSelector) -> Result<&'static Metric, String> {
    let name = selector.name.as_deref().ok_or("a selector names no metric")?;
    let is_meant = |metric: &&Metric| match metric.kind {
        Kind::Histogram => ["_bucket", "_sum", "_count"]
            .iter()
            .any(|end| name.strip_suffix(end) == Some(metric.name)),
        _ => metric.name == name,
    };
    METRICS.iter().find(is_meant).ok_or_else(|| format!("there is no metric {name}"))
}

fn has(metric: &Metric, label: &str) -> bool {
    let own = metric.labels.iter().chain(&COMMON_LABELS).chain(&TARGET_LABELS);
    own.into_iter().any(|name| *name == label) || (label == "le" && metric.kind == Kind::Histogram)
}

/// The values that a matcher compares with; a dashboard's variable may be any.
fn values_of(matcher: &Matcher) -> Vec<&str> {
    if matcher.value.contains('$') {
        return Vec::new();
    }
    match matcher.op {
        MatchOp::Equal | MatchOp::NotEqual => vec![&matcher.value],
        MatchOp::Re(_) | MatchOp::NotRe(_) => matcher.value.split('|').collect(),
    }
}

fn selectors(expression: &Expr) -> Vec<VectorSelector> {
    struct Selectors(Vec<VectorSelector>);

    impl ExprVisitor for Selectors {
        type Error = String;

        fn pre_visit(&mut self, expression: &Expr) -> Result<bool, String> {
            match expression {
                Expr::VectorSelector(selector) => self.0.push(selector.clone()),
                Expr::MatrixSelector(range) => self.0.push(range.vs.clone()),
                _ => {}
            }
            Ok(true)
        }
    }

    let mut found = Selectors(Vec::new());
    // It fails never: the visitor doesn't.
    let _ = walk_expr(&mut found, expression);
    found.0
}

/// Checks that what is aggregated has the labels that it is aggregated by.
struct Groupings;

impl ExprVisitor for Groupings {
    type Error = String;

    fn pre_visit(&mut self, expression: &Expr) -> Result<bool, String> {
        if let Expr::Aggregate(aggregate) = expression
            && let Some(modifier) = &aggregate.modifier
        {
            for selector in selectors(&aggregate.expr) {
                let metric = metric(&selector)?;
                for label in &modifier.labels().labels {
                    if !has(metric, label) {
                        return Err(format!("{} can't be summed by {label}", metric.name));
                    }
                }
            }
        }
        Ok(true)
    }
}

#[test]
fn an_expression_with_names_that_exist_passes() {
    let expression = "histogram_quantile(0.99, sum by (le, region) (rate(\
                      tasker_cache_load_duration_seconds_bucket{prefix=~\"$prefix\"}\
                      [$__rate_interval])))";
    let named = check(expression).expect("it is well");
    assert_eq!(named, BTreeSet::from(["tasker_cache_load_duration_seconds"]));
}

#[test]
fn an_expression_with_a_mistake_is_caught() {
    let mistakes = [
        ("rate(tasker_cache_requests_total[5m]", "unclosed"),
        ("tasker_cache_request_total", "no metric"),
        ("tasker_cache_load_duration_seconds", "no metric"),
        ("tasker_cache_entries{region=\"a\"}", "no label region"),
        ("tasker_cache_requests_total{outcome=\"hits\"}", "never hits"),
        ("tasker_cache_requests_total{outcome=~\"hit|mis\"}", "never mis"),
        ("sum by (operation) (tasker_cache_requests_total)", "summed by operation"),
        ("sum by (le) (tasker_cache_requests_total)", "summed by le"),
        ("{prefix=\"a\"}", "no metric"),
    ];
    for (expression, complaint) in mistakes {
        let found = check(expression).expect_err(expression);
        assert!(found.contains(complaint), "{expression}: {found}");
    }
}
