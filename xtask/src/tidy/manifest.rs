//! Each version stands once, at the root; a member says only what it uses.

use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::tidy::tree::{File, Finding, Tree};

/// The workspace's own manifest.
pub(crate) const ROOT: &str = "Cargo.toml";

/// What a member takes over from the workspace.
const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "authors"];

/// The kinds of dependency tables.
const TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// A parsed manifest.
#[derive(Debug)]
pub(crate) struct Manifest<'a> {
    file: File<'a>,
    table: Spanned<DeTable<'a>>,
}

/// One entry of a dependency table.
#[derive(Debug)]
struct Entry<'a> {
    name: &'a str,
    line: usize,
    is_dev: bool,
    value: &'a DeValue<'a>,
}

/// Checks the root's manifest and every member's.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut used = BTreeSet::new();
    let Some(root) = tree.text(ROOT) else {
        return vec![Finding::at(ROOT, "is not there", "begin a workspace")];
    };
    let root = match Manifest::parse(File { path: ROOT, text: root }) {
        Ok(root) => root,
        Err(finding) => return vec![finding],
    };
    for file in tree.ending("/Cargo.toml") {
        match Manifest::parse(file) {
            // What is no member takes nothing over.
            Ok(other) if other.get(&["workspace"]).is_some() => {}
            Ok(member) => {
                findings.extend(member.own_metadata());
                findings.extend(member.own_versions(&root));
                used.extend(member.entries().iter().map(|entry| entry.name.to_owned()));
            }
            Err(finding) => findings.push(finding),
        }
    }
    findings.extend(root.unpinned_members());
    findings.extend(root.unused(&used));
    findings
}

impl<'a> Manifest<'a> {
    /// Parses a manifest.
    ///
    /// # Errors
    ///
    /// The finding that it is not TOML.
    pub(crate) fn parse(file: File<'a>) -> Result<Self, Finding> {
        let mend = "correct the syntax";
        match DeTable::parse(file.text) {
            Ok(table) => Ok(Self { file, table }),
            Err(error) => Err(Finding::at(file.path, error.message(), mend)),
        }
    }

    /// Tells whether the package goes to the registry.
    pub(crate) fn is_published(&self) -> bool {
        self.get(&["package", "publish"]).is_none_or(|publish| publish.as_bool() != Some(false))
    }

