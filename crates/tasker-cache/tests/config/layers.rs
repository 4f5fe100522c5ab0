//! Defaults, under files, under the environment; and what the environment may say.

use std::time::Duration;

use tasker_cache::config::SecretUrl;
use tasker_cache::{Config, ConfigErrorKind};

use crate::{NO_VARIABLES, refused, resolved};

#[test]
fn each_layer_overrides_key_by_key_what_is_below_it() {
    let base = "
        [common.cache]
        key_prefix = 'base'
        default_ttl_seconds = 10
        analytics_ttl_seconds = 11
        [common.cache.moka]
        max_capacity = 12
    ";
    let over = "[common.cache]\nkey_prefix = 'over'\ndefault_ttl_seconds = 20";
    let loader = Config::loader()
        .toml_str(base)
        .toml_str(over)
        .env_source([("TASKER__COMMON__CACHE__KEY_PREFIX", "environment")]);

    let setup = resolved(loader);

    assert_eq!(setup.key_prefix, "environment");
    assert_eq!(setup.default_ttl, Duration::from_secs(20));
    assert_eq!(setup.analytics_ttl, Duration::from_secs(11));
    assert_eq!(setup.moka.max_capacity, 12);
    assert_eq!(setup.template_ttl, Duration::from_secs(3600), "the default");
}

#[test]
fn the_environment_can_set_every_kind_of_key() {
    let loader = Config::loader().env_source([
        ("TASKER__COMMON__CACHE__ENABLED", "true"),
        ("TASKER__COMMON__CACHE__BACKEND", "Memory"),
        ("TASKER__COMMON__CACHE__MAX_VALUE_BYTES", "2048"),
        ("TASKER__COMMON__CACHE__REDIS__TLS_CA_FILE", "/etc/ca.pem"),
        ("TASKER__COMMON__CIRCUIT_BREAKERS__ENABLED", "off"),
        ("tasker__common__cache__moka__max_capacity", "7"),
    ]);

    let setup = resolved(loader);

    assert!(setup.enabled && setup.breaker.is_none());
    assert_eq!(setup.backend.as_str(), "moka");
    assert_eq!((setup.max_value_bytes, setup.moka.max_capacity), (2048, 7));
    assert_eq!(setup.redis.tls_ca_file.as_deref(), Some("/etc/ca.pem".as_ref()));
}

#[test]
fn a_list_from_the_environment_is_separated_by_commas() {
    let setup = resolved(Config::loader().env_source([(
        "TASKER__COMMON__CACHE__MEMCACHED__URLS",
        "tcp://a:11211, tcp://b:11211,tcp://c:11211",
    )]));

    let urls: Vec<_> = setup.memcached.urls.iter().map(SecretUrl::expose).collect();
    assert_eq!(urls, ["tcp://a:11211", "tcp://b:11211", "tcp://c:11211"]);
}

#[test]
fn a_text_of_digits_stays_the_text_it_is() {
    let loader = Config::loader().env_source([("TASKER__COMMON__CACHE__KEY_PREFIX", "00123")]);
    assert_eq!(resolved(loader).key_prefix, "00123");
}

#[test]
fn an_empty_variable_overrides_nothing() {
    let loader = Config::loader()
        .toml_str("[common.cache]\nkey_prefix = 'file'")
        .env_source([("TASKER__COMMON__CACHE__KEY_PREFIX", "")]);
    assert_eq!(resolved(loader).key_prefix, "file");
}

#[test]
fn variables_for_other_tables_are_somebody_elses() {
    let loader = Config::loader().env_source([
        ("TASKER__COMMON__DATABASE__POOL", "${"),
        ("TASKER__COMMON__CACHED", "1"),
        ("TASKER_COMMON__CACHE__ENABLED", "true"),
        ("COMMON__CACHE__ENABLED", "true"),
    ]);
    assert!(!resolved(loader).enabled);
}

