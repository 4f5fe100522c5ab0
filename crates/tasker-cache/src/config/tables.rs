//! Where the two tables stand in a document, and what their keys are called there.

/// What the table beside the cache's is called, wherever they stand.
const BREAKERS: &str = "circuit_breakers";

/// Where the two tables stand; in this module a path begins with `cache` or `circuit_breakers`,
/// and a key is what the document calls it.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    cache: String,
    breakers: String,
}

impl Tables {
    /// Puts the cache's table at a dotted key, and the breakers' beside it.
    pub(super) fn at(cache: &str) -> Self {
        let breakers = match cache.rsplit_once('.') {
            Some((parent, _)) => format!("{parent}.{BREAKERS}"),
            None => BREAKERS.to_owned(),
        };
        Self { cache: cache.to_owned(), breakers }
    }

    /// Returns the key and the path of each table.
    pub(super) fn both(&self) -> [(&str, &'static str); 2] {
        [(&self.cache, "cache"), (&self.breakers, BREAKERS)]
    }

    /// Returns what a path is called in the document.
    pub(super) fn key_of(&self, path: &str) -> String {
        let in_table = |(key, table)| Some(format!("{key}{}", path.strip_prefix(table)?));
        self.both().into_iter().find_map(in_table).unwrap_or_else(|| path.to_owned())
    }

    /// Returns the path of a key in any case, if it is one of the tables or inside of one.
    pub(super) fn path_of(&self, key: &str) -> Option<String> {
        self.both().into_iter().find_map(|(table, path)| {
            let (start, rest) = key.split_at_checked(table.len())?;
            let is_inside = rest.is_empty() || rest.starts_with('.');
            let is_it = is_inside && start.eq_ignore_ascii_case(table);
            is_it.then(|| format!("{path}{rest}"))
        })
    }
}

impl Default for Tables {
    /// The caching guide's.
    fn default() -> Self {
        Self::at("common.cache")
    }
}
