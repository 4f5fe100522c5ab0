//! Deleting everything below a prefix.

use tasker_cache_core::{ErrorKind, Fill, Key, KeyBuilder, Prefix, Refusal};

use crate::conformance::Subject;

impl Subject {
    /// Tells whether prefixes can be deleted. Where they can't, it checks that this is refused and
    /// deletes nothing.
    async fn deletes_prefixes(&self) -> bool {
        let can = self.profile().can_delete_prefix;
        if !can {
            let key = self.key("stays");
            self.set(&key, "v").await;
            let refused = self.backend().delete_prefix(&self.region("r").prefix()).await;
            assert_eq!(refused.expect_err("declared so").kind(), ErrorKind::Unsupported);
            assert!(self.get(&key).await.is_some());
        }
        can
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> u64 {
        self.backend().delete_prefix(prefix).await.expect("delete_prefix")
    }

    /// Stores these keys, deletes a prefix, and checks which keys are gone.
    async fn assert_deletes(&self, prefix: &Prefix, gone: &[Key], kept: &[Key]) {
        for key in gone.iter().chain(kept) {
            self.set(key, "v").await;
        }
        assert_eq!(self.delete_prefix(prefix).await, gone.len() as u64);
        for key in gone {
            assert_eq!(self.get(key).await, None, "{} is covered", key.as_str());
        }
        for key in kept {
            assert!(self.get(key).await.is_some(), "{} is not covered", key.as_str());
        }
        assert_eq!(self.delete_prefix(prefix).await, 0, "nothing is left");
    }
}

pub async fn a_prefix_covers_its_own_key_and_all_below(subject: Subject) {
    if !subject.stores().await || !subject.deletes_prefixes().await {
        return;
    }
    let base = || subject.region("r").segment("a");
    let gone = [base().key(), base().segment("b").key(), base().segment("").segment("c").key()];
    let kept = [
        subject.key("ab"),
        subject.key("b"),
        subject.region("r").key(),
        subject.region("r2").segment("a").key(),
    ];

    subject.assert_deletes(&base().prefix(), &gone, &kept).await;
}

pub async fn what_only_looks_alike_stays(subject: Subject) {
    if !subject.stores().await || !subject.deletes_prefixes().await {
        return;
    }
    let names = ["*", "?", "[ab]", "[^a]", "\\", "a*", "-", "%"];
    for name in names {
        let base = || subject.region("globs").segment(name);
        let others = names.iter().filter(|other| **other != name);
        let mut kept: Vec<Key> =
            others.map(|other| subject.region("globs").segment(other).segment("x").key()).collect();
        kept.push(subject.region("globs").segment("a").segment("x").key());
        kept.push(subject.region("globs").segment("abc").key());

        subject.assert_deletes(&base().prefix(), &[base().segment("x").key()], &kept).await;
    }
}

pub async fn a_region_is_deleted_as_a_whole(subject: Subject) {
    if !subject.stores().await || !subject.deletes_prefixes().await {
        return;
    }
    let region = |version| KeyBuilder::region(subject.prefix(), "r", version);
    let gone: Vec<Key> = (0..10).map(|number| region(0).segment(number).key()).collect();
    let kept = [
        region(1).segment(1).key(),
        subject.region("rr").segment(1).key(),
        KeyBuilder::raw(subject.prefix()).segment("raw").key(),
    ];

    subject.assert_deletes(&region(0).prefix(), &gone, &kept).await;
}

pub async fn thousands_of_keys_are_deleted(subject: Subject) {
    if !subject.stores().await || !subject.deletes_prefixes().await {
        return;
    }
    let gone: Vec<Key> = (0..2_500)
        .map(|number| subject.region("r").segment("many").segment(number).key())
        .collect();
    let kept = [subject.key("few")];

    let prefix = subject.region("r").segment("many").prefix();
    subject.assert_deletes(&prefix, &gone, &kept).await;
}

pub async fn a_fill_after_a_delete_of_its_prefix_is_refused(subject: Subject) {
    if !subject.stores().await || !subject.deletes_prefixes().await {
        return;
    }
    let key = subject.key("cold");
    let lease = subject.lease(&key).await;

    subject.delete_prefix(&subject.region("r").prefix()).await;

    assert_eq!(subject.fill(lease, "late").await, Fill::Refused(Refusal::Revoked));
    assert_eq!(subject.get(&key).await, None);
}
