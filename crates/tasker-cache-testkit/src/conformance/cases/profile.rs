//! What a backend says about itself.

use tasker_cache_core::Backend;

use crate::conformance::Subject;

pub async fn a_ping_is_answered(subject: Subject) {
    subject.backend().ping().await.expect("the store is up");
}

pub async fn the_name_is_fit_for_logs_and_labels(subject: Subject) {
    subject.backend().ping().await.expect("the store is up");
    let name = subject.profile().name;

    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    assert!(!name.is_empty() && name.bytes().all(is_plain), "{name:?}");
}

pub async fn every_handle_has_one_profile(subject: Subject) {
    let another = subject.another().await;
    subject.backend().ping().await.expect("the store is up");
    another.ping().await.expect("the store is up");

    assert_eq!(another.profile(), subject.profile());
    let limits = subject.limits();
    assert!(limits.max_key_bytes >= 64, "a hash and a mark must fit");
    assert!(!limits.max_ttl.is_zero());
}
