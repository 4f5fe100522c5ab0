//! What is said about a wrong configuration: where, which key, what is allowed, what to do.

use tasker_cache::{Config, ConfigErrorKind};

use crate::{inline, refused};

#[test]
fn an_error_names_file_line_key_range_and_remedy() {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let path = folder.path().join("tasker.toml");
    let text = "[common.cache]\nenabled = true\n\n[common.cache.redis]\ndatabase = 99\n";
    std::fs::write(&path, text).expect("it is writable");

    let error = refused(Config::loader().file(&path).env_source(crate::NO_VARIABLES));

    assert_eq!(error.kind(), ConfigErrorKind::NotAllowed);
    assert_eq!(error.place(), format!("{}:5", path.display()));
    assert_eq!(
        error.to_string(),
        format!(
            "{}:5: `common.cache.redis.database` is 99 (allowed: 0–15); correct it, or remove it \
             (default: 0)",
            path.display()
        )
    );
}

#[test]
fn an_error_about_what_a_variable_overrides_names_the_variable() {
    let name = "TASKER__COMMON__CACHE__MOKA__MAX_CAPACITY";

    let error = refused(Config::loader().env_source([(name, "lots")]));

    assert_eq!(error.kind(), ConfigErrorKind::WrongType);
    assert_eq!(
        error.to_string(),
        format!(
            "environment variable {name}: `common.cache.moka.max_capacity` is not a whole number \
             (allowed: 1–1000000); correct it, or remove it (default: 10000)"
        )
    );
}

#[test]
fn a_value_of_the_wrong_type_is_told_what_it_is() {
    let cases = [
        ("enabled = 1", "is a number, not true or false"),
        ("enabled = 'perhaps'", "is neither true nor false"),
        ("backend = true", "is a boolean, not a text"),
        ("key_prefix = ['a']", "is a list, not a text"),
        ("default_ttl_seconds = 1.5", "is 1.5, not a whole number"),
        ("default_ttl_seconds = '1h'", "is not a whole number"),
        ("default_ttl_seconds = 2026-01-01", "is not a whole number"),
        ("max_value_bytes = { is = 1 }", "is a table, not a whole number"),
        ("memcached.urls = 5", "is a number, not a list"),
        ("memcached.urls = [5]", "is a number, not a text"),
        ("memcached.urls = []", "is an empty list"),
        ("redis = 'redis://h'", "is not a table; write its keys below [common.cache.redis]"),
    ];
    for (line, problem) in cases {
        let error = refused(inline(&format!("[common.cache]\n{line}")));
        assert!(error.to_string().contains(&format!("` {problem}")), "{line}: {error}");
        assert!(error.to_string().starts_with("inline TOML:2: `common.cache."), "{error}");
    }
}

#[test]
fn a_cache_that_is_no_table_is_refused() {
    let error = refused(inline("[common]\ncache = true"));

    assert_eq!(
        error.to_string(),
        "inline TOML:2: `common.cache` is not a table; write its keys below [common.cache]"
    );
}

#[test]
fn an_unknown_key_suggests_the_nearest_known_one() {
    let cases = [
        ("common.cache", "enable", "common.cache.enabled"),
        ("common.cache", "key-prefix", "common.cache.key_prefix"),
        ("common.cache", "Backend", "common.cache.backend"),
        ("common.cache", "default_ttl", "common.cache.default_ttl_seconds"),
        ("common.cache", "operation_timeout", "common.cache.operation_timeout_ms"),
        ("common.cache", "reddis", "common.cache.redis"),
        ("common.cache", "max_capacity", "common.cache.moka.max_capacity"),
        ("common.cache.redis", "max_conections", "common.cache.redis.max_connections"),
        ("common.cache.memcached", "uri", "common.cache.memcached.url"),
        ("common.cache.moka", "maxcapacity", "common.cache.moka.max_capacity"),
        (
            "common.circuit_breakers.component_configs.cache",
            "failure_treshold",
            "common.circuit_breakers.component_configs.cache.failure_threshold",
        ),
    ];
    for (table, name, meant) in cases {
        let error = refused(inline(&format!("[{table}]\n{name} = 1")));
        assert_eq!(error.kind(), ConfigErrorKind::UnknownKey);
        assert_eq!(
            error.to_string(),
            format!("inline TOML:2: `{table}.{name}` is not a known key; did you mean `{meant}`?")
        );
    }
}

#[test]
fn an_unknown_key_that_is_like_no_other_is_told_what_is_known() {
    let error = refused(inline("[common.cache.moka]\nshards = 8"));

    assert_eq!(
        error.to_string(),
        "inline TOML:2: `common.cache.moka.shards` is not a known key; known here: max_capacity, \
         max_bytes"
    );
}

#[test]
fn a_certificate_and_its_key_come_together() {
    for (alone, other) in [("tls_cert_file", "tls_key_file"), ("tls_key_file", "tls_cert_file")] {
        let error = refused(inline(&format!("[common.cache.redis]\n{alone} = 'a.pem'")));

        assert_eq!(error.kind(), ConfigErrorKind::Conflict);
        assert_eq!(
            error.to_string(),
            format!(
                "inline TOML:2: `common.cache.redis.{alone}` stands without `{other}`; give both \
                 or neither"
            )
        );
    }
}

#[test]
fn what_is_not_toml_is_refused_with_line_and_column() {
    let error = refused(inline("[common.cache]\nenabled = true\nbackend = moka\n"));

    assert_eq!(error.kind(), ConfigErrorKind::Syntax);
    assert!(error.place().starts_with("inline TOML:3:"), "{}", error.place());
    assert!(std::error::Error::source(&error).is_some(), "the parser's own words");
}

#[test]
fn each_key_is_refused_with_its_full_name_and_its_range() {
    for row in Config::keys() {
        let (table, name) = row.key.rsplit_once('.').expect("every key is in a table");

        let error = refused(inline(&format!("[{table}]\n{name} = {{ odd = 1 }}")));

        assert_eq!(error.key(), Some(row.key.as_str()));
        assert!(error.to_string().contains(&format!("(allowed: {})", row.range)), "{error}");
        assert!(error.to_string().contains("; correct it, or remove it"), "{error}");
    }
}
