//! What a store holds that others can write to.

use tasker_cache_core::envelope::{self, Decoded};
use tasker_cache_core::{Bytes, Fill, Key, Lookup, Nonce};

use crate::conformance::Subject;

fn nonce() -> Nonce {
    Nonce::random().expect("the system has randomness")
}

fn encoded(key: &Key, payload: &str) -> Bytes {
    envelope::value(key, nonce(), payload.as_bytes()).expect("far below 4 GiB")
}

pub async fn what_is_stored_proves_whose_it_is(subject: Subject) {
    if !subject.holds_bytes().await {
        return;
    }
    let keys = [subject.key("set"), subject.key("filled")];
    subject.set(&keys[0], "v").await;
    let lease = subject.lease(&keys[1]).await;
    assert_eq!(subject.fill(lease, "v").await, Fill::Stored);

    for key in keys {
        let bytes = subject.fixture().peek(&key).await.expect("just stored");
        let Decoded::Value { payload, .. } = envelope::decode(&key, &bytes) else {
            panic!("what is stored does not decode");
        };
        assert_eq!(payload, "v");
    }
}

/// Asserts that what is planted under a key is a miss, and that the key heals by a fill.
async fn assert_heals(subject: &Subject, key: &Key, planted: Bytes) {
    subject.fixture().plant(key, planted).await;

    assert_eq!(subject.get(key).await, None);
    let many = subject.backend().get_many(std::slice::from_ref(key)).await.expect("get_many");
    assert!(matches!(many.as_slice(), [None]));
    let lease = subject.lease(key).await;
    assert_eq!(subject.fill(lease, "healed").await, Fill::Stored);
    assert_eq!(subject.get(key).await, Some(Bytes::from("healed")));
}

pub async fn what_does_not_decode_is_a_miss_and_heals(subject: Subject) {
    if !subject.holds_bytes().await {
        return;
    }
    let whole = |key: &Key| encoded(key, "planted").to_vec();
    let damages: [fn(Vec<u8>) -> Vec<u8>; 6] = [
        |_| b"somebody else's".to_vec(),
        |_| b"T".to_vec(),
        |_| b"TC\x01\x01 but nothing more of it".to_vec(),
        |bytes| bytes[..bytes.len() - 1].to_vec(),
        |mut bytes| {
            bytes.push(b'!');
            bytes
        },
        |mut bytes| {
            bytes[envelope::HEADER_LEN] ^= 1;
            bytes
        },
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        let key = subject.key(number);
        assert_heals(&subject, &key, Bytes::from(damage(whole(&key)))).await;
    }
}

pub async fn the_value_of_another_key_is_a_miss(subject: Subject) {
    if !subject.holds_bytes().await {
        return;
    }
    let (key, other) = (subject.key("mine"), subject.key("another's"));

    assert_heals(&subject, &key, encoded(&other, "another's")).await;
}

pub async fn a_newer_format_is_a_miss_and_left_alone(subject: Subject) {
    if !subject.holds_bytes().await {
        return;
    }
    let key = subject.key("newer");
    let mut newer = encoded(&key, "from the future").to_vec();
    newer[2] += 1;
    let newer = Bytes::from(newer);
    subject.fixture().plant(&key, newer.clone()).await;

    assert_eq!(subject.get(&key).await, None);
    assert!(matches!(subject.look(&key).await, Lookup::Unleased));

    assert_eq!(subject.fixture().peek(&key).await, Some(newer));
}
