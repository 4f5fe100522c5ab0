//! The tables as they were given, each value with the place it is from.

use std::{fmt, slice};

use config::{Map, Source, Value, ValueKind};

/// One layer of a configuration, or all of them together: the cache's table and the breakers'.
#[derive(Clone, Default)]
pub(super) struct Tree {
    root: Value,
}

impl Tree {
    /// Lays trees on each other; the last one is the strongest. What a layer says replaces what
    /// the layers below it say at the other path of a pair of `forms`.
    pub(super) fn of_layers(mut layers: Vec<Self>, forms: [&str; 2]) -> Self {
        for at in 1..layers.len() {
            let (below, rest) = layers.split_at_mut(at);
            for (given, other) in [(forms[0], forms[1]), (forms[1], forms[0])] {
                if rest[0].get(given).is_some() {
                    for layer in &mut *below {
                        layer.remove(other);
                    }
                }
            }
        }
        let stack = layers.into_iter().fold(
            config::Config::builder(),
            config::ConfigBuilder::<config::builder::DefaultState>::add_source,
        );
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

    fn remove(&mut self, path: &str) {
        if self.get(path).is_some() {
            self.put(path, Value::default());
        }
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
    origin(value).unwrap_or("the application's configuration")
}

/// Returns where a value is from. A table that was merged is from where its first key is.
fn origin(value: &Value) -> Option<&str> {
    value.origin().or_else(|| match &value.kind {
        ValueKind::Table(table) => {
            table.iter().min_by_key(|(name, _)| *name).and_then(|(_, v)| origin(v))
        }
        _ => None,
    })
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
