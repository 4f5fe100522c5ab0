//! What a configuration may be, what comes out of it, and what is said about a wrong one.

#![expect(clippy::expect_used, reason = "what these helpers expect is what a test claims")]

mod code;
mod errors;
mod files;
mod layers;
mod ranges;
mod secrets;
mod variables;

use tasker_cache::config::Resolved;
use tasker_cache::{Config, ConfigError, Loader};

/// No variable at all, whatever this process has.
const NO_VARIABLES: [(&str, &str); 0] = [];

/// Reads TOML in an empty environment.
fn inline(toml: &str) -> Loader {
    Config::loader().toml_str(toml).env_source(NO_VARIABLES)
}

/// Reads and types what should be right.
fn resolved(loader: Loader) -> Resolved {
    loader.load().and_then(|config| config.resolve()).expect("the configuration is right")
}

/// Reads what should be refused.
fn refused(loader: Loader) -> ConfigError {
    loader.load().expect_err("the configuration is wrong")
}
