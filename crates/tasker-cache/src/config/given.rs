//! Reads keys from what was given, or else their defaults.

use std::convert::Infallible;

use config::Value;

use super::environment::Environment;
use super::error::{ConfigError, ConfigErrorKind, Flaw};
use super::interpolate;
use super::keys::{KEYS, Key};
use super::kinds::{Kind, Problem};
use super::tables::Tables;
use super::tree::{Tree, place_of};
use super::unknown;

/// A configuration of known keys, its texts expanded.
pub(super) struct Given<'a> {
    tree: Tree,
    tables: &'a Tables,
}

impl<'a> Given<'a> {
    pub(super) fn expand(
        tree: &Tree,
        tables: &'a Tables,
        environment: &Environment,
    ) -> Result<Self, ConfigError> {
        unknown::refuse(tree, tables)?;
        let mut given = Self { tree: tree.clone(), tables };
        for path in KEYS.iter().map(|key| key.path()) {
            let expand = |text: &str| interpolate::expand(text, &|name| environment.get(name));
            let expanded = given.tree.change_texts(path, expand);
            expanded.map_err(|flaw| given.refuse(path, &flaw))?;
        }
        Ok(given)
    }

    /// Returns the tree, written such that it expands to itself.
    pub(super) fn into_tree(mut self) -> Tree {
        let escape = |text: &str| Ok::<_, Infallible>(interpolate::escape(text));
        for key in KEYS {
            let Ok(()) = self.tree.change_texts(key.path(), escape);
        }
        self.tree
    }

    /// Reads a key, or its default.
    pub(super) fn read<K: Kind>(&self, key: &Key<K>) -> Result<K::Out, ConfigError> {
        let default = Value::from(key.default);
        let value = self.tree.get(key.path).unwrap_or(&default);
        key.kind.read(value).map_err(|problem| self.not_allowed(key, problem))
    }

    /// Reads a key, or else another one, or the default of that.
    pub(super) fn read_or<K: Kind>(
        &self,
        key: &Key<K>,
        other: &Key<K>,
    ) -> Result<K::Out, ConfigError> {
        self.read(if self.has(key) { key } else { other })
    }

    pub(super) fn has<K>(&self, key: &Key<K>) -> bool {
        self.tree.get(key.path).is_some()
    }

    /// Says that a value does not belong to what is allowed for its key.
    pub(super) fn not_allowed<K: Kind>(
        &self,
        key: &Key<K>,
        (kind, problem): Problem,
    ) -> ConfigError {
        let problem = format!("{problem} (allowed: {})", key.kind.range());
        let remedy = match key.default {
            "" => "correct it, or remove it".to_owned(),
            default => format!("correct it, or remove it (default: {default})"),
        };
        self.refuse(key.path, &Flaw::new(kind, problem, remedy))
    }

    /// Says that a key does not go together with another one.
    pub(super) fn conflict<K>(&self, key: &Key<K>, problem: &str, remedy: &str) -> ConfigError {
        self.refuse(key.path, &Flaw::new(ConfigErrorKind::Conflict, problem, remedy))
    }

    fn refuse(&self, path: &str, flaw: &Flaw) -> ConfigError {
        let place = self.tree.get(path).map_or("built in", place_of);
        ConfigError::about_key(place, self.tables.key_of(path), flaw)
    }
}
