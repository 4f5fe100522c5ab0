//! What some tests need and not every machine has.
//!
//! They are `#[ignore]`d, so that `cargo test` passes without; here they run where it is there,
//! and where it is not that is said.

use std::env;

use crate::servers::{Server, Servers};
use crate::test::row::Row;

/// The words by which a row tells what it needs: modules of a file under `tests/`.
const RARE: [(&str, Need); 5] = [
    ("dragonfly", Need::Program(Server::Dragonfly)),
    ("given_redis", Need::Given("TEST_REDIS_URL")),
    ("given_valkey", Need::Given("TEST_VALKEY_URL")),
    ("given_dragonfly", Need::Given("TEST_DRAGONFLY_URL")),
    ("given_memcached", Need::Given("TEST_MEMCACHED_URL")),
];

/// What a test needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// A program that the test starts.
    Program(Server),
    /// A server that runs already, at the URL in this variable.
    Given(&'static str),
}

impl Need {
    /// Returns why it can't be had, if it can't.
    fn absence(self, servers: &Servers) -> Option<String> {
        match self {
            Self::Program(server) => (!servers.has(server)).then(|| server.absence()),
            Self::Given(variable) => {
                let is_given = env::var_os(variable).is_some_and(|url| !url.is_empty());
                (!is_given).then(|| format!("no {variable}"))
            }
        }
    }
}

fn need(row: &Row) -> Option<(&'static str, Need)> {
    RARE.into_iter().find(|(word, _)| row.names(word))
}

/// Tells whether a row needs a server that somebody else runs.
pub(crate) fn is_given(row: &Row) -> bool {
    matches!(need(row), Some((_, Need::Given(_))))
}

/// Returns the name of what a row needs and why it can't be had, if it can't.
pub(crate) fn absence(row: &Row, servers: &Servers) -> Option<(&'static str, String)> {
    let (word, need) = need(row)?;
    Some((word, need.absence(servers)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(package: &str, file: &str, module: &str) -> Row {
        Row::of_test(package, file, &format!("{module}::conformance::reads::a_miss"))
    }

    #[test]
    fn only_what_can_be_missing_is_rare() {
        let rare = row("tasker-cache-redis", "conformance", "dragonfly");
        assert!(need(&rare).is_some() && !is_given(&rare));
        assert_eq!(need(&row("tasker-cache-redis", "conformance", "valkey")), None);
        assert!(is_given(&row("tasker-cache-tests", "given", "given_dragonfly")));
    }

    #[test]
    fn an_absence_names_what_would_mend_it() {
        let none = Servers::default();
        let rare = row("tasker-cache-redis", "conformance", "dragonfly");
        let said = absence(&rare, &none);
        assert_eq!(said, Some(("dragonfly", "no DRAGONFLY_BIN, no dragonfly on PATH".to_owned())));
        assert_eq!(absence(&row("tasker-cache-redis", "conformance", "valkey"), &none), None);
    }
}
