//! The configuration: the guide's `[common]` table, from files, the environment and code.

mod backend_name;
mod environment;
mod error;
mod given;
mod interpolate;
mod keys;
mod kinds;
mod loader;
mod resolved;
mod secret_url;
mod setters;
mod tables;
mod toml_text;
mod tree;
mod unknown;
mod url_forms;

use std::fmt;
use std::path::Path;

use config::Value;
use serde::Deserialize;

pub use self::backend_name::BackendName;
pub use self::error::{ConfigError, ConfigErrorKind};
pub use self::loader::Loader;
pub use self::resolved::{BreakerValues, MemcachedSettings, MokaSettings, RedisSettings, Resolved};
pub use self::secret_url::SecretUrl;

use self::environment::Environment;
use self::given::Given;
use self::keys::KEYS;
use self::tables::Tables;
use self::tree::Tree;

/// What is configured for a cache and its circuit breaker: the `[common]` table of the caching
/// guide, of which it reads `cache` and `circuit_breakers`.
///
/// A key that is not given has its default, so that `Config::default()` is a cache that is turned
/// off. `Debug` shows no secret.
///
/// ```
/// use tasker_cache::Config;
///
/// let config = Config::from_toml_str(
///     r#"
///     [common.cache]
///     enabled = true
///     backend = "moka"
///     key_prefix = "${APP_PREFIX:-app}"
///     "#,
/// )?;
/// let in_code = Config::default().enabled(true).backend("moka").key_prefix("app");
/// assert_eq!(config.resolve()?.key_prefix, in_code.resolve()?.key_prefix);
/// # Ok::<(), tasker_cache::ConfigError>(())
/// ```
///
/// # In an application's own configuration
///
/// `Config` is `Deserialize`, from any format that describes itself, and never refuses a value
/// then: what is wrong comes up in [`resolve`](Config::resolve), which a cache calls when it
/// connects. `${…}` is expanded there too. Other keys beside `cache` and `circuit_breakers` are
/// left alone, so it can also be flattened into a table of other things.
///
/// ```
/// #[derive(serde::Deserialize)]
/// struct App {
///     listen: String,
///     common: tasker_cache::Config,
/// }
///
/// let app: App = toml::from_str(
///     r#"
///     listen = "127.0.0.1:8080"
///     [common.cache.moka]
///     max_capacity = "${CACHE_ENTRIES:-500}"
///     "#,
/// )?;
/// assert_eq!(app.common.resolve()?.moka.max_capacity, 500);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default, Deserialize)]
#[serde(from = "Common")]
#[must_use]
pub struct Config {
    tables: Tables,
    tree: Tree,
}

impl Config {
    /// Reads a TOML file, over it the environment, and checks everything.
    ///
    /// The same as `Config::loader().file(path).load()`; see [`Loader`] for what overrides what.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] of any kind.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::loader().file(path).load()
    }

    /// Reads TOML and checks everything.
    ///
    /// `${…}` is expanded, but no environment variable overrides a key:
    /// `Config::loader().toml_str(text).load()` is for that.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] of any kind except
    /// [`NotFound`](ConfigErrorKind::NotFound) and [`Unreadable`](ConfigErrorKind::Unreadable).
    pub fn from_toml_str(text: &str) -> Result<Self, ConfigError> {
        Self::loader().toml_str(text).without_overrides().load()
    }

    /// Returns what reads a configuration, for applications whose files or variables are named
    /// differently.
    pub fn loader() -> Loader {
        Loader::default()
    }

    /// Expands, checks and types everything; a cache does so when it connects.
    ///
    /// What was loaded is checked already and holds no `${…}` any more; what was set in code or
    /// deserialized is checked only here. A backend that is not known is no error.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] of any kind that is about a key.
    pub fn resolve(&self) -> Result<Resolved, ConfigError> {
        Resolved::of(&Given::expand(&self.tree, &self.tables, &Environment::of_process())?)
    }

    /// Returns all keys with their defaults and ranges, for a check of the documentation.
    #[doc(hidden)]
    pub fn keys() -> impl Iterator<Item = ConfigKey> {
        let tables = Tables::default();
        KEYS.iter().map(move |key| ConfigKey {
            key: tables.key_of(key.path()),
            default: key.default(),
            range: key.range(),
        })
    }
}

/// One row of the table of keys.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigKey {
    /// The key as Tasker's files have it.
    pub key: String,
    /// The default as it would be written; empty if there is none.
    pub default: &'static str,
    /// What is allowed.
    pub range: String,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = KEYS.iter().filter_map(|key| Some((key, self.tree.get(key.path())?)));
        let shown = given.map(|(key, value)| {
            let value = key.show(value).unwrap_or_else(|| "…".to_owned());
            (self.tables.key_of(key.path()), value)
        });
        f.debug_map().entries(shown).finish()
    }
}

/// The form in which an application's configuration is read.
#[derive(Deserialize)]
struct Common {
    #[serde(default)]
    cache: Value,
    #[serde(default)]
    circuit_breakers: Value,
}

impl From<Common> for Config {
    fn from(common: Common) -> Self {
        let mut tree = Tree::default();
        tree.put("cache", common.cache);
        tree.put("circuit_breakers", common.circuit_breakers);
        Self { tables: Tables::default(), tree }
    }
}
