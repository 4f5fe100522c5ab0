//! Two keys that are not equal never share a value.

use std::collections::HashSet;

use tasker_cache_core::{Bytes, Key, KeyBuilder};

use crate::conformance::Subject;

/// Stores another value under each of these keys, and reads all of them back.
async fn assert_apart(subject: &Subject, keys: &[Key]) {
    let different: HashSet<&Key> = keys.iter().collect();
    assert_eq!(different.len(), keys.len(), "the case has different keys");
    for (number, key) in keys.iter().enumerate() {
        subject.set(key, number.to_string()).await;
    }
    for (number, key) in keys.iter().enumerate() {
        let expected = Some(Bytes::from(number.to_string()));
        assert_eq!(subject.get(key).await, expected, "key {number}");
    }
}

pub async fn every_segment_makes_a_key_of_its_own(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let segments = [
        "",
        " ",
        "%",
        "%%",
        "%25",
        ":",
        "a:b",
        "a\r\nb",
        "a\0b",
        "a\tb",
        "\u{7f}",
        "ä",
        "鍵",
        "\u{1f511}",
        "get k\r\n",
        "*",
        "?",
        "[a]",
        "\\",
        "{a}",
        "{",
        "$6",
        "-1",
        "@3",
    ];
    let mut keys: Vec<Key> = segments.iter().map(|segment| subject.key(segment)).collect();
    keys.push(subject.region("r").segment("a").segment("b").key());
    keys.push(subject.region("r").segment("").segment("").key());
    keys.push(subject.region("r").key());

    assert_apart(&subject, &keys).await;
}

pub async fn keys_of_one_text_share_no_value(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let keys = [
        subject.region("a").segment("b").segment("c").key(),
        subject.region("a:b").segment("c").key(),
        KeyBuilder::raw(subject.prefix()).segment("a").segment("b").segment("c").key(),
    ];
    assert!(keys.iter().all(|key| key.as_str() == keys[0].as_str()));

    for (number, key) in keys.iter().enumerate() {
        let value = Bytes::from(number.to_string());
        subject.set(key, value.clone()).await;
        assert_eq!(subject.get(key).await, Some(value));
        for other in keys.iter().filter(|other| *other != key) {
            let seen = subject.get(other).await;
            assert!(seen.is_none_or(|seen| seen != number.to_string()), "another key's value");
        }
    }
}

pub async fn keys_over_the_limit_are_told_apart(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let long = "x".repeat(10_000);
    let keys = [
        subject.key(format!("{long}a")),
        subject.key(format!("{long}b")),
        subject.key(&long),
        subject.key(&long[..249]),
        subject.key(&long[..250]),
        subject.key(&long[..251]),
        subject.region(&long).segment("a").key(),
        subject.region(&long).segment("b").key(),
    ];

    assert_apart(&subject, &keys).await;
}

pub async fn prefixes_regions_and_versions_are_told_apart(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let prefix = subject.prefix();
    let other = format!("{prefix}-other");
    let keys = [
        KeyBuilder::region(prefix, "r", 0).segment("k").key(),
        KeyBuilder::region(prefix, "r", 1).segment("k").key(),
        KeyBuilder::region(prefix, "r", 11).segment("k").key(),
        KeyBuilder::region(prefix, "R", 0).segment("k").key(),
        KeyBuilder::region(&other, "r", 0).segment("k").key(),
        KeyBuilder::raw(&other).segment("k").key(),
        KeyBuilder::raw(prefix).segment("k").key(),
    ];

    assert_apart(&subject, &keys).await;
}
