//! Replacing and deleting.

use tasker_cache_core::{Bytes, Entry, ErrorKind, Key};

use crate::conformance::Subject;
use crate::conformance::subject::minutes;

/// A payload that a backend without limits still takes.
const LARGE: usize = 3 * 1024 * 1024;

pub async fn a_later_set_replaces_an_earlier_one(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let key = subject.key("replaced");

    for value in ["first, and longer", "second", ""] {
        subject.set(&key, value).await;
        assert_eq!(subject.get(&key).await, Some(Bytes::from(value)));
    }
}

pub async fn a_delete_tells_whether_there_was_an_entry(subject: Subject) {
    let key = subject.key("deleted");
    assert!(!subject.delete(&key).await, "nothing is there yet");
    if !subject.stores().await {
        return;
    }

    subject.set(&key, "here").await;

    assert!(subject.delete(&key).await);
    assert_eq!(subject.get(&key).await, None);
    assert!(!subject.delete(&key).await, "it is gone");
}

pub async fn delete_many_deletes_these_and_no_other(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let keys: Vec<Key> = (0..300).map(|number| subject.key(number)).collect();
    for key in keys.iter().step_by(2) {
        subject.set(key, "v").await;
    }
    let kept = subject.key("kept");
    subject.set(&kept, "v").await;

    subject.backend().delete_many(&keys).await.expect("delete_many");

    let left = subject.backend().get_many(&keys).await.expect("get_many");
    assert!(left.iter().all(Option::is_none));
    assert!(subject.get(&kept).await.is_some());
}

pub async fn no_keys_are_deleted_at_once(subject: Subject) {
    subject.backend().delete_many(&[]).await.expect("nothing to do");
}

pub async fn an_entry_over_the_limit_is_refused_and_hides_the_old_one(subject: Subject) {
    if !subject.stores().await {
        return;
    }
    let (key, limit) = (subject.key("large"), subject.limits().max_value_bytes);
    subject.set(&key, "old").await;
    if limit >= LARGE {
        subject.set(&key, vec![7; LARGE]).await;
        assert_eq!(subject.get(&key).await.map(|payload| payload.len()), Some(LARGE));
        return;
    }

    let large = Entry::new(vec![7; limit + 1]);
    let error = subject.backend().set(&key, large, minutes()).await.expect_err("too large");

    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(subject.get(&key).await, None);
    subject.set(&key, vec![7; limit]).await;
    assert_eq!(subject.get(&key).await.map(|payload| payload.len()), Some(limit));
}
