//! What the book, the front page and the packages' own pages say can be done, can be done.

#![expect(clippy::expect_used, reason = "a test's helpers expect what the test needs")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use tasker_cache::backend::ErrorKind;
use tasker_cache::{BreakerSettings, Cache, Config, Consistency, Usage};
use tasker_cache_tests::tree::{self, read, root};

/// The pages of the tree below a folder by their path from the root.
fn pages_below(folder: &str) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    for entry in fs::read_dir(root().join(folder)).expect("it can be listed") {
        let entry = entry.expect("it can be listed");
        let name = entry.file_name().into_string().expect("our names are UTF-8");
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let is_hidden = name.starts_with('.') || name == "target";
        if entry.path().is_dir() && !is_hidden {
            pages.extend(pages_below(&path));
        } else if entry.path().extension().is_some_and(|extension| extension == "md") {
            pages.insert(path.clone(), read(&path));
        }
    }
    pages
}

fn pages() -> BTreeMap<String, String> {
    let pages = pages_below("");
    assert!(pages.len() > 20, "the pages are found");
    pages
}

/// A fenced block: what stands behind the fence, and what is in it.
struct Block<'a> {
    info: &'a str,
    text: String,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => open = Some(Block { info, text: String::new() }),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    blocks
}

fn blocks_of<'a>(page: &'a str, language: &str) -> Vec<Block<'a>> {
    let is_in = |block: &Block<'_>| block.info.split(',').next() == Some(language);
    blocks(page).into_iter().filter(is_in).collect()
}

/// What stands between backticks, outside of blocks.
fn ticked(page: &str) -> Vec<String> {
    let mut fenced = false;
    let prose = page.lines().filter(|line| {
        let is_fence = line.starts_with("```");
        fenced ^= is_fence;
        !fenced && !is_fence
    });
    let prose = prose.collect::<Vec<_>>().join("\n");
    prose.split('`').skip(1).step_by(2).map(|text| text.replace('\n', " ")).collect()
}

#[test]
fn every_page_with_examples_is_among_the_doc_tests() {
    let mut tested: BTreeSet<String> = read("tests/src/documentation.rs")
        .split("\"../../")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        .collect();
    for (path, _) in pages_below("crates") {
        let folder = path.strip_suffix("/README.md").unwrap_or_default();
        let library = root().join(folder).join("src/lib.rs");
        let library = fs::read_to_string(library).unwrap_or_default();
        if library.contains("include_str!(\"../README.md\")") {
            tested.insert(path);
        }
    }
    for (path, page) in pages() {
        let is_chapter = path.starts_with("docs/src/") && !path.ends_with("/SUMMARY.md");
        if is_chapter || !blocks_of(&page, "rust").is_empty() {
            assert!(tested.contains(&path), "add {path} to tests/src/documentation.rs");
        }
    }
}

#[test]
fn every_example_is_marked_with_its_language() {
    for (path, page) in pages() {
        for block in blocks(&page) {
            let language = block.info.split(',').next().unwrap_or_default();
            let known = ["rust", "toml", "sh", "text", "json", "promql", "yaml"];
            assert!(known.contains(&language), "{path}: a block of {language:?}");
        }
    }
}

/// The one page with examples that are wrong on purpose; another test looks at those.
fn is_wrong_on_purpose(path: &str, text: &str) -> bool {
    let errors = ["max_connections = 500\n", "default_ttl = 60\n"];
    path == "docs/src/configuration.md" && errors.iter().any(|error| text.ends_with(error))
}

#[test]
fn every_configuration_that_is_shown_can_be_loaded() {
    let mut loaded = 0;
    for (path, page) in pages() {
        for block in blocks_of(&page, "toml") {
            let table: Result<toml::Table, _> = block.text.parse();
            let table = table.unwrap_or_else(|error| panic!("{path}: {error}\n{}", block.text));
            if table.contains_key("common") && !is_wrong_on_purpose(&path, &block.text) {
                let url = ("REDIS_URL", "redis://localhost:6379");
                let given = [url, ("REDIS_PASSWORD", "p%40ss")];
                let config = Config::loader().toml_str(&block.text).env_source(given).load();
                let config = config.unwrap_or_else(|error| panic!("{path}: {error}"));
                config.resolve().unwrap_or_else(|error| panic!("{path}: {error}"));
                loaded += 1;
            }
        }
    }
    assert!(loaded >= 8, "the examples are found");
}

