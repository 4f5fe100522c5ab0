//! A password appears in no error, no `Debug` and no `Display`, in any encoding.

use std::error::Error;
use std::fmt::Write;

use tasker_cache::{Cache, Config, ConfigError};

use crate::{inline, refused};

/// As a URL has them: one plain, one with everything that has a meaning somewhere.
const PLAIN: &str = "hunter2S3cret";
const ODD: &str = "s3c@r/t?x#y%z\"q\\w{v}";
const ENCODED: &str = "s3c%40r%2Ft%3Fx%23y%25z%22q%5Cw%7Bv%7D";

/// Fails if `text` gives away a password, or a part of one.
fn assert_secret_free(text: &str) {
    let odd_parts = ["s3c", "r/t", "r%2Ft", "x#y", "t%3Fx", "%25z", "q\\\\w", "q%5Cw"];
    let bytes = |secret: &str| format!("{:?}", &secret.as_bytes()[..4]).replace(['[', ']'], "");
    let hex = |secret: &str| {
        secret.bytes().take(4).fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    };
    let encodings = [bytes(PLAIN), hex(PLAIN), bytes(ODD), hex(ODD), "aHVudGVy".to_owned()];
    let plain_parts = ["hunter", "S3cret"].map(str::to_owned);
    for part in odd_parts.map(str::to_owned).iter().chain(&encodings).chain(&plain_parts) {
        assert!(!text.contains(part.as_str()), "{part:?} is in {text}");
    }
}

/// Everything that an error can be made to say.
fn said(error: &ConfigError) -> String {
    let mut said = format!("{error}\n{error:?}\n{error:#?}\n{}\n", error.place());
    let mut source = error.source();
    while let Some(error) = source {
        let _ = writeln!(said, "{error}\n{error:?}\n{error:#?}");
        source = error.source();
    }
    said
}

fn urls() -> Vec<String> {
    let mut urls = Vec::new();
    for password in [PLAIN, ODD, ENCODED] {
        for around in [
            "redis://user:{}@h:6379/1",
            "redis://:{}@h",
            "rediss://u:{}@[::1]:6379",
            "redis-sentinel://:{}@a:1,b:2/mymaster",
            "redis://h:6379/0?password={}",
            "http://u:{}@h",
            "u:{}@h:6379",
            "redis:{}@h",
            "tcp://u:{}@h:11211",
            "redis://h:{}",
            "redis://{}:x@",
            "redis://u:{}@h:{}@i",
            "${redis://:{}@h",
        ] {
            urls.push(around.replace("{}", password));
        }
    }
    urls
}

#[test]
fn the_check_would_notice_a_password() {
    for secret in [PLAIN, ODD, ENCODED] {
        for text in
            [format!("x{secret}y"), format!("{secret:?}"), format!("{:?}", secret.as_bytes())]
        {
            let caught = std::panic::catch_unwind(|| assert_secret_free(&text));
            assert!(caught.is_err() || secret == ENCODED && text.starts_with('['), "{text}");
        }
    }
}

#[test]
fn no_form_of_a_url_gives_its_password_away() {
    for url in urls() {
        let literal = toml::Value::String(url.clone()).to_string();
        for text in [
            format!("[common.cache.redis]\nurl = {literal}"),
            format!("[common.cache]\nbackend = 'memcached'\nmemcached.urls = [{literal}]"),
            format!("[common.cache]\nredis = {literal}"),
            format!("[common.cache]\nbackend = {literal}"),
            format!("[common.cache]\nkey_prefix = {literal}"),
            format!("[common.cache]\nenabled = {literal}"),
            format!("[common.cache]\ndefault_ttl_seconds = {literal}"),
            format!("[common.cache]\nmoka.max_bytes = {literal}"),
            format!("[common.cache]\n{literal} = 1"),
            format!("[common.cache.redis]\n{literal} = {literal}"),
        ] {
            match inline(&text).load() {
                Ok(config) => {
                    let setup = config.resolve().expect("it was loaded");
                    assert_secret_free(&format!("{config:?} {:?}", setup.redis));
                    assert_secret_free(&format!("{:?} {:?}", setup.memcached, setup.backend));
                }
                Err(error) => assert_secret_free(&said(&error)),
            }
        }
    }
}

#[test]
fn neither_a_url_nor_a_key_is_taken_for_the_path_of_a_file() {
    for wrong in ["redis://:hunter2S3cret@h", "-----BEGIN PRIVATE KEY-----\\nhunter2S3cret"] {
        let error = refused(inline(&format!("[common.cache.redis]\ntls_key_file = \"{wrong}\"")));
        assert_secret_free(&said(&error));
    }
}

#[test]
fn what_is_not_toml_is_not_quoted() {
    for line in [
        "url = redis://:hunter2S3cret@h",
        "url = \"redis://:hunter2S3cret@h",
        "url = 'redis://:hunter2S3cret@h' hunter2S3cret",
        "url = \"redis://:\\hunter2S3cret@h\"",
        "url hunter2S3cret",
        "hunter2S3cret = 1\nhunter2S3cret = 2",
        "url = 1hunter2S3cret",
        "url = [hunter2S3cret",
    ] {
        let error = refused(inline(&format!("[common.cache.redis]\n{line}")));
        assert_secret_free(&said(&error));
    }
}

#[test]
fn a_password_from_a_variable_is_no_less_a_secret() {
    let variables = [("PW", PLAIN), ("URL", "redis://:hunter2S3cret@h:port/x")];
    let loader = |text: &str| Config::loader().toml_str(text).env_source(variables);

    let right = loader("[common.cache.redis]\nurl = 'redis://:${PW}@h'");
    assert_secret_free(&format!("{right:?}"));
    let config = right.load().expect("it is right");
    assert_secret_free(&format!("{config:?} {config:#?}"));

    let wrong = refused(loader("[common.cache.redis]\nmax_connections = '${URL}'"));
    assert_secret_free(&said(&wrong));
}

#[test]
fn a_configuration_that_is_not_expanded_yet_hides_its_defaults() {
    let json = r#"{ "cache": { "redis": { "url": "${URL:-redis://:hunter2S3cret@h}" } } }"#;
    let config: Config = serde_json::from_str(json).expect("it is never refused");
    assert_secret_free(&format!("{config:?}"));
}

#[tokio::test]
async fn a_cache_knows_its_password_and_does_not_show_it() {
    let config = Config::default().enabled(true).redis_url("redis://:hunter2S3cret@localhost:1");

    let cache = Cache::connect(&config).await;

    assert_secret_free(&format!("{cache:?} {} {:?}", cache.status(), cache.status()));
}

#[test]
fn what_is_shown_of_a_url_is_its_scheme_and_host() {
    let shown = |url: &str| {
        let config = Config::default().backend("moka").redis_url(url);
        config.resolve().expect("it is right").redis.url.to_string()
    };

    assert_eq!(
        shown("rediss://u:p%40ss@redis.internal:6379/1?x=y"),
        "rediss://redis.internal:6379"
    );
    assert_eq!(shown("redis://[::1]:6379"), "redis://[::1]:6379");
    assert_eq!(shown("redis://:p/a@ss@h"), "redis://…", "it can't be told where the host begins");
    assert_eq!(shown("unix:///run/redis.sock"), "unix://…");
    assert_eq!(shown("unix:/run/redis.sock"), "unix://…");
}
