//! Both ends of every range, and one step beyond each.

use tasker_cache::{Config, ConfigErrorKind};

use crate::{inline, refused};

/// Writes a value at a dotted key.
fn at(key: &str, value: &str) -> String {
    let (table, name) = key.rsplit_once('.').expect("every key is in a table");
    format!("[{table}]\n{name} = {value}")
}

/// The ends of a range such as `1–86400` or `at least 1`.
fn ends(range: &str) -> Option<(u64, Option<u64>)> {
    if let Some(least) = range.strip_prefix("at least ") {
        return Some((least.parse().ok()?, None));
    }
    let (least, most) = range.split_once('–')?;
    Some((least.parse().ok()?, Some(most.parse().ok()?)))
}

#[test]
fn both_ends_of_a_range_are_allowed_and_the_next_numbers_are_not() {
    let mut ranges = 0;
    for row in Config::keys() {
        let Some((least, most)) = ends(&row.range) else { continue };
        for inside in [Some(least), most].into_iter().flatten() {
            let text = at(&row.key, &inside.to_string());
            let loaded = inline(&text).load().and_then(|config| config.resolve());
            assert!(loaded.is_ok(), "{text}: {loaded:?}");
        }
        for outside in [Some(i128::from(least) - 1), most.map(|most| i128::from(most) + 1)] {
            let Some(outside) = outside else { continue };
            let error = refused(inline(&at(&row.key, &outside.to_string())));
            assert_eq!(error.kind(), ConfigErrorKind::NotAllowed, "{error}");
            assert_eq!(error.key(), Some(row.key.as_str()));
            let said = format!("is {outside} (allowed: {})", row.range);
            assert!(error.to_string().contains(&said), "{error}");
        }
        ranges += 1;
    }
    assert_eq!(ranges, 18);
}

#[test]
fn the_ranges_are_those_that_are_promised() {
    let promised = [
        ("common.cache.default_ttl_seconds", "1–86400"),
        ("common.cache.template_ttl_seconds", "1–86400"),
        ("common.cache.analytics_ttl_seconds", "1–86400"),
        ("common.cache.operation_timeout_ms", "1–60000"),
        ("common.cache.redis.max_connections", "1–100"),
        ("common.cache.redis.connection_timeout_seconds", "1–60"),
        ("common.cache.redis.database", "0–15"),
        ("common.cache.memcached.connection_timeout_seconds", "1–60"),
        ("common.cache.memcached.max_connections", "1–100"),
        ("common.cache.moka.max_capacity", "1–1000000"),
        ("common.circuit_breakers.default_config.failure_threshold", "1–100"),
        ("common.circuit_breakers.component_configs.cache.timeout_seconds", "1–300"),
        ("common.circuit_breakers.component_configs.cache.success_threshold", "1–50"),
    ];
    for (key, range) in promised {
        let row = Config::keys().find(|row| row.key == key).expect(key);
        assert_eq!(row.range, range, "{key}");
    }
}

#[test]
fn every_default_is_in_its_range() {
    for row in Config::keys().filter(|row| !row.default.is_empty()) {
        let text = at(&row.key, &format!("'{}'", row.default));
        assert!(inline(&text).load().is_ok(), "{text}");
    }
}

#[test]
fn a_prefix_has_1_to_64_plain_characters() {
    let longest = "aZ09._-x".repeat(8);
    for right in ["a", "A-1.b_2", &longest] {
        assert!(inline(&at("common.cache.key_prefix", &format!("'{right}'"))).load().is_ok());
    }
    let too_long = format!("{longest}x");
    for wrong in ["", "a b", "a:b", "a%", "ä", "a/b", "a*", &too_long] {
        let error = refused(inline(&at("common.cache.key_prefix", &format!("'{wrong}'"))));
        assert_eq!(error.kind(), ConfigErrorKind::NotAllowed, "{wrong}");
        assert!(error.to_string().contains("(allowed: 1–64 of A–Z a–z 0–9 . _ -)"), "{error}");
    }
}

#[test]
fn the_urls_that_redis_takes_are_those_that_are_promised() {
    let url = |url: &str| inline(&at("common.cache.redis.url", &format!("'{url}'"))).load();
    let schemes = ["redis", "redis-cluster", "redis-sentinel", "REDIS"];
    for scheme in schemes.into_iter().chain(["rediss", "rediss-cluster", "rediss-sentinel"]) {
        let refused = url(&format!("{scheme}://h:6379")).err().map(|error| error.to_string());
        // What else is wrong with one, such as a build without TLS, is the backend's to say.
        let is_known = refused.is_none_or(|error| !error.contains("has a scheme that is not"));
        assert!(is_known, "{scheme}");
    }
    for socket in ["unix:///run/redis.sock", "unix:/run/redis.sock"] {
        assert!(url(socket).is_ok(), "{socket}");
    }
    assert!(url("redis://:p%40ss@[::1]:6379/1").is_ok());
    for wrong in ["http://h", "dragonfly://h", "redis+cluster://h", "tcp://h", "h:6379", "redis://"]
    {
        let error = url(wrong).expect_err(wrong);
        assert_eq!(error.kind(), ConfigErrorKind::NotAllowed, "{error}");
        assert!(error.to_string().contains("(allowed: URL; scheme redis, rediss,"), "{error}");
    }
}

#[test]
fn the_urls_that_memcached_takes_are_those_that_are_promised() {
    let url = |url: &str| {
        let cache = "[common.cache]\nbackend = 'memcached'\n";
        inline(&format!("{cache}[common.cache.memcached]\nurls = ['tcp://a:1', '{url}']")).load()
    };
    let sockets = ["unix:///run/memcached.sock", "unix:/run/memcached.sock"];
    for right in ["tcp://h:11211", "tcp://10.0.0.1", "h:11211"].into_iter().chain(sockets) {
        assert!(url(right).is_ok(), "{right}");
    }
    for (wrong, why) in [
        ("tcp://[::1]:11211", "is an IPv6 address, and the Memcached client opens IPv4 only"),
        ("tcp://::1", "is an IPv6 address, and the Memcached client opens IPv4 only"),
        ("tcp://u:p@h:11211", "has credentials, which the Memcached client can't send"),
        ("memcache://h", "has a scheme that is not allowed"),
        ("tcp://h:0", "has a port that is not 1–65535"),
        ("tcp://h:65536", "has a port that is not 1–65535"),
        ("tcp://:11211", "names no server"),
        ("h", "has neither a scheme nor a port"),
        ("", "is empty"),
    ] {
        let error = url(wrong).expect_err(wrong);
        assert_eq!(error.key(), Some("common.cache.memcached.urls"), "{error}");
        assert!(error.to_string().contains(why), "{wrong}: {error}");
    }
}

#[test]
fn the_urls_of_backends_that_are_not_named_are_not_looked_at() {
    let text = "
        [common.cache]
        backend = 'moka'
        [common.cache.redis]
        url = 'whatever'
        [common.cache.memcached]
        url = 'tcp://[::1]'
    ";
    assert!(inline(text).load().is_ok());
}