#[test]
fn every_dependency_that_is_shown_has_this_version_and_its_features() {
    let root: toml::Table = read("Cargo.toml").parse().expect("it is TOML");
    let version = root["workspace"]["package"]["version"].as_str().expect("a version");
    let mut seen = 0;
    for (path, page) in pages() {
        for block in blocks_of(&page, "toml") {
            let table: toml::Table = block.text.parse().expect("another test sees to it");
            let shown = ["dependencies", "dev-dependencies"].map(|name| table.get(name).cloned());
            for (name, value) in shown.into_iter().flatten().flat_map(|shown| {
                let shown: toml::Table = shown.try_into().expect("a table");
                shown
            }) {
                if !name.starts_with("tasker-cache") {
                    continue;
                }
                let wanted = value.as_str().or_else(|| value.get("version")?.as_str());
                let wanted = wanted.unwrap_or_else(|| panic!("{path}: {name} has no version"));
                assert!(version.starts_with(wanted), "{path}: {name} {wanted}");
                let manifest: toml::Table =
                    read(&format!("crates/{name}/Cargo.toml")).parse().expect("it is TOML");
                let features = value.get("features").and_then(toml::Value::as_array).cloned();
                for feature in features.unwrap_or_default() {
                    let feature = feature.as_str().expect("a name").to_owned();
                    let has =
                        manifest.get("features").is_some_and(|all| all.get(&feature).is_some());
                    assert!(has, "{path}: {name} has no feature {feature}");
                }
                seen += 1;
            }
        }
    }
    assert!(seen >= 4, "the examples are found");
}

/// Every command of cargo's that a page names, as words.
fn commands(page: &str) -> Vec<Vec<String>> {
    let blocks = blocks_of(page, "sh")
        .into_iter()
        .flat_map(|block| block.text.lines().map(str::to_owned).collect::<Vec<_>>());
    let lines = blocks.chain(ticked(page));
    let words = lines.map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    words
        .filter_map(|words| Some(words[words.iter().position(|word| word == "cargo")?..].to_vec()))
        .collect()
}

#[test]
fn every_chore_and_package_that_a_command_names_is_there() {
    let help = read("xtask/src/command.rs");
    let (_, help) = help.split_once("Usage: cargo xtask").expect("it has a help");
    let (help, _) = help.split_once("\";").expect("which ends");
    let line = |line: &str| -> Option<String> {
        let line = line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?;
        Some(line.split_whitespace().next()?.to_owned())
    };
    let chores: BTreeSet<String> = help.lines().filter_map(line).collect();
    let mut seen = 0;
    for (path, page) in pages() {
        for words in commands(&page) {
            let after = |option: &str| {
                let at = words.iter().position(|word| word == option)?;
                words.get(at + 1).cloned()
            };
            if words.get(1).is_some_and(|word| word == "xtask")
                && let Some(chore) = words.get(2)
            {
                assert!(chores.contains(chore), "{path}: cargo xtask {chore}");
                seen += 1;
            }
            if let Some(package) = after("-p").filter(|name| name.starts_with("tasker-cache")) {
                let is_member = root().join("crates").join(&package).is_dir();
                assert!(is_member || package == "tasker-cache-tests", "{path}: {package}");
                seen += 1;
            }
            if let Some(example) = after("--example") {
                let file = root().join("tests/examples").join(format!("{example}.rs"));
                assert!(file.is_file(), "{path}: {example}");
            }
        }
    }
    assert!(seen >= 10, "the commands are found");
}

/// Tells whether something of this name is defined: a function, or a type, constant or variant.
fn is_defined(name: &str, sources: &str) -> bool {
    let after = |words: &str, ends: &str| {
        sources
            .match_indices(&format!("{words}{name}"))
            .any(|(at, found)| sources[at + found.len()..].starts_with(|c: char| ends.contains(c)))
    };
    if name.starts_with(char::is_lowercase) {
        return after("fn ", "(<");
    }
    ["struct ", "enum ", "trait ", "type ", "const "].iter().any(|kind| after(kind, " <:{(;"))
        || after("\n    ", ",( {")
        || after("\n        ", ",( {")
}

#[test]
fn every_item_that_the_book_names_is_in_the_code() {
    let sources = tree::sources("crates").into_values().collect::<String>();
    let is_name =
        |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    let mut seen = 0;
    for (path, page) in pages_below("docs/src") {
        for text in ticked(&page) {
            let name = text.split(['(', '<']).next().unwrap_or_default();
            let parts: Vec<&str> = name.split("::").collect();
            if parts.len() > 1
                && parts[0].starts_with(char::is_uppercase)
                && parts.iter().all(is_name)
            {
                for part in &parts {
                    assert!(is_defined(part, &sources), "{path}: `{text}`: there is no {part}");
                }
                seen += 1;
            }
        }
    }
    assert!(seen >= 20, "the items are found");
    assert!(!is_defined("nothing", &sources) && !is_defined("Nowhere", &sources));
}

#[tokio::test]
async fn the_front_page_prints_what_its_example_does() {
    let cache = Cache::in_memory(10_000);
    let numbers = cache.region(Usage::new("profile").consistency(Consistency::Local));
    for _ in 0..2 {
        let read = numbers.get_or_load([42], || async { Ok::<u64, std::io::Error>(42) });
        assert!(read.await.is_ok());
    }
    let invalidation = numbers.invalidate([42]).await;

    let printed = format!("invalidation {invalidation}\n{}\n", cache.status());

    assert!(read("README.md").contains(&printed), "it prints:\n{printed}");
}

/// The line that makes the user, and what it allows.
fn permissions(page: &str) -> &str {
    let begins = |line: &&str| line.starts_with("ACL SETUSER ");
    page.lines().find(begins).expect("it shows the user")
}

