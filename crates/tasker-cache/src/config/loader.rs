//! Reads a configuration from its layers.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use super::Config;
use super::environment::Environment;
use super::error::{ConfigError, ConfigErrorKind};
use super::given::Given;
use super::keys;
use super::resolved::Resolved;
use super::tables::Tables;
use super::toml_text;
use super::tree::Tree;

/// Reads a configuration from files, texts and the environment; from [`Config::loader`].
///
/// Each layer goes over the ones before it: the defaults, then the files and texts in the order in
/// which they are named, then the environment variables `TASKER__COMMON__CACHE__…`. Then `${NAME}`,
/// `${NAME:-default}` and `${NAME:?message}` are expanded in every text of every layer, and
/// everything is checked.
///
/// ```
/// use tasker_cache::Config;
///
/// let config = Config::loader()
///     .env_prefix("APP")
///     .table("cache")
///     .toml_str("[cache]\nkey_prefix = 'from-the-file'\nbackend = '${STORE:-moka}'")
///     .env_source([("APP__CACHE__KEY_PREFIX", "from-the-environment")])
///     .load()?;
/// assert_eq!(config.resolve()?.key_prefix, "from-the-environment");
/// assert_eq!(config.resolve()?.backend.as_str(), "moka");
/// # Ok::<(), tasker_cache::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Loader {
    env_prefix: String,
    table: String,
    documents: Vec<Document>,
    environment: Option<Environment>,
    has_overrides: bool,
}

#[derive(Clone)]
enum Document {
    File(PathBuf),
    Text(String),
}

impl Loader {
    /// Sets what the names of overriding environment variables begin with; `TASKER` unless set.
    ///
    /// Two underscores follow, and separate the parts of the key: with `APP`,
    /// `APP__COMMON__CACHE__REDIS__URL` overrides `common.cache.redis.url`. An empty variable
    /// overrides nothing. `…__MEMCACHED__URLS` takes several, separated by commas.
    pub fn env_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.env_prefix = prefix.into();
        self
    }

    /// Sets the dotted key of the cache's table; `common.cache` unless set.
    ///
    /// The breakers' table is called `circuit_breakers` and stands beside it: with `cache`, at the
    /// top of the file.
    pub fn table(mut self, key: impl Into<String>) -> Self {
        self.table = key.into();
        self
    }

    /// Adds a TOML file, over what was added before.
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        self.documents.push(Document::File(path.as_ref().to_owned()));
        self
    }

    /// Adds TOML, over what was added before.
    pub fn toml_str(mut self, text: impl Into<String>) -> Self {
        self.documents.push(Document::Text(text.into()));
        self
    }

    /// Sets the environment variables, in the place of those of this process.
    pub fn env_source<N, V>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        let variables = variables.into_iter().map(|(name, value)| (name, value.into()));
        self.environment = Some(Environment::of(variables));
        self
    }

    pub(super) fn without_overrides(mut self) -> Self {
        self.has_overrides = false;
        self
    }

    /// Reads the layers, expands what they refer to, and checks everything.
    ///
    /// A cache that is turned off is checked all the same, and so are the keys of backends that
    /// are not in use; only the form of a URL is left to the backend that is named.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] of any kind: the first that is found.
    pub fn load(self) -> Result<Config, ConfigError> {
        let tables = Tables::at(&self.table);
        let environment = self.environment.unwrap_or_else(Environment::of_process);
        let mut layers = Vec::new();
        for document in &self.documents {
            layers.push(document.read(&tables)?);
        }
        if self.has_overrides {
            layers.push(environment.overrides(&self.env_prefix, &tables)?);
        }
        let forms = [keys::MEMCACHED_URL.path, keys::MEMCACHED_URLS.path];
        let tree = Tree::of_layers(layers, forms);
        let given = Given::expand(&tree, &tables, &environment)?;
        Resolved::of(&given)?;
        let tree = given.into_tree();
        Ok(Config { tables, tree })
    }
}

impl Default for Loader {
    fn default() -> Self {
        Self {
            env_prefix: "TASKER".to_owned(),
            table: "common.cache".to_owned(),
            documents: Vec::new(),
            environment: None,
            has_overrides: true,
        }
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader")
            .field("env_prefix", &self.env_prefix)
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

impl Document {
    fn read(&self, tables: &Tables) -> Result<Tree, ConfigError> {
        match self {
            Self::Text(text) => toml_text::read(text, "inline TOML", tables),
            Self::File(path) => {
                let text = fs::read_to_string(path).map_err(|error| unreadable(path, error))?;
                toml_text::read(&text, &path.display().to_string(), tables)
            }
        }
    }
}

fn unreadable(path: &Path, error: io::Error) -> ConfigError {
    let place = path.display().to_string();
    if error.kind() == io::ErrorKind::NotFound {
        let message = match std::env::current_dir() {
            Ok(folder) if path.is_relative() => {
                format!(
                    "there is no such file in {}; create it, or correct its path",
                    folder.display()
                )
            }
            _ => "there is no such file; create it, or correct its path".to_owned(),
        };
        return ConfigError::about_file(ConfigErrorKind::NotFound, place, message, error);
    }
    let message = "the file can't be read; check its permissions and that it is UTF-8".to_owned();
    ConfigError::about_file(ConfigErrorKind::Unreadable, place, message, error)
}
