//! Any text as a server's URL: it is taken or refused in words, never panics, and what stands
//! before its `@` is in no error and no debug output.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tasker_cache_memcached::MemcachedConfig;
use tasker_cache_redis::{Redis, RedisConfig};

/// Stands in no message and no default.
const SECRET: &str = "s3cr3tQz";

fuzz_target!(|text: &str| {
    for url in [text.to_owned(), with_secret(text)] {
        let made = RedisConfig::new(&url).map(|config| (format!("{config:?}"), Redis::new(config)));
        let redis = match made {
            Ok((config, Ok(backend))) => format!("{config} {backend:?}"),
            Ok((config, Err(error))) => format!("{config} {error} {error:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        let memcached = match MemcachedConfig::new(&url) {
            Ok(config) => format!("{config:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        for said in [redis, memcached] {
            assert!(said.len() > 1 && (!said.contains(SECRET) || text.contains(SECRET)), "{said}");
        }
    }
});

/// Puts credentials before the host, or before the whole text if it has no scheme: what stands in
/// the path of a socket is no secret.
fn with_secret(text: &str) -> String {
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let split = text.split_once("://").filter(|(scheme, _)| scheme.chars().all(is_scheme));
    let (scheme, rest) = split.unwrap_or(("redis", text));
    format!("{scheme}://{SECRET}:{SECRET}@{rest}")
}
