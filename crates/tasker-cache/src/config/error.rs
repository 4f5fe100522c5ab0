//! What can be wrong with a configuration, told without a single secret.

use std::error::Error as StdError;
use std::fmt;

/// A configuration that can't be used.
///
/// `Display` is one line with the place (file and line, variable), the full key, what is allowed
/// and what to do. Neither it nor `Debug` nor the [`source`](StdError::source) ever holds a URL or
/// a text from the configuration, so that an error may be logged as it is.
///
/// ```
/// use tasker_cache::{Config, ConfigErrorKind};
///
/// let error = Config::from_toml_str("[common.cache.redis]\nmax_connections = 500")
///     .expect_err("it is out of range");
/// assert_eq!(error.kind(), ConfigErrorKind::NotAllowed);
/// assert_eq!(error.key(), Some("common.cache.redis.max_connections"));
/// assert_eq!(
///     error.to_string(),
///     "inline TOML:2: `common.cache.redis.max_connections` is 500 (allowed: 1–100); \
///      correct it, or remove it (default: 10)"
/// );
/// ```
#[derive(Debug)]
pub struct ConfigError {
    kind: ConfigErrorKind,
    place: String,
    key: Option<String>,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`ConfigError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// There is no such file.
    NotFound,
    /// The file can't be read; the source says why.
    Unreadable,
    /// The text is not TOML; the source says why.
    Syntax,
    /// A key inside of the cache's tables is not known.
    UnknownKey,
    /// A value is of the wrong type.
    WrongType,
    /// A value is of the right type, but outside of what is allowed.
    NotAllowed,
    /// Two keys don't go together.
    Conflict,
    /// A `${…}` can't be expanded, or a variable is not UTF-8.
    Variable,
}

impl ConfigError {
    /// Returns what kind of error this is.
    #[must_use]
    pub fn kind(&self) -> ConfigErrorKind {
        self.kind
    }

    /// Returns the full key, such as `common.cache.redis.url`, if the error is about one.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Returns where it stands: `tasker.toml:7`, `environment variable TASKER__…`, `inline TOML:2`,
    /// `set in code` or `the application's configuration`.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    pub(super) fn about_file(
        kind: ConfigErrorKind,
        place: String,
        message: String,
        source: impl StdError + Send + Sync + 'static,
    ) -> Self {
        Self { kind, place, key: None, message, source: Some(Box::new(source)) }
    }

    pub(super) fn about_key(place: &str, key: String, flaw: &Flaw) -> Self {
        let message = format!("`{key}` {}; {}", flaw.problem, flaw.remedy);
        Self { kind: flaw.kind, place: place.to_owned(), key: Some(key), message, source: None }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl StdError for ConfigError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// What is wrong with the value of a key, and what to do; without the value's text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) kind: ConfigErrorKind,
    pub(super) problem: String,
    pub(super) remedy: String,
}

impl Flaw {
    pub(super) fn new(
        kind: ConfigErrorKind,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { kind, problem: problem.into(), remedy: remedy.into() }
    }
}
