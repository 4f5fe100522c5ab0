//! Any text as configuration: it loads or is refused in one line, and never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tasker_cache::Config;

fuzz_target!(|text: &str| {
    let variables = [("SET", "value"), ("EMPTY", ""), ("NESTED", "${SET}")];
    // As a whole document, and as a text in one that is valid.
    let whole = Config::loader().toml_str(text).env_source(variables).load();
    let quoted = text.chars().fold(String::new(), |all, c| all + &escaped(c));
    let document = format!("[common.cache]\nkey_prefix = \"{quoted}\"\n");
    let inner = Config::loader().toml_str(document).env_source(variables).load();
    for loaded in [whole, inner] {
        match loaded {
            Ok(config) => {
                let resolved = config.resolve().expect("what was loaded is valid");
                assert!((1..=64).contains(&resolved.key_prefix.len()));
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});

fn escaped(c: char) -> String {
    if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\U{:08X}", u32::from(c)) }
}
