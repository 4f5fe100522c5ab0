//! The Lua that the server runs: constant texts, so that it keeps them, with declared keys and
//! integers or what they were given for answers, so that Dragonfly's Lua 5.4 agrees.

use std::sync::LazyLock;

/// A script and the name that the server knows it by.
pub(crate) struct Script {
    pub(crate) text: &'static str,
    sha: LazyLock<String>,
}

impl Script {
    pub(crate) fn sha(&self) -> &str {
        &self.sha
    }
}

macro_rules! script {
    ($text:literal) => {
        Script { text: $text, sha: LazyLock::new(|| fred::util::sha1_hash($text)) }
    };
}

/// Stores a value if the key still begins with the lease's stub: identity, value, milliseconds. The
/// identity is the answer then: readers rely on it, and no other answer can be taken for it.
pub(crate) static FILL: Script = script!(
    "if redis.call('GETRANGE', KEYS[1], 0, 19) == ARGV[1] then \
     redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return ARGV[1] end return 0"
);

/// Deletes the key if it still begins with the lease's stub: identity.
pub(crate) static RELEASE: Script = script!(
    "if redis.call('GETRANGE', KEYS[1], 0, 19) == ARGV[1] then \
     return redis.call('UNLINK', KEYS[1]) end return 0"
);

/// Puts a stub in the place of a value that can't be read, if that is still there: its length,
/// what it begins with, stub, milliseconds. A header is random, so no value that can be read has
/// the same one.
pub(crate) static REPLACE: Script = script!(
    "if redis.call('STRLEN', KEYS[1]) == tonumber(ARGV[1]) \
     and redis.call('GETRANGE', KEYS[1], 0, 55) == ARGV[2] then \
     redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) return 1 end return 0"
);

/// What `SET key stub NX GET PX hold` does, for servers that don't take NX with GET: stub,
/// milliseconds.
pub(crate) static LEASE: Script = script!(
    "local found = redis.call('GET', KEYS[1]) if found then return found end \
     redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return false"
);
