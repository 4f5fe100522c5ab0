//! Configurations from code: embedded in an application's own, or set key by key.

use std::time::Duration;

use serde::Deserialize;
use tasker_cache::{Cache, Config, ConfigErrorKind};

#[derive(Deserialize)]
struct App {
    listen: String,
    common: Config,
}

#[derive(Deserialize)]
struct Flat {
    listen: String,
    #[serde(flatten)]
    config: Config,
}

#[test]
fn it_can_be_part_of_an_applications_configuration() {
    let text = "
        listen = ':80'
        [common]
        version = 3
        [common.cache]
        key_prefix = '${UNSET_IN_ANY_ENVIRONMENT:-shop}'
        [common.cache.memcached]
        urls = ['a:1', 'b:2']
        [common.circuit_breakers.component_configs.cache]
        failure_threshold = 9
    ";
    let app: App = toml::from_str(text).expect("it is an App");
    let setup = app.common.resolve().expect("it is right");

    assert_eq!(app.listen, ":80");
    assert_eq!((setup.key_prefix.as_str(), setup.memcached.urls.len()), ("shop", 2));
    assert_eq!(setup.breaker.map(|breaker| breaker.failure_threshold), Some(9));
}

#[test]
fn it_can_be_flattened_into_a_table_of_other_things() {
    let json =
        r#"{ "listen": ":80", "cache": { "moka": { "max_capacity": 5 } }, "other": [null] }"#;
    let app: Flat = serde_json::from_str(json).expect("it is a Flat");

    assert_eq!(app.listen, ":80");
    assert_eq!(app.config.resolve().expect("it is right").moka.max_capacity, 5);
}

#[test]
fn nothing_given_is_every_default() {
    for json in ["{}", r#"{"cache": null}"#, r#"{"cache": {"redis": {"url": null}}}"#] {
        let config: Config = serde_json::from_str(json).expect("it is never refused");
        let setup = config.resolve().expect("it is right");
        assert_eq!(setup.redis.url.expose(), "redis://localhost:6379", "{json}");
    }
}

#[test]
fn what_is_wrong_in_it_comes_up_when_it_is_used() {
    let json = r#"{ "cache": { "redis": { "database": -1 } } }"#;
    let config: Config = serde_json::from_str(json).expect("it is never refused");

    let error = config.resolve().expect_err("it is out of range");

    assert_eq!(
        error.to_string(),
        "the application's configuration: `common.cache.redis.database` is -1 (allowed: 0–15); \
         correct it, or remove it (default: 0)"
    );
}

#[tokio::test]
async fn a_cache_made_from_a_wrong_one_stands_in() {
    let config = Config::default().enabled(true).backend("moka").moka_max_capacity(0);

    let cache = Cache::connect(&config).await;

    assert_eq!(cache.backend_name(), "noop");
    assert!(cache.status().is_stand_in);
}

#[test]
fn every_key_can_be_set_in_code() {
    let setup = Config::default()
        .enabled(true)
        .backend("Dragonfly")
        .default_ttl(Duration::from_secs(1))
        .template_ttl(Duration::from_millis(1_001))
        .analytics_ttl(Duration::from_secs(3))
        .key_prefix("p")
        .operation_timeout(Duration::from_micros(4_001))
        .max_value_bytes(5)
        .redis_url("redis://:a${b}$${c}@h")
        .redis_tls_ca_file("ca.pem")
        .redis_tls_identity("cert.pem", "key.pem")
        .redis_max_connections(6)
        .redis_connection_timeout(Duration::from_secs(7))
        .redis_database(8)
        .memcached_urls(["a:1", "b:2"])
        .memcached_connection_timeout(Duration::from_secs(9))
        .memcached_max_connections(10)
        .moka_max_capacity(11)
        .moka_max_bytes(12)
        .breaker_enabled(true)
        .breaker_failure_threshold(13)
        .breaker_timeout(Duration::from_secs(14))
        .breaker_success_threshold(15)
        .resolve()
        .expect("it is right");

    assert_eq!(setup.template_ttl, Duration::from_secs(2), "rounded up");
    assert_eq!(setup.operation_timeout, Duration::from_millis(5), "rounded up");
    assert_eq!(setup.redis.url.expose(), "redis://:a${b}$${c}@h", "taken as it is");
    assert_eq!(setup.redis.tls_key_file.as_deref(), Some("key.pem".as_ref()));
    assert_eq!((setup.redis.max_connections, setup.redis.database), (6, 8));
    assert_eq!((setup.memcached.urls.len(), setup.memcached.max_connections), (2, 10));
    assert_eq!((setup.moka.max_capacity, setup.moka.max_bytes), (11, Some(12)));
    let breaker = setup.breaker.expect("it is on");
    assert_eq!((breaker.failure_threshold, breaker.success_threshold), (13, 15));
    assert_eq!(breaker.timeout, Duration::from_secs(14));
}

#[test]
fn code_goes_over_what_was_loaded() {
    let text = "[common.cache]\nkey_prefix = 'file'\n[common.cache.memcached]\nurl = 'a:1'";
    let config = Config::from_toml_str(text).expect("it is right");

    let setup = config.key_prefix("code").memcached_urls(["b:2"]).resolve().expect("it is right");

    assert_eq!((setup.key_prefix.as_str(), setup.memcached.urls[0].expose()), ("code", "b:2"));
}

#[test]
fn an_error_says_that_a_value_was_set_in_code() {
    let error = Config::default().default_ttl(Duration::ZERO).resolve().expect_err("too short");

    assert_eq!((error.kind(), error.place()), (ConfigErrorKind::NotAllowed, "set in code"));
}
