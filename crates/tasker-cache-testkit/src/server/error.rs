//! Why a server could not be started.

use std::fmt;
use std::io;

use crate::server::{Missing, Program};

/// Says why a server could not be started, with the end of its log.
///
/// ```no_run
/// # async fn example() {
/// use tasker_cache_testkit::server::RedisServer;
///
/// let error = RedisServer::builder().arg("--no-such-option").try_start().await.unwrap_err();
/// println!("{error}");
/// # }
/// ```
#[derive(Debug)]
pub struct StartError {
    what: What,
}

#[derive(Debug)]
enum What {
    Missing(Missing),
    Io(Program, io::Error),
    Failed { program: Program, how: String, log: String },
    Unfit(String),
}

impl StartError {
    pub(crate) fn io(program: Program, error: io::Error) -> Self {
        Self { what: What::Io(program, error) }
    }

    pub(crate) fn failed(program: Program, how: impl Into<String>, log: String) -> Self {
        Self { what: What::Failed { program, how: how.into(), log } }
    }

    /// Says that options don't go together.
    pub(crate) fn unfit(what: impl Into<String>) -> Self {
        Self { what: What::Unfit(what.into()) }
    }
}

impl From<Missing> for StartError {
    fn from(missing: Missing) -> Self {
        Self { what: What::Missing(missing) }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Missing(missing) => missing.fmt(f),
            What::Io(program, error) => {
                write!(f, "{} could not be started: {error}", program.file_name())
            }
            What::Failed { program, how, log } => {
                write!(f, "{} {how}; the end of its log:\n{log}", program.file_name())
            }
            What::Unfit(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.what {
            What::Missing(missing) => Some(missing),
            What::Io(_, error) => Some(error),
            What::Failed { .. } | What::Unfit(_) => None,
        }
    }
}
