//! What the documentation lists is what the code has: each table is read and compared.

#![expect(clippy::expect_used, reason = "a test's helpers expect what the test needs")]

use std::collections::BTreeSet;
use std::fs;

use tasker_cache::config::BackendName;
use tasker_cache::{Config, Counters};
use tasker_cache_tests::tree::{self, read, rows, ticked};

/// The rows of each key's table below a heading, which each have a heading with the table's name.
fn keys(text: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, section) = text.split_once(&format!("\n{heading}\n")).expect("the heading is there");
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut keys = Vec::new();
    for part in section.split("\n### `[").skip(1) {
        let (table, _) = part.split_once("]`\n").expect("the heading names a table");
        for mut row in rows(&format!("\n{part}"), &format!("{table}]`")) {
            if row[0] != "key" {
                row[0] = format!("{table}.{}", row[0].trim_matches('`'));
                keys.push(row);
            }
        }
    }
    keys
}

fn features() -> toml::Table {
    let manifest: toml::Table = read("crates/tasker-cache/Cargo.toml").parse().expect("it is TOML");
    manifest["features"].as_table().expect("it has features").clone()
}

#[test]
fn the_chapter_on_configuration_lists_every_key_with_its_default_and_range() {
    let chapter = read("docs/src/configuration.md");
    let mut listed = keys(&chapter, "## Keys");
    listed.extend(keys(&chapter, "## Circuit breaker"));

    for (row, key) in listed.iter().zip(Config::keys()) {
        let default = row[1].trim_matches('`').replace('–', "");
        assert_eq!(row[0], key.key);
        assert_eq!(default, key.default, "{}", key.key);
        assert_eq!(row[2], key.range, "{}", key.key);
    }
    assert_eq!(listed.len(), Config::keys().count());
}

#[test]
fn the_errors_that_the_chapter_prints_are_those_that_are_returned() {
    let chapter = read("docs/src/configuration.md");
    let (_, section) = chapter.split_once("\n## Errors\n").expect("it has them");
    let blocks: Vec<&str> = section.split("```").skip(1).step_by(2).take(4).collect();
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let path = folder.path().join("tasker.toml");

    for pair in blocks.chunks(2) {
        let file = pair[0].strip_prefix("toml\n").expect("first the file");
        let printed = pair[1].strip_prefix("text\n").expect("then the error");
        fs::write(&path, file).expect("it is writable");
        let error = Config::load(&path).expect_err("it is wrong").to_string();
        assert_eq!(error.replace(&path.display().to_string(), "tasker.toml"), printed.trim());
    }
}

#[test]
fn the_chapter_on_failures_lists_every_counter_in_order() {
    let chapter = read("docs/src/failure-behaviour.md");
    let listed: Vec<String> =
        rows(&chapter, "## Counters").iter().flat_map(|row| ticked(&row[0])).collect();

    let counters = serde_json::to_string(&Counters::default()).expect("it has no odd keys");

    let counted: Vec<&str> = counters.split('"').skip(1).step_by(2).collect();
    assert_eq!(listed, counted);
}

#[test]
fn both_front_pages_list_every_feature() {
    let there: BTreeSet<String> =
        features().keys().filter(|&name| name != "default").cloned().collect();

    for page in ["README.md", "crates/tasker-cache/README.md"] {
        let rows = rows(&read(page), "## Features");
        let listed: BTreeSet<String> = rows.iter().flat_map(|row| ticked(&row[0])).collect();
        assert_eq!(listed, there, "{page}");
    }
}

#[test]
fn the_front_page_says_which_features_are_on_by_default() {
    let front_page = read("README.md");
    let listed: Vec<String> = rows(&front_page, "## Features")
        .iter()
        .filter(|row| row[1].contains("on by default"))
        .flat_map(|row| ticked(&row[0]))
        .collect();

    let default: Vec<String> = features()["default"].clone().try_into().expect("a list of names");

    assert_eq!(listed, default);
}

#[test]
fn the_front_page_lists_every_backend_by_each_of_its_names() {
    let names: BTreeSet<String> = rows(&read("README.md"), "## Backends")
        .iter()
        .flat_map(|row| ticked(&row[1]))
        .filter_map(|name| Some(name.strip_prefix('"')?.strip_suffix('"')?.to_owned()))
        .collect();

    let known: BTreeSet<String> = BackendName::KNOWN.iter().map(|&name| name.to_owned()).collect();

    assert_eq!(names, known);
}

#[test]
fn the_front_page_names_the_feature_of_each_backend_that_has_one() {
    let features = features();
    for row in rows(&read("README.md"), "## Backends").iter().skip(1) {
        let named = ticked(&row[2]);
        for feature in &named {
            assert!(features.contains_key(feature), "`{feature}` of {}", row[0]);
        }
        let backend = row[0].split(',').next().unwrap_or_default().to_lowercase();
        let has_one = features.contains_key(&backend);
        assert!(!has_one || named.contains(&backend), "{} has a feature", row[0]);
    }
}

/// The text of every Rust source of the crates, its string literals on one line each.
fn sources() -> String {
    let sources = tree::sources("crates").into_iter().filter(|(path, _)| path.contains("/src/"));
    let text: String = sources.map(|(_, text)| text).collect();
    let mut lines = text.split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |joined, line| joined + line.trim_start())
}

/// Tells whether a documented log line is one of the sources' string literals, in which `{…}`
/// stands for what differs from line to line.
fn is_logged(line: &str, sources: &str) -> bool {
    let line = line.replace(&BackendName::KNOWN.join(", "), "<known>").replace("'moka'", "'<b>'");
    let constant = |text: &str, open: char, close: char| -> Vec<String> {
        let mut parts = text.split(open);
        let first = parts.next().map(str::to_owned);
        first
            .into_iter()
            .chain(parts.filter_map(|part| Some(part.split_once(close)?.1.to_owned())))
            .collect()
    };
    let wanted = constant(&line, '<', '>');
    sources.split('"').any(|literal| constant(literal, '{', '}') == wanted)
}

/// Each line that a chapter says is logged.
fn log_lines(chapter: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for level in ["ERROR", "WARN", "INFO", "DEBUG"] {
        for (at, _) in chapter.match_indices(&format!("{level} `")) {
            lines.extend(ticked(&chapter[at..]).into_iter().next());
        }
    }
    lines
}

#[test]
fn every_log_line_in_the_book_is_one_of_the_codes() {
    let sources = sources();
    let mut lines = Vec::new();
    for chapter in ["circuit-breaker", "configuration", "failure-behaviour", "troubleshooting"] {
        let chapter = read(&format!("docs/src/{chapter}.md"));
        lines.extend(log_lines(&chapter.replace('\n', " ")));
    }

    for line in &lines {
        assert!(is_logged(line, &sources), "nothing logs `{line}`");
    }
    assert!(lines.len() >= 20, "the book's log lines are found");
}

#[test]
fn a_log_line_that_differs_by_a_word_is_noticed() {
    let sources = sources();

    assert!(is_logged("Circuit breaker opened (failing fast)", &sources));
    assert!(!is_logged("Circuit breaker opened (failing)", &sources));
    assert!(!is_logged("Cache backend '<name>' is not compiled", &sources));
    assert!(is_logged(
        "Cache provider 'moka' is not shared between processes; region '<path>' disabled",
        &sources
    ));
    assert!(!is_logged(
        "Cache provider 'moka' is not shared between processes; region <path> disabled",
        &sources
    ));
}
