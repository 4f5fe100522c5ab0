//! The tables as they were given, each value with the place it is from.

use std::{fmt, slice};

use config::{Map, Source, Value, ValueKind};

/// One layer of a configuration, or all of them together: the cache's table and the breakers'.
#[derive(Clone, Default)]
pub(super) struct Tree {
    root: Value,
}

impl Tree {
    /// Lays trees on each other; the last one is the strongest.
    pub(super) fn of_layers(layers: impl IntoIterator<Item = Self>) -> Self {
        let mut stack = config::Config::builder();
        for layer in layers {
            stack = stack.add_source(layer);
        }
        #[expect(clippy::expect_used, reason = "what may fail was done when the trees were made")]
        let merged = stack.build().expect("a tree can always be collected");
        Self { root: merged.cache }
    }

    /// Returns what stands at a path; nothing and null are the same.
    pub(super) fn get(&self, path: &str) -> Option<&Value> {
        let found = path.split('.').try_fold(&self.root, |value, part| match &value.kind {
            ValueKind::Table(table) => table.get(part),
            _ => None,
        });
        found.filter(|value| value.kind != ValueKind::Nil)
    }

    /// Puts a value at a path, and makes tables of whatever stands on the way.
    pub(super) fn put(&mut self, path: &str, value: Value) {
        let slot = path.split('.').fold(&mut self.root, |value, part| {
            table_of(value).entry(part.to_owned()).or_default()
        });
        *slot = value;
    }

    /// Changes the text at a path, or each text of the list at a path.
    pub(super) fn change_texts<E>(
        &mut self,
        path: &str,
        change: impl Fn(&str) -> Result<String, E>,
    ) -> Result<(), E> {
        let found = path.split('.').try_fold(&mut self.root, |value, part| match &mut value.kind {
            ValueKind::Table(table) => table.get_mut(part),
            _ => None,
        });
        let values = match found {
            Some(Value { kind: ValueKind::Array(values), .. }) => values.as_mut_slice(),
            Some(value) => slice::from_mut(value),
            None => &mut [],
        };
        for value in values {
            if let ValueKind::String(text) = &mut value.kind {
                *text = change(text)?;
            }
        }
        Ok(())
    }
}

/// Tells where a value is from.
pub(super) fn place_of(value: &Value) -> &str {
    value.origin().unwrap_or("the application's configuration")
}

fn table_of(value: &mut Value) -> &mut Map<String, Value> {
    if !matches!(value.kind, ValueKind::Table(_)) {
        value.kind = ValueKind::Table(Map::new());
    }
    match &mut value.kind {
        ValueKind::Table(table) => table,
        _ => unreachable!("it was made a table"),
    }
}

impl Source for Tree {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        match &self.root.kind {
            ValueKind::Table(table) => Ok(table.clone()),
            _ => Ok(Map::new()),
        }
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").finish_non_exhaustive()
    }
}