#[test]
fn both_pages_on_redis_show_the_same_permissions() {
    let tested = read("crates/tasker-cache-redis/README.md");
    let chapter = read("docs/src/backends/redis.md");

    assert_eq!(permissions(&chapter), permissions(&tested));
}

/// The examples of the chapter on backends, without the lines that the book hides.
fn shown_backend() -> Vec<String> {
    let chapter = read("docs/src/writing-a-backend.md");
    let visible = |block: Block<'_>| -> String {
        let lines = block.text.lines().filter(|line| !line.starts_with("# "));
        lines.flat_map(|line| [line, "\n"]).collect()
    };
    blocks_of(&chapter, "rust").into_iter().map(visible).collect()
}

#[test]
fn the_backend_that_the_book_shows_is_the_one_that_runs_the_suite() {
    let example = read("tests/examples/shelf.rs");
    let (_, body) = example.split_once("\n\n").expect("a line on what it is for, then code");

    assert!(shown_backend().iter().any(|shown| shown == body), "tests/examples/shelf.rs");
}

#[test]
fn the_suite_is_run_as_the_book_shows() {
    let test = read("tests/tests/shelf.rs");
    let (_, body) = test.split_once("mod shelf;\n\n").expect("the backend, then the fixture");

    assert!(shown_backend().iter().any(|shown| shown == body), "tests/tests/shelf.rs");
}

/// The rows of a page's tables whose first cell is of this form.
fn rows_of(page: &str, is_first: impl Fn(&str) -> bool) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let lines = page.lines().filter(|line| line.starts_with("| "));
    lines.map(cells).filter(|row| is_first(&row[0])).collect()
}

#[test]
fn the_chapter_on_the_breaker_says_what_each_kind_of_error_counts_as() {
    let chapter = read("docs/src/circuit-breaker.md");
    let counted = rows_of(&chapter, |first| first.contains("`: "));

    for kind in ErrorKind::ALL {
        let name = format!("`{kind:?}`: ");
        let row = counted.iter().find(|row| row[0].starts_with(&name));
        let row = row.unwrap_or_else(|| panic!("it does not list {kind:?}"));
        assert_eq!(row[1], if kind.is_failure() { "failure" } else { "neutral" }, "{kind:?}");
    }
    assert_eq!(counted.len(), ErrorKind::ALL.len());
}

#[test]
fn the_breakers_settings_have_the_defaults_and_ranges_that_are_shown() {
    let chapter = read("docs/src/circuit-breaker.md");
    let fields = format!("{:?}", BreakerSettings::default());
    let (_, fields) = fields.split_once("{ ").expect("it has fields");
    let ranges = [BreakerSettings::FAILURE_THRESHOLD, BreakerSettings::SUCCESS_THRESHOLD]
        .map(|range| format!("{}–{}", range.start(), range.end()));

    let mut listed = BTreeMap::new();
    for row in rows_of(&chapter, |first| first.starts_with('`') && first.ends_with('`')) {
        listed.insert(row[0].trim_matches('`').to_owned(), row);
    }

    for field in fields.trim_end_matches(" }").split(", ") {
        let (name, default) = field.split_once(": ").expect("a name and its value");
        assert_eq!(listed[name][1], default, "{name}");
    }
    assert_eq!(listed["failure_threshold"][2], ranges[0]);
    assert_eq!(listed["success_threshold"][2], ranges[1]);
}

#[test]
fn no_link_leads_out_of_the_book() {
    for (path, page) in pages_below("docs/src") {
        let depth = path.matches('/').count() - 2;
        for target in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(target.matches("../").count() <= depth, "{path} links to {target}");
        }
    }
}

#[test]
fn every_cause_that_troubleshooting_lists_is_one_that_is_logged() {
    let chapter = read("docs/src/troubleshooting.md");
    let causes = read("crates/tasker-cache-redis/src/cause.rs");
    let (_, causes) = causes.split_once("causes! {").expect("it lists them");
    let (causes, _) = causes.split_once("\n}\n").expect("the list ends");
    let words: BTreeSet<&str> = causes.split('"').skip(1).step_by(2).collect();
    // What stands in the way of a connection, or of all calls on one.
    let kinds = [": Unavailable =", ": Authentication =", ": NotReady ="];
    let lines = causes.lines().filter(|line| kinds.iter().any(|kind| line.contains(kind)));
    let mut unlisted: BTreeSet<&str> = lines.filter_map(|line| line.split('"').nth(1)).collect();
    assert!(unlisted.len() >= 15, "{unlisted:?}");
    let (_, table) = chapter.split_once("| `cause` | look at |\n|---|---|\n").expect("a table");
    let rows = table.lines().take_while(|line| line.starts_with('|'));

    for row in rows.filter(|row| !row.contains("Memcached: ")) {
        let cause = row.trim_matches('|').split('|').next().unwrap_or_default().trim();
        assert!(words.contains(cause), "nothing says {cause:?}");
        unlisted.remove(cause);
    }
    assert!(unlisted.is_empty(), "not listed: {unlisted:?}");
}
