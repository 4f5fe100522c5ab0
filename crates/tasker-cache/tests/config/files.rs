//! The files that exist: every block of the caching guide, and a whole one of Tasker's.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tasker_cache::ConfigErrorKind;
use tasker_cache::config::BackendName;

use crate::{NO_VARIABLES, inline, refused, resolved};

/// A Tasker file: the cache's tables somewhere among those of every other component.
const TASKER: &str = include_str!("tasker.toml");

#[test]
fn every_block_of_the_guide_loads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/guide");
    let mut blocks = 0;
    for entry in fs::read_dir(folder).expect("the blocks are there") {
        let path = entry.expect("the folder can be listed").path();
        let loader = tasker_cache::Config::loader().file(&path).env_source(NO_VARIABLES);

        let config = loader.load().unwrap_or_else(|error| panic!("{error}"));

        config.resolve().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        blocks += 1;
    }
    assert_eq!(blocks, 10);
}

#[test]
fn the_basic_setup_of_the_guide_says_what_the_guide_says() {
    let setup = resolved(inline(include_str!("guide/01-basic-setup.toml")));

    assert!(setup.enabled);
    assert_eq!(setup.backend, BackendName::Redis);
    assert_eq!(setup.default_ttl, Duration::from_secs(3600));
    assert_eq!(setup.template_ttl, Duration::from_secs(3600));
    assert_eq!(setup.analytics_ttl, Duration::from_secs(60));
    assert_eq!(setup.key_prefix, "tasker");
    assert_eq!(setup.redis.url.expose(), "redis://localhost:6379");
    assert_eq!(setup.redis.connection_timeout, Duration::from_secs(5));
    assert_eq!((setup.redis.max_connections, setup.redis.database), (10, 0));
    assert_eq!(setup.moka.max_capacity, 10_000);
}

#[test]
fn an_empty_file_is_a_cache_that_is_turned_off_with_every_default() {
    let setup = resolved(inline(""));

    assert!(!setup.enabled);
    assert_eq!(setup.backend, BackendName::Redis);
    assert_eq!(setup.operation_timeout, Duration::from_millis(250));
    assert_eq!(setup.max_value_bytes, 1_048_576);
    assert_eq!(setup.memcached.urls[0].expose(), "tcp://localhost:11211");
    assert_eq!((setup.memcached.urls.len(), setup.memcached.max_connections), (1, 4));
    assert_eq!(setup.moka.max_bytes, None);
    let breaker = setup.breaker.expect("they are on");
    assert_eq!((breaker.failure_threshold, breaker.success_threshold), (5, 2));
    assert_eq!(breaker.timeout, Duration::from_secs(15));
}

#[test]
fn each_name_of_a_backend_is_understood_in_any_case() {
    let names = [
        ("redis", "redis"),
        ("Dragonfly", "dragonfly"),
        ("MEMCACHED", "memcached"),
        ("moka", "moka"),
        ("memory", "moka"),
        ("In-Memory", "moka"),
        ("couchbase", "couchbase"),
    ];
    for (written, meant) in names {
        let setup = resolved(inline(&format!("[common.cache]\nbackend = '{written}'")));
        assert_eq!(setup.backend.as_str(), meant, "{written}");
    }
}

#[test]
fn a_whole_file_of_tasker_loads_as_it_is() {
    let setup = resolved(inline(TASKER));

    let foreign = TASKER.lines().filter(|line| line.starts_with('[') && !line.contains("cache"));
    assert!(foreign.count() >= 40, "it stands among dozens of other tables");
    assert!(setup.enabled);
    assert_eq!(setup.backend, BackendName::Dragonfly);
    assert_eq!(setup.redis.url.expose(), "redis://dragonfly.internal:6379");
    assert_eq!(setup.template_ttl, Duration::from_secs(1800));
    let breaker = setup.breaker.expect("they are on");
    assert_eq!((breaker.failure_threshold, breaker.success_threshold), (10, 3));
    assert_eq!(breaker.timeout, Duration::from_secs(30));
}

#[test]
fn what_the_other_tables_hold_is_nobodys_business() {
    let text = "
        [common]
        cach = 1
        [common.cash]
        backend = 7
        [common.circuit_breakers]
        max_requests = 'many'
        [common.circuit_breakers.default_config]
        enabledd = true
        [common.circuit_breakers.component_configs.web]
        failure_threshold = -5
        [cache]
        backend = []
        [broken]
        url = '${'
    ";
    assert!(!resolved(inline(text)).enabled);
}

#[test]
fn a_file_that_is_not_there_is_named_with_the_folder_it_was_looked_for_in() {
    let loader = tasker_cache::Config::loader().file("no/such.toml").env_source(NO_VARIABLES);

    let error = refused(loader);

    let folder = std::env::current_dir().expect("there is one");
    assert_eq!(error.kind(), ConfigErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        format!(
            "no/such.toml: there is no such file in {}; create it, or correct its path",
            folder.display()
        )
    );
}

#[test]
fn a_file_that_is_not_text_can_not_be_read() {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let path = folder.path().join("latin.toml");
    fs::write(&path, b"[common.cache]\nkey_prefix = '\xE9'").expect("it is writable");

    let error = refused(tasker_cache::Config::loader().file(&path).env_source(NO_VARIABLES));

    assert_eq!(error.kind(), ConfigErrorKind::Unreadable);
    assert!(error.to_string().contains("check its permissions and that it is UTF-8"), "{error}");
}
