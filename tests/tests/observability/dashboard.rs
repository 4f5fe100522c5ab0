//! The dashboard shows what is recorded, all of it, and nothing else.

use std::collections::BTreeSet;

use serde_json::Value;
use tasker_cache::telemetry::METRICS;
use tasker_cache_tests::tree::read;

use crate::promql;

fn dashboard() -> Value {
    serde_json::from_str(&read("docs/grafana/tasker-cache.json")).expect("it is JSON")
}

/// The panels that show something; rows only part them.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let panels = dashboard["panels"].as_array().expect("it has panels").iter();
    panels.filter(|panel| panel["type"] != "row").collect()
}

fn text<'a>(value: &'a Value, what: &str) -> &'a str {
    value[what].as_str().unwrap_or_else(|| panic!("no {what} in {value}"))
}

fn targets(panel: &Value) -> &[Value] {
    panel["targets"].as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn every_panel_has_an_id_a_title_a_description_and_a_unit() {
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    let mut titles = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("it has panels") {
        assert!(ids.insert(panel["id"].as_u64().expect("a number")), "{} twice", panel["id"]);
        assert!(titles.insert(text(panel, "title")), "{} twice", panel["title"]);
    }
    let panels = panels(&dashboard);
    for panel in &panels {
        assert!(!text(panel, "description").is_empty());
        assert!(!text(&panel["fieldConfig"]["defaults"], "unit").is_empty());
        assert!(!targets(panel).is_empty(), "{} shows nothing", panel["title"]);
    }
    assert!(panels.len() >= 12, "the panels are found");
}

#[test]
fn no_panel_lies_on_another() {
    let dashboard = dashboard();
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("it has panels") {
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| {
            panel["gridPos"][side].as_u64().unwrap_or_else(|| panic!("{}", panel["title"]))
        });
        assert!(x + w <= 24, "{} is beside the grid", panel["title"]);
        for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(place), "{} lies on another", panel["title"]);
        }
    }
}

#[test]
fn every_expression_is_valid_and_names_what_is_recorded() {
    let dashboard = dashboard();
    let mut shown = BTreeSet::new();
    for panel in panels(&dashboard) {
        for target in targets(panel) {
            let named = promql::check(text(target, "expr"));
            shown.extend(named.unwrap_or_else(|error| panic!("{}: {error}", panel["title"])));
        }
    }
    let recorded: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(shown, recorded);
}

#[test]
fn every_legend_is_a_label_that_is_left() {
    for panel in panels(&dashboard()) {
        for target in targets(panel) {
            let (legend, expression) = (text(target, "legendFormat"), text(target, "expr"));
            for label in legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()) {
                let is_kept = expression.split("by (").skip(1).any(|rest| {
                    let labels = rest.split(')').next().unwrap_or_default();
                    labels.split(", ").any(|kept| kept == label)
                });
                assert!(is_kept, "{}: {label} is summed away", panel["title"]);
            }
        }
    }
}

#[test]
fn every_variable_is_defined_and_filled_from_what_is_recorded() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().expect("it has variables");
    let names: BTreeSet<&str> = variables.iter().map(|one| text(one, "name")).collect();
    let used = dashboard.to_string();
    for name in used.split('$').skip(1) {
        let letters = name.trim_start_matches('{').chars();
        let name: String = letters.take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let is_built_in = name.starts_with("__");
        assert!(is_built_in || names.contains(name.as_str()), "${name} is not defined");
    }
    for variable in variables.iter().filter(|one| one["type"] == "query") {
        let query = text(variable, "query");
        let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
        let (selector, label) = inner.and_then(|inner| inner.rsplit_once(", ")).expect(query);
        promql::check(&format!("sum by ({label}) ({selector})")).expect(query);
    }
}
