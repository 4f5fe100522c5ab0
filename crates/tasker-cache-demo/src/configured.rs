//! The cache as the command line wants it.

use std::path::Path;

use tasker_cache::{Config, ConfigError};

/// What is used when no file is named.
const DEMO: &str = include_str!("../demo.toml");

/// Reads the configuration at `path`, or the one that is built in.
///
/// # Errors
///
/// If the file cannot be read or is not valid.
pub(crate) fn config(path: Option<&Path>) -> Result<Config, ConfigError> {
    match path {
        Some(path) => Config::load(path),
        None => Config::from_toml_str(DEMO),
    }
}