#[test]
fn a_variable_for_an_unknown_key_is_named_with_the_key_that_was_meant() {
    let loader = Config::loader().env_source([("TASKER__COMMON__CACHE__REDIS__ULR", "x")]);

    let error = refused(loader);

    assert_eq!(error.kind(), ConfigErrorKind::UnknownKey);
    assert_eq!(
        error.to_string(),
        "environment variable TASKER__COMMON__CACHE__REDIS__ULR: `common.cache.redis.ulr` is not \
         a known key; did you mean `common.cache.redis.url`?"
    );
}

#[test]
fn text_for_the_application_alone_is_not_overridden_by_this_process() {
    let config = Config::from_toml_str("[common.cache]\nkey_prefix = 'as-it-stands'");
    let setup = config.and_then(|config| config.resolve()).expect("it is right");
    assert_eq!(setup.key_prefix, "as-it-stands");
}

#[test]
fn an_application_can_name_its_variables_and_its_table() {
    let loader = Config::loader()
        .env_prefix("SHOP")
        .table("storage.cache")
        .toml_str(
            "[storage.cache]\nkey_prefix = 'shop'\n\
             [storage.circuit_breakers.component_configs.cache]\nfailure_threshold = 9\n\
             [common.cache]\nkey_prefix = 'not this one'",
        )
        .env_source([("SHOP__STORAGE__CACHE__MOKA__MAX_CAPACITY", "5")]);

    let setup = resolved(loader);

    assert_eq!((setup.key_prefix.as_str(), setup.moka.max_capacity), ("shop", 5));
    assert_eq!(setup.breaker.map(|breaker| breaker.failure_threshold), Some(9));
}

#[test]
fn an_error_calls_a_key_what_the_application_calls_it() {
    let loader = Config::loader().table("cache").toml_str("[cache.redis]\ndatabase = 16");

    let error = refused(loader.env_source(NO_VARIABLES));

    assert_eq!(error.key(), Some("cache.redis.database"));
}

#[test]
fn the_caches_own_breaker_goes_field_by_field_over_that_for_all_components() {
    let loader = Config::loader()
        .toml_str(
            "[common.circuit_breakers.default_config]\n\
             failure_threshold = 7\ntimeout_seconds = 70\n\
             [common.circuit_breakers.component_configs.cache]\nfailure_threshold = 8",
        )
        .env_source(NO_VARIABLES);

    let breaker = resolved(loader).breaker.expect("they are on");

    assert_eq!(breaker.failure_threshold, 8, "the cache's own");
    assert_eq!(breaker.timeout, Duration::from_secs(70), "the one for all components");
    assert_eq!(breaker.success_threshold, 2, "the default");
}

#[test]
fn memcached_takes_one_url_or_several_but_not_both() {
    let both = "[common.cache.memcached]\nurl = 'tcp://a:1'\nurls = ['tcp://b:2']";

    let error = refused(Config::loader().toml_str(both).env_source(NO_VARIABLES));

    assert_eq!(error.kind(), ConfigErrorKind::Conflict);
    assert_eq!(
        error.to_string(),
        "inline TOML:3: `common.cache.memcached.urls` stands beside `url`; remove one of the two"
    );
}

#[test]
fn whichever_form_of_memcacheds_urls_a_stronger_layer_has_replaces_the_other() {
    let one = "[common.cache.memcached]\nurl = 'tcp://one:11211'";
    let list = "[common.cache.memcached]\nurls = ['tcp://x:11211', 'tcp://y:11211']";
    let servers = |below: &str, above: &str| {
        let loader = Config::loader().toml_str(below).toml_str(above);
        let urls = resolved(loader.env_source(NO_VARIABLES)).memcached.urls;
        urls.iter().map(|url| url.expose().to_owned()).collect::<Vec<_>>()
    };

    assert_eq!(servers(one, list), ["tcp://x:11211", "tcp://y:11211"]);
    assert_eq!(servers(list, one), ["tcp://one:11211"]);
}