    /// Returns the value at a path of table keys.
    fn get(&self, path: &[&str]) -> Option<&DeValue<'a>> {
        let (last, tables) = path.split_last()?;
        let mut table = self.table.get_ref();
        for name in tables {
            table = table.get(*name)?.get_ref().as_table()?;
        }
        table.get(*last).map(Spanned::get_ref)
    }

    /// Returns the version that all packages of the workspace have; meant for the root.
    pub(crate) fn workspace_version(&self) -> Option<&str> {
        self.get(&["workspace", "package", "version"])?.as_str()
    }

    /// Returns which of these a published package does not say of itself: whoever looks for a crate
    /// finds it by them, and reads its documentation with all features.
    pub(crate) fn untold(&self) -> Vec<&'static str> {
        let told: [(&str, &[&str]); 5] = [
            ("description", &["package", "description"]),
            ("readme", &["package", "readme"]),
            ("keywords", &["package", "keywords"]),
            ("categories", &["package", "categories"]),
            ("metadata.docs.rs", &["package", "metadata", "docs", "rs", "all-features"]),
        ];
        told.into_iter()
            .filter(|(_, path)| self.get(path).is_none())
            .map(|(name, _)| name)
            .collect()
    }

    fn own_metadata(&self) -> Vec<Finding> {
        let is_inherited = |path: &[&str]| self.get(path).and_then(DeValue::as_bool) == Some(true);
        let mut findings = Vec::new();
        for name in INHERITED {
            if !is_inherited(&["package", name, "workspace"]) {
                let what = format!("does not take over the workspace's `{name}`");
                let mend = "write `NAME.workspace = true` under `[package]`";
                findings.push(Finding::at(self.file.path, what, mend));
            }
        }
        if !is_inherited(&["lints", "workspace"]) {
            let what = "does not take over the workspace's lints";
            let mend = "add `[lints]` with `workspace = true`";
            findings.push(Finding::at(self.file.path, what, mend));
        }
        findings
    }

    fn own_versions(&self, root: &Manifest<'_>) -> Vec<Finding> {
        let complaint = |entry: &Entry<'_>| {
            let has = |key| entry.value.as_table().is_some_and(|table| table.contains_key(key));
            let is_member = root.get(&["workspace", "dependencies", entry.name, "path"]).is_some();
            if entry.is_dev && is_member && has("path") && !has("version") {
                None
            } else if entry.is_dev && is_member && self.is_published() {
                let mend = "write `NAME = { path = \"…\" }`: a version must be published first";
                Some((format!("gives dev-dependency `{}` a version", entry.name), mend))
            } else {
                let mend = "write `workspace = true` here and the version at the root";
                let what = || format!("gives `{}` a version of its own", entry.name);
                (!has("workspace")).then(|| (what(), mend))
            }
        };
        let findings = self.entries().into_iter().filter_map(|entry| {
            let (what, mend) = complaint(&entry)?;
            Some(self.file.line(entry.line, what, mend))
        });
        findings.collect()
    }

    /// Returns the entries of all dependency tables, those under `[target.…]` included.
    fn entries(&self) -> Vec<Entry<'_>> {
        let mut roots = vec![self.table.get_ref()];
        if let Some(targets) = self.get(&["target"]).and_then(DeValue::as_table) {
            roots.extend(targets.values().filter_map(|one| one.get_ref().as_table()));
        }
        let mut entries = Vec::new();
        for root in roots {
            for kind in TABLES {
                let table = root.get(kind).and_then(|table| table.get_ref().as_table());
                for (name, value) in table.into_iter().flatten() {
                    entries.push(Entry {
                        name: name.get_ref(),
                        line: self.line_at(name.span().start),
                        is_dev: kind == "dev-dependencies",
                        value: value.get_ref(),
                    });
                }
            }
        }
        entries
    }

    /// Returns the entries of `[workspace.dependencies]`; meant for the root.
    fn workspace_entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let table = self.get(&["workspace", "dependencies"]).and_then(DeValue::as_table);
        table.into_iter().flatten().map(|(name, value)| Entry {
            name: name.get_ref(),
            line: self.line_at(name.span().start),
            is_dev: false,
            value: value.get_ref(),
        })
    }

    /// Members are released together, so that one fits no other version of its siblings.
    fn unpinned_members(&self) -> Vec<Finding> {
        let pin = format!("={}", self.workspace_version().unwrap_or_default());
        let is_unpinned = |entry: &Entry<'_>| {
            let get = |key| entry.value.as_table()?.get(key)?.get_ref().as_str();
            get("path").is_some() && get("version") != Some(&pin)
        };
        let mend = "let the version be `=` and the workspace's own";
        self.workspace_entries()
            .filter(is_unpinned)
            .map(|entry| {
                let what = format!("does not pin member `{}` to `{pin}`", entry.name);
                self.file.line(entry.line, what, mend)
            })
            .collect()
    }

    fn unused(&self, used: &BTreeSet<String>) -> Vec<Finding> {
        self.workspace_entries()
            .filter(|entry| !used.contains(entry.name))
            .map(|entry| {
                let what = format!("has `{}`, which no member uses", entry.name);
                self.file.line(entry.line, what, "take the line out")
            })
            .collect()
    }

    fn line_at(&self, byte: usize) -> usize {
        self.file.text[..byte].matches('\n').count() + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str = r#"
[workspace.package]
version = "0.1.0"
[workspace.dependencies]
bytes = "1"
one = { version = "=0.1.0", path = "one" }
"#;

    const MEMBER: &str = "
[package]
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
authors.workspace = true
[lints]
workspace = true
[dependencies]
bytes.workspace = true
";

    fn findings(root: &str, member: &str) -> Vec<String> {
        let tree = Tree::of(&[(ROOT, root), ("two/Cargo.toml", member)]);
        check(&tree).iter().map(Finding::place).collect()
    }

    fn with(lines: &str) -> Vec<String> {
        findings(WORKSPACE, &format!("{MEMBER}{lines}\n"))
    }

    #[test]
    fn versions_at_the_root_pass() {
        assert_eq!(with("one = { workspace = true, features = [\"x\"] }"), [""; 0]);
        assert_eq!(with("[dev-dependencies]\none = { path = \"../one\" }"), [""; 0]);
    }

    #[test]
    fn a_version_in_a_member_is_caught() {
        assert_eq!(with("one.workspace = true\nrand = \"1\""), ["two/Cargo.toml:13"]);
        assert_eq!(with("one.path = \"../one\""), ["two/Cargo.toml:12"]);
        let target = "[target.'cfg(unix)'.dependencies]\none = { path = \"../one\" }";
        assert_eq!(with(target), ["two/Cargo.toml:13"]);
    }

    #[test]
    fn a_dev_dependency_on_a_member_has_no_version_if_it_is_published() {
        let dev = "[dev-dependencies]\none.workspace = true";
        assert_eq!(with(dev), ["two/Cargo.toml:13"]);
        let unpublished = MEMBER.replace("[package]", "[package]\npublish = false");
        for dev in [dev, "[dev-dependencies]\none.path = \"../one\""] {
            assert_eq!(findings(WORKSPACE, &format!("{unpublished}{dev}")), [""; 0]);
        }
    }

    #[test]
    fn a_member_that_goes_its_own_way_is_caught() {
        let used = "one.workspace = true\n";
        let edition = MEMBER.replace("edition.workspace = true", "edition = \"2021\"");
        assert_eq!(findings(WORKSPACE, &(edition + used)), ["two/Cargo.toml"]);
        let lints = MEMBER.replace("[lints]\nworkspace = true", "");
        assert_eq!(findings(WORKSPACE, &(lints + used)), ["two/Cargo.toml"]);
    }

    #[test]
    fn a_member_that_is_not_pinned_is_caught() {
        let loose = WORKSPACE.replace("=0.1.0", "0.1.0");
        let member = format!("{MEMBER}one.workspace = true");
        assert_eq!(findings(&loose, &member), ["Cargo.toml:6"]);
    }

    #[test]
    fn another_workspace_goes_its_own_way() {
        let other = "[package]\npublish = false\n[workspace]\n[dependencies]\nrand = \"1\"\n";
        assert_eq!(findings("[workspace.package]\nversion = \"0.1.0\"\n", other), [""; 0]);
    }

    #[test]
    fn what_nobody_uses_is_caught() {
        assert_eq!(with(""), ["Cargo.toml:6"]);
    }

    #[test]
    fn what_is_not_toml_is_caught() {
        assert_eq!(
            findings(WORKSPACE, "[package"),
            ["two/Cargo.toml", "Cargo.toml:5", "Cargo.toml:6"]
        );
        assert_eq!(findings("[workspace", MEMBER), ["Cargo.toml"]);
    }
}
