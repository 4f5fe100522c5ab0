//! Reading what was stored.

use tasker_cache_core::{Bytes, Key, Lookup};

use crate::conformance::Subject;
use crate::conformance::subject::get;

pub async fn a_miss_is_none(subject: Subject) {
    let key = subject.key("never stored");

    assert_eq!(subject.get(&key).await, None);
    let many = subject.backend().get_many(&[key]).await.expect("get_many");
    assert!(matches!(many.as_slice(), [None]));
}

pub async fn every_payload_comes_back_whole(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let payloads = [
        Bytes::new(),
        Bytes::from_static(b"\0"),
        Bytes::from_static(b"\r\n"),
        Bytes::from_static(b"END\r\nVALUE k 0 1\r\nx\r\nEND\r\n"),
        Bytes::from_static(b"$-1\r\n+OK\r\n*0\r\n"),
        Bytes::from(every_byte.repeat(5)),
        Bytes::from(every_byte.repeat(1_024)),
    ];
    for (number, payload) in payloads.into_iter().enumerate() {
        let key = subject.key(number);
        subject.set(&key, payload.clone()).await;
        assert_eq!(subject.get(&key).await, Some(payload), "payload {number}");
    }
}

pub async fn answers_stand_in_the_order_of_their_keys(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let keys: Vec<Key> = (0..200).map(|number| subject.key(number)).collect();
    for (number, key) in keys.iter().enumerate().step_by(3) {
        subject.set(key, number.to_string()).await;
    }

    let asked: Vec<Key> = keys.iter().rev().chain(&keys[..3]).cloned().collect();
    let answers = subject.backend().get_many(&asked).await.expect("get_many");

    let numbers = (0..200).rev().chain(0..3);
    assert_eq!(answers.len(), asked.len());
    for (number, answer) in numbers.zip(answers) {
        let expected = (number % 3 == 0).then(|| Bytes::from(number.to_string()));
        assert_eq!(answer.map(|entry| entry.payload().clone()), expected, "key {number}");
    }
}

pub async fn no_keys_are_no_answers(subject: Subject) {
    let answers = subject.backend().get_many(&[]).await.expect("get_many");

    assert!(answers.is_empty());
}

pub async fn what_one_handle_stores_another_reads(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let (key, another) = (subject.key("shared"), subject.another().await);

    subject.set(&key, "one").await;
    assert_eq!(get(&*another, &key).await, Some(Bytes::from_static(b"one")));
    assert!(another.delete(&key).await.expect("delete"));
    assert_eq!(subject.get(&key).await, None);
}

pub async fn a_hit_comes_without_a_lease(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let key = subject.key("hit");
    subject.set(&key, "here").await;

    let Lookup::Hit(entry) = subject.look(&key).await else {
        panic!("expected a hit");
    };
    assert_eq!(entry.payload(), "here");
}
