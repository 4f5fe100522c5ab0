//! Two lists of segments: they give one text only if they are one list, and the text is harmless.
#![no_main]

use std::str;

use libfuzzer_sys::fuzz_target;
use tasker_cache_core::{Key, KeyBuilder};

/// Ends a list of segments, or a segment; neither is valid UTF-8.
const LIST_END: u8 = 0xFF;
const SEGMENT_END: u8 = 0xFE;

/// What the narrowest backend takes.
const LIMIT: usize = 250;

fn segments(bytes: &[u8]) -> Option<Vec<&str>> {
    bytes.split(|byte| *byte == SEGMENT_END).map(|segment| str::from_utf8(segment).ok()).collect()
}

fn builder(segments: &[&str]) -> KeyBuilder {
    segments.iter().fold(KeyBuilder::region("fuzz", "keys", 0), |all, one| all.segment(one))
}

fn check(key: &Key) {
    assert!(key.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{}", key.as_str());
    let fitted = key.fit(LIMIT);
    assert!(!fitted.is_empty() && fitted.len() <= LIMIT);
    assert!(fitted.bytes().all(|byte| byte.is_ascii_graphic()));
}

fuzz_target!(|bytes: &[u8]| {
    let mut lists = bytes.splitn(2, |byte| *byte == LIST_END).map(segments);
    let (Some(Some(one)), Some(Some(other))) = (lists.next(), lists.next()) else {
        return;
    };
    let (key, other_key) = (builder(&one).key(), builder(&other).key());
    check(&key);
    check(&other_key);
    let is_same = one == other;
    assert_eq!(key.as_str() == other_key.as_str(), is_same);
    assert_eq!(key == other_key, is_same);
    assert_eq!(key.fingerprint() == other_key.fingerprint(), is_same);
    assert_eq!(key.fit(LIMIT) == other_key.fit(LIMIT), is_same);
    assert_eq!(builder(&one).prefix().covers(&other_key), other.starts_with(&one));
});
