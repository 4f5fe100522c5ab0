//! A secret in a URL: it is in no error and no debug output, wherever the URL went wrong.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tasker_cache::Config;

/// Stands in no message and no default.
const SECRET: &str = "s3cr3tQz";

fuzz_target!(|text: &str| {
    let quoted = text.replace('\\', "").replace('\'', "").replace(['\n', '\r'], "");
    let document = format!(
        "[common.cache]\nenabled = true\nbackend = 'redis'\n\
         [common.cache.redis]\nurl = 'redis://{SECRET}:{SECRET}@{quoted}'\n"
    );
    let direct = Config::loader().toml_str(document).env_source([("NONE", "")]).load();
    let variable = Config::loader()
        .toml_str(text)
        .env_source([("TASKER__COMMON__CACHE__REDIS__URL", format!("{SECRET}{text}"))])
        .load();
    for loaded in [direct, variable] {
        let said = match loaded {
            Ok(config) => format!("{config:?} {:?}", config.resolve()),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!said.contains(SECRET) || text.contains(SECRET), "{said}");
    }
});
