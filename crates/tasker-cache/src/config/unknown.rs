//! Refuses keys that nobody reads, and says which one was probably meant.

use config::{Map, Value, ValueKind};

use super::error::{ConfigError, ConfigErrorKind, Flaw};
use super::keys::{self, KEYS};
use super::tables::Tables;
use super::tree::{Tree, place_of};

/// How alike two names are, from 0 to 1, for one to be suggested for the other.
const ALIKE: f64 = 0.8;

/// The table in which each level of a configuration may document itself.
const DOCS: &str = "_docs";

/// Checks that tables are tables, and that the cache's own hold nothing but known keys.
pub(super) fn refuse(tree: &Tree, tables: &Tables) -> Result<(), ConfigError> {
    for table in keys::tables() {
        let Some(found) = tree.get(table) else { continue };
        let ValueKind::Table(entries) = &found.kind else {
            let flaw = Flaw::new(
                ConfigErrorKind::WrongType,
                "is not a table",
                format!("write its keys below [{}]", tables.key_of(table)),
            );
            return Err(ConfigError::about_key(place_of(found), tables.key_of(table), &flaw));
        };
        if is_ours(table) {
            refuse_in(table, entries, tables)?;
        }
    }
    Ok(())
}

/// The other tables hold what belongs to other components.
fn is_ours(table: &str) -> bool {
    table == "cache" || table.starts_with("cache.") || table.ends_with(".component_configs.cache")
}

fn refuse_in(
    table: &str,
    entries: &Map<String, Value>,
    tables: &Tables,
) -> Result<(), ConfigError> {
    let is_known = |name: &str| name == DOCS || names_in(table).contains(&name);
    let unknown = entries.iter().filter(|(name, _)| !is_known(name)).min_by_key(|(name, _)| *name);
    let Some((name, value)) = unknown else { return Ok(()) };
    let remedy = match suggest(table, name) {
        Some(path) => format!("did you mean `{}`?", tables.key_of(&path)),
        None => format!("known here: {}", names_in(table).join(", ")),
    };
    let flaw = Flaw::new(ConfigErrorKind::UnknownKey, "is not a known key", remedy);
    let key = format!("{}.{}", tables.key_of(table), showable(name));
    Err(ConfigError::about_key(place_of(value), key, &flaw))
}

/// Returns the names of a table's keys and of the tables in it.
fn names_in(table: &str) -> Vec<&'static str> {
    let mut names = Vec::new();
    for key in KEYS {
        let inside = key.path().strip_prefix(table).and_then(|rest| rest.strip_prefix('.'));
        if let Some(name) = inside.and_then(|rest| rest.split('.').next())
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

/// Returns the path of the known key that is most like an unknown one: in the same table, or else
/// one of that very name elsewhere.
fn suggest(table: &str, name: &str) -> Option<String> {
    let name = name.to_lowercase().replace('-', "_");
    // In a short name a single slip weighs too much for the measure that suits longer ones.
    let alike = |known: &str| match strsim::osa_distance(known, &name) {
        0 | 1 => 1.0,
        _ => strsim::jaro_winkler(known, &name),
    };
    let nearest = names_in(table).into_iter().max_by(|a, b| alike(a).total_cmp(&alike(b)));
    let here =
        nearest.filter(|known| alike(known) >= ALIKE).map(|known| format!("{table}.{known}"));
    here.or_else(|| {
        let paths = keys::tables().into_iter().filter(|table| is_ours(table)).flat_map(|table| {
            names_in(table).into_iter().map(move |known| format!("{table}.{known}"))
        });
        paths.into_iter().find(|path| path.ends_with(&format!(".{name}")))
    })
}

/// Somebody may have put anything in quotes where a key belongs.
fn showable(name: &str) -> &str {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if name.len() <= 64 && name.chars().all(is_plain) { name } else { "…" }
}
