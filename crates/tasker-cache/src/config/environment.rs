//! The environment: variables that override keys, and those that texts refer to.

use std::collections::BTreeMap;
use std::ffi::OsString;

use config::Value;

use super::error::{ConfigError, ConfigErrorKind, Flaw};
use super::tables::Tables;
use super::tree::Tree;

/// What separates the parts of a key in the name of a variable.
const SEPARATOR: &str = "__";

/// The environment variables that a configuration sees.
#[derive(Clone)]
pub(super) struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// Takes those of this process; one whose name is not Unicode can't be asked for.
    pub(super) fn of_process() -> Self {
        let named = |(name, value): (OsString, _)| Some((name.into_string().ok()?, value));
        Self(std::env::vars_os().filter_map(named).collect())
    }

    pub(super) fn of<N: Into<String>, V: Into<OsString>>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let owned = |(name, value): (N, V)| (name.into(), value.into());
        Self(variables.into_iter().map(owned).collect())
    }

    /// Returns the value of a variable that a text refers to.
    pub(super) fn get(&self, name: &str) -> Result<Option<&str>, Flaw> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        value.to_str().map(Some).ok_or_else(|| {
            not_unicode(format!("needs the environment variable {name}, which is not UTF-8"))
        })
    }

    /// Collects what overrides keys: `PREFIX__COMMON__CACHE__REDIS__URL`, in any case. An empty
    /// variable overrides nothing; those for other tables are somebody else's.
    pub(super) fn overrides(&self, prefix: &str, tables: &Tables) -> Result<Tree, ConfigError> {
        let mut tree = Tree::default();
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}{SEPARATOR}") };
        for (name, value) in self.0.iter().filter(|(_, value)| !value.is_empty()) {
            let key = strip_prefix_of_any_case(name, &prefix).unwrap_or_default();
            let key = key.to_lowercase().replace(SEPARATOR, ".");
            let Some(path) = tables.path_of(&key) else { continue };
            let place = format!("environment variable {name}");
            let value = value.to_str().ok_or_else(|| {
                let flaw = not_unicode("is not UTF-8");
                ConfigError::about_key(&place, tables.key_of(&path), &flaw)
            })?;
            tree.put(&path, Value::new(Some(&place), value));
        }
        Ok(tree)
    }
}

fn strip_prefix_of_any_case<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = name.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn not_unicode(problem: impl Into<String>) -> Flaw {
    Flaw::new(ConfigErrorKind::Variable, problem, "set the variable to valid UTF-8")
}
