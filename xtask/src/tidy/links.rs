//! Links between the tree's own documents lead somewhere, and the book lists all of its pages.

use std::collections::BTreeMap;

use crate::tidy::tree::{File, Finding, Tree};

/// Where the book's pages are.
const BOOK: &str = "docs/src/";

/// The book's list of its pages.
const SUMMARY: &str = "docs/src/SUMMARY.md";

/// Checks every Markdown file.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".md") {
        for (at, target) in links(file.text) {
            if let Some(what) = complaint(tree, file, target) {
                let mend = "let the link lead to a file, and a heading, that is there";
                findings.push(file.line(at, what, mend));
            }
        }
    }
    findings.extend(unlisted(tree));
    findings
}

/// Tells what is wrong with a link, if anything is.
fn complaint(tree: &Tree, file: File<'_>, target: &str) -> Option<String> {
    if is_external(target) {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let found = if path.is_empty() { Some(file.path.to_owned()) } else { resolve(file.path, path) };
    let missing = || Some(format!("links to `{target}`, which is not there"));
    let Some(found) = found else {
        return missing();
    };
    match tree.text(&found) {
        Some(text) if !anchor.is_empty() && !has_anchor(text, anchor) => {
            Some(format!("links to `{target}`, but there is no such heading"))
        }
        Some(_) => None,
        None if tree.has_folder(&found) => None,
        None => missing(),
    }
}

/// Returns a complaint for each page that the book does not list.
fn unlisted(tree: &Tree) -> Vec<Finding> {
    let listed: Vec<String> = links(tree.text(SUMMARY).unwrap_or_default())
        .into_iter()
        .filter_map(|(_, target)| resolve(SUMMARY, target))
        .collect();
    tree.ending(".md")
        .filter(|page| page.path.starts_with(BOOK) && page.path != SUMMARY)
        .filter(|page| !listed.iter().any(|one| one == page.path))
        .map(|page| {
            let mend = "add the page to docs/src/SUMMARY.md: the book leaves out what is not there";
            Finding::at(page.path, "is not listed in the book's summary", mend)
        })
        .collect()
}

fn is_external(target: &str) -> bool {
    let is_scheme = |scheme: &str| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c))
    };
    target.split_once(':').is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.starts_with(':'))
}

/// Returns the path from the root that a relative one leads to, if it stays within.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    (!target.starts_with('/')).then(|| parts.join("/"))
}

/// Returns the links of a document with their lines: `[text](target)` and `[label]: target`.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (at, line) in prose(text) {
        if line.starts_with('[')
            && let Some((_, target)) = line.split_once("]: ")
        {
            found.extend(first_word(target).map(|target| (at, target)));
        }
        for (end, _) in line.match_indices("](") {
            let is_code = line[..end].matches('`').count() % 2 == 1;
            if !is_code && let Some((target, _)) = line[end + 2..].split_once(')') {
                found.extend(first_word(target).map(|target| (at, target)));
            }
        }
    }
    found
}

/// Returns the target without the title behind it.
fn first_word(target: &str) -> Option<&str> {
    let target = target.split_whitespace().next()?;
    Some(target.trim_start_matches('<').trim_end_matches('>'))
}

/// Returns the lines outside of fenced blocks, counted from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_fenced = false;
    text.lines().enumerate().filter_map(move |(at, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        (!is_fenced && !is_fence).then_some((at + 1, line))
    })
}

fn has_anchor(text: &str, anchor: &str) -> bool {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut headings = prose(text).filter_map(|(_, line)| {
        let heading = line.trim_start_matches('#');
        let is_heading = heading.len() < line.len() && heading.starts_with(' ');
        is_heading.then(|| slug(heading.trim()))
    });
    headings.any(|slug| {
        let count = seen.entry(slug.clone()).or_default();
        let is_same = match *count {
            0 => slug == anchor,
            again => format!("{slug}-{again}") == anchor,
        };
        *count += 1;
        is_same
    })
}

/// Returns what a heading is called in a link, by the rule that forges and mdBook share.
fn slug(heading: &str) -> String {
    let kept = |c: char| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || "-_".contains(c) => c.to_lowercase().next(),
        _ => None,
    };
    heading.chars().filter_map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("crates/one/README.md", text),
            ("crates/one/src/lib.rs", ""),
            ("CHANGELOG.md", "# Changes\n## [0.1.0], `first`\n## Fixed\n## Fixed\n"),
        ]);
        check(&tree).iter().map(Finding::place).collect()
    }

    const NOTHING: [&str; 0] = [];
    const HERE: [&str; 1] = ["crates/one/README.md:1"];

    #[test]
    fn links_to_files_folders_and_headings_resolve() {
        assert_eq!(findings("[a](src/lib.rs) [b](src) [c](../../CHANGELOG.md)"), NOTHING);
        assert_eq!(findings("[`a`](../../CHANGELOG.md#010-first \"title\")"), NOTHING);
        assert_eq!(findings("[a]: ../../CHANGELOG.md#fixed-1"), NOTHING);
        assert_eq!(findings("# Own\n[a](#own)"), NOTHING);
    }

    #[test]
    fn links_to_nothing_are_caught() {
        for link in ["[a](gone.md)", "[a]: gone.md", "[a](../../../CHANGELOG.md)", "[a](/src)"] {
            assert_eq!(findings(link), HERE, "{link}");
        }
        assert_eq!(findings("[a](src/lib.rs) and [a](crate::Cache)"), HERE);
    }

    #[test]
    fn links_to_no_heading_are_caught() {
        for link in ["[a](#gone)", "[a](../../CHANGELOG.md#fixed-2)"] {
            assert_eq!(findings(link), HERE, "{link}");
        }
    }

    #[test]
    fn code_and_the_world_outside_are_not_looked_into() {
        assert_eq!(findings("```text\n[a](gone.md)\n```\nand `[a](gone.md)`"), NOTHING);
        assert_eq!(findings("[a](https://example.org/gone.md) [b](mailto:a@b.c)"), NOTHING);
    }

    #[test]
    fn a_page_that_the_book_does_not_list_is_caught() {
        let tree = Tree::of(&[
            (SUMMARY, "- [One](one.md)\n  - [Two](more/two.md)\n"),
            ("docs/src/one.md", ""),
            ("docs/src/more/two.md", ""),
            ("docs/src/three.md", ""),
        ]);
        let places: Vec<String> = check(&tree).iter().map(Finding::place).collect();
        assert_eq!(places, ["docs/src/three.md"]);
    }
}
