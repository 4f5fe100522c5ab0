//! What every Rust file must have, and what none may have.

use std::collections::BTreeMap;

use crate::tidy::tree::{File, Finding, Tree};

/// Beyond this nobody reads a file at one go.
const MOST_LINES: usize = 600;

/// Comments say why, and that is rarely needed: at most this share of a package's lines.
const MOST_COMMENTS_PERCENT: usize = 4;

/// What is left in when somebody meant to come back; put together so that this file passes.
const LEFTOVERS: [&str; 6] = [
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
    concat!("db", "g!"),
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
    concat!("XX", "X"),
];

/// Checks the Rust files, and the examples in all documentation.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".rs") {
        findings.extend(headless(file));
        findings.extend(too_long(file));
        findings.extend(leftovers(file));
        findings.extend(unchecked_examples(file));
    }
    for file in tree.ending(".md") {
        findings.extend(unchecked_examples(file));
    }
    findings.extend(too_many_comments(tree));
    findings
}

fn headless(file: File<'_>) -> Option<Finding> {
    let paragraph: Vec<&str> =
        file.text.lines().map_while(|line| line.strip_prefix("//! ")).collect();
    let sentence = paragraph.join(" ");
    let what = if sentence.is_empty() {
        "does not begin with `//!`"
    } else if !sentence.ends_with('.') || sentence.contains(". ") {
        "does not begin with one sentence"
    } else {
        return None;
    };
    let mend = "begin the file with `//! ` and one sentence on what it is for";
    Some(file.line(1, what, mend))
}

fn too_long(file: File<'_>) -> Option<Finding> {
    let lines = file.text.lines().count();
    let mend = "split off its second idea into a file of its own";
    (lines > MOST_LINES).then(|| {
        file.line(MOST_LINES + 1, format!("has {lines} lines of at most {MOST_LINES}"), mend)
    })
}

fn leftovers(file: File<'_>) -> impl Iterator<Item = Finding> {
    file.lines().flat_map(move |(at, line)| {
        let found = LEFTOVERS.iter().filter(|word| has_word(line, word));
        found.map(move |word| {
            let mend = "finish what it stands for, or take it out";
            file.line(at, format!("`{word}` is left over"), mend)
        })
    })
}

/// Looks for a word that is not the end or the beginning of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        !before.ends_with(is_part) && (word.ends_with('!') || !after.starts_with(is_part))
    })
}

fn unchecked_examples(file: File<'_>) -> impl Iterator<Item = Finding> {
    file.lines().filter_map(move |(at, line)| {
        let line = line.trim_start();
        let text = ["///", "//!"].iter().find_map(|mark| line.strip_prefix(mark));
        let fence = text.unwrap_or(line).trim_start().strip_prefix("```")?;
        let is_ignored = fence.split([',', ' ']).any(|word| word.trim() == "ignore");
        let mend = "let it compile: hide what it needs behind `# `, or use `no_run` or `text`";
        is_ignored.then(|| file.line(at, "has an example that is never compiled", mend))
    })
}

fn too_many_comments(tree: &Tree) -> impl Iterator<Item = Finding> {
    let mut packages: BTreeMap<&str, Vec<File<'_>>> = BTreeMap::new();
    for file in tree.ending(".rs") {
        let package = file.path.split_once("/src/").map_or(file.path, |(package, _)| package);
        let package = package.split_once("/tests/").map_or(package, |(package, _)| package);
        packages.entry(package).or_default().push(file);
    }
    packages.into_values().filter_map(|files| {
        let lines: usize = files.iter().map(|file| file.text.lines().count()).sum();
        let all: usize = files.iter().copied().map(comments).sum();
        let worst = files.into_iter().max_by_key(|file| comments(*file))?;
        let what = format!(
            "{all} of {lines} lines of its package are comments, more than {MOST_COMMENTS_PERCENT} % \
             (this file has the most)"
        );
        let mend = "let names and types say what the code does; keep the comments that say why";
        (all * 100 > lines * MOST_COMMENTS_PERCENT).then(|| Finding::at(worst.path, what, mend))
    })
}

fn comments(file: File<'_>) -> usize {
    let is_comment = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("//") && !line.starts_with("///") && !line.starts_with("//!")
    };
    file.text.lines().filter(is_comment).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<String> {
        let tree = Tree::of(&[("crates/one/src/lib.rs", text)]);
        check(&tree).iter().map(Finding::place).collect()
    }

    fn body(text: &str) -> Vec<String> {
        places(&format!("//! Does one thing.\n{text}\n"))
    }

    const NOTHING: [&str; 0] = [];

    #[test]
    fn one_sentence_may_span_lines_and_be_followed_by_more() {
        assert_eq!(places("//! Does one\n//! thing.\n//!\n//! Well. Mostly.\n"), NOTHING);
    }

    #[test]
    fn a_file_without_a_sentence_is_caught() {
        for text in ["", "fn one() {}\n", "//! Does\n", "//! Does one. And another.\n"] {
            assert_eq!(places(text), ["crates/one/src/lib.rs:1"], "{text:?}");
        }
    }

    #[test]
    fn a_long_file_is_caught() {
        assert_eq!(body(&"\n".repeat(MOST_LINES - 2)), NOTHING);
        assert_eq!(body(&"\n".repeat(MOST_LINES)), ["crates/one/src/lib.rs:601"]);
    }

    #[test]
    fn leftovers_are_caught() {
        for word in LEFTOVERS {
            let line = format!("fn one() {{ {word}() }} ");
            assert_eq!(body(&line), ["crates/one/src/lib.rs:2"], "{word}");
        }
    }

    #[test]
    fn longer_words_are_no_leftovers() {
        assert_eq!(body(concat!("let my_db", "g!(); let TO", "DOS = 1;")), NOTHING);
    }

    #[test]
    fn examples_that_are_not_compiled_are_caught() {
        for fence in ["/// ```ignore", "    //! ```rust,ignore", "    /// ```no_run, ignore"] {
            assert_eq!(body(fence), ["crates/one/src/lib.rs:2"], "{fence}");
        }
        assert_eq!(body("/// ```no_run\n/// ```text ignored"), NOTHING);
        let tree = Tree::of(&[("README.md", "```rust,ignore\n```\n")]);
        assert_eq!(check(&tree).len(), 1);
    }

    #[test]
    fn too_many_comments_are_caught() {
        let with = |comments: usize| {
            let code = "/// A doc comment.\n".repeat(100 - 1 - comments);
            places(&format!("//! One.\n{code}{}", "    // Because.\n".repeat(comments)))
        };
        assert_eq!(with(4), NOTHING);
        assert_eq!(with(5), ["crates/one/src/lib.rs"]);
    }
}
