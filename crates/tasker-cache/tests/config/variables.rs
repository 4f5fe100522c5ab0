//! `${…}` in the texts of every layer; what each form expands to is tested beside its code.

use tasker_cache::config::SecretUrl;
use tasker_cache::{Config, ConfigErrorKind};

use crate::{refused, resolved};

const VARIABLES: [(&str, &str); 4] =
    [("HOST", "redis.internal"), ("PW", "p%40ss${HOST}w:rd"), ("SIZE", " 77 "), ("EMPTY", "")];

fn in_redis(url: &str) -> tasker_cache::Loader {
    let text = format!("[common.cache.redis]\nurl = '{url}'");
    Config::loader().toml_str(text).env_source(VARIABLES)
}

#[test]
fn each_form_works_in_a_file() {
    let cases = [
        ("redis://${HOST}:6379", "redis://redis.internal:6379"),
        ("${NONE:-redis://localhost}", "redis://localhost"),
        ("redis://${EMPTY:-d}", "redis://d"),
        ("redis://${NONE:-${NIL:-${HOST}}}", "redis://redis.internal"),
        ("redis://:a$${HOST}b@h", "redis://:a${HOST}b@h"),
        ("redis://:pa$$w0rd$@h", "redis://:pa$$w0rd$@h"),
        ("redis://${HOST:?say where}", "redis://redis.internal"),
        ("redis://:${PW}@h", "redis://:p%40ss${HOST}w:rd@h"),
    ];
    for (written, meant) in cases {
        assert_eq!(resolved(in_redis(written)).redis.url.expose(), meant, "{written}");
    }
}

#[test]
fn what_is_expanded_once_is_not_expanded_again() {
    let config = in_redis("redis://:${PW}@h").load().expect("it is right");

    let once = config.resolve().expect("it is right").redis.url;
    let twice = config.clone().resolve().expect("it is right").redis.url;

    assert_eq!(once.expose(), "redis://:p%40ss${HOST}w:rd@h");
    assert_eq!(once, twice);
}

#[test]
fn numbers_and_switches_may_come_from_variables() {
    let text = "
        [common.cache]
        enabled = '${ON:-yes}'
        [common.cache.moka]
        max_capacity = '${SIZE}'
        max_bytes = '${EMPTY}'
    ";
    let setup = resolved(Config::loader().toml_str(text).env_source(VARIABLES));

    assert!(setup.enabled);
    assert_eq!((setup.moka.max_capacity, setup.moka.max_bytes), (77, None));
}

#[test]
fn the_texts_of_a_list_are_expanded_one_by_one() {
    let text = "[common.cache.memcached]\nurls = ['tcp://${HOST}:1', '${NONE:-tcp://b:2}']";

    let setup = resolved(Config::loader().toml_str(text).env_source(VARIABLES));

    let urls: Vec<_> = setup.memcached.urls.iter().map(SecretUrl::expose).collect();
    assert_eq!(urls, ["tcp://redis.internal:1", "tcp://b:2"]);
}

#[test]
fn an_overriding_variable_may_refer_to_another_one() {
    let loader = Config::loader().env_source([
        ("TASKER__COMMON__CACHE__REDIS__URL", "redis://${HOST}:${PORT:-6380}"),
        ("HOST", "from-variable"),
    ]);
    assert_eq!(resolved(loader).redis.url.expose(), "redis://from-variable:6380");
}

#[test]
fn a_value_can_not_break_out_of_its_text() {
    let loader = Config::loader()
        .toml_str("[common.cache]\nbackend = 'moka'\nredis.url = \"redis://:${PW}@h\"")
        .env_source([("PW", "x\"\nurl = 'redis://evil'\n#")]);
    let url = resolved(loader).redis.url;
    assert_eq!(url.expose(), "redis://:x\"\nurl = 'redis://evil'\n#@h");
}

#[test]
fn a_variable_that_is_missing_is_named_with_the_line_and_what_to_do() {
    let error = refused(in_redis("redis://${NONE}"));

    assert_eq!(error.kind(), ConfigErrorKind::Variable);
    assert_eq!(
        error.to_string(),
        "inline TOML:2: `common.cache.redis.url` needs the environment variable NONE, which is \
         not set; set it, or give it a default: ${NONE:-default}"
    );
}

#[test]
fn a_required_variable_says_what_the_file_has_to_say_about_it() {
    let error = refused(in_redis("${REDIS_URL:?ask the platform team}"));

    assert_eq!(
        error.to_string(),
        "inline TOML:2: `common.cache.redis.url` needs the environment variable REDIS_URL; \
         set it: ask the platform team"
    );
}
