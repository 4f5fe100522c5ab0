//! Reads the two tables from TOML, each value with its line.

use config::{Value, ValueKind};
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, ConfigErrorKind};
use super::tables::Tables;
use super::tree::Tree;

/// Reads the tables of a document called `name`; whatever else is in it is not looked at.
pub(super) fn read(text: &str, name: &str, tables: &Tables) -> Result<Tree, ConfigError> {
    let document = DeTable::parse(text).map_err(|error| syntax(text, name, error))?;
    let reader = Reader { text, name };
    let mut tree = Tree::default();
    for (key, path) in tables.both() {
        let (parents, last) =
            key.rsplit_once('.').map_or((None, key), |(up, last)| (Some(up), last));
        let parent = parents.into_iter().flat_map(|parents| parents.split('.')).try_fold(
            document.get_ref(),
            |table, part| match table.get(part)?.get_ref() {
                DeValue::Table(table) => Some(table),
                _ => None,
            },
        );
        if let Some((key, value)) = parent.and_then(|parent| parent.get_key_value(last)) {
            let place = reader.place(key.span().start);
            tree.put(path, Value::new(Some(&place), reader.kind(&place, value.get_ref())));
        }
    }
    Ok(tree)
}

struct Reader<'a> {
    text: &'a str,
    name: &'a str,
}

impl Reader<'_> {
    fn place(&self, at: usize) -> String {
        let (line, _) = position(self.text, at);
        format!("{}:{line}", self.name)
    }

    fn kind(&self, place: &String, value: &DeValue<'_>) -> ValueKind {
        match value {
            DeValue::String(text) => ValueKind::String(text.clone().into_owned()),
            DeValue::Boolean(yes) => ValueKind::Boolean(*yes),
            // What is too large for the type is too large for every key: its text says so.
            DeValue::Integer(integer) => i128::from_str_radix(integer.as_str(), integer.radix())
                .map_or_else(|_| integer.to_string().into(), ValueKind::I128),
            DeValue::Float(float) => {
                float.as_str().parse().map_or_else(|_| float.to_string().into(), ValueKind::Float)
            }
            DeValue::Datetime(datetime) => ValueKind::String(datetime.to_string()),
            DeValue::Array(values) => {
                let item = |value| Value::new(Some(place), self.kind(place, value));
                ValueKind::Array(values.iter().map(|value| item(value.get_ref())).collect())
            }
            DeValue::Table(table) => {
                let entries = table.iter().map(|(key, value)| {
                    let place = self.place(key.span().start);
                    let kind = self.kind(&place, value.get_ref());
                    (key.get_ref().clone().into_owned(), Value::new(Some(&place), kind))
                });
                ValueKind::Table(entries.collect())
            }
        }
    }
}

fn syntax(text: &str, name: &str, mut error: toml::de::Error) -> ConfigError {
    // Its `Display` would quote the line, and with it perhaps a password.
    error.set_input(None);
    let place = match error.span() {
        Some(span) => {
            let (line, column) = position(text, span.start);
            format!("{name}:{line}:{column}")
        }
        None => name.to_owned(),
    };
    let message = "this is not valid TOML; correct the line".to_owned();
    ConfigError::about_file(ConfigErrorKind::Syntax, place, message, error)
}

/// Returns the line and the column of a byte, both counted from 1.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}
