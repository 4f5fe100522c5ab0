//! The invalidations that are not yet applied.

use std::collections::HashMap;
use std::time::Duration;

use tasker_cache_core::{Key, Prefix};
use tokio::time::Instant;

/// What an invalidation is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    Key(Key),
    Prefix(Prefix),
}

impl Target {
    fn weight(&self) -> usize {
        match self {
            Self::Key(key) => key.as_str().len(),
            Self::Prefix(prefix) => prefix.as_str().len(),
        }
    }
}

/// Orders invalidations in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Token(u64);

/// Pending invalidations, at most [`MAX_TOKENS`](Journal::MAX_TOKENS) of them and
/// [`MAX_BYTES`](Journal::MAX_BYTES) of text: beyond that the largest region becomes pending as a
/// whole, or the whole cache where no region is large. Nothing is ever dropped.
///
/// A target keeps its latest token only: whatever applies the latest applies all of them.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    last: u64,
    keys: HashMap<Key, Token>,
    prefixes: HashMap<Prefix, PendingPrefix>,
    bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct PendingPrefix {
    token: Token,
    /// The mark that made it pending; later ones added to it.
    first: Token,
    /// How many marks since then were not withdrawn.
    marks: usize,
    /// When everything it covers has expired by itself; set where prefixes can't be deleted.
    expires: Option<Instant>,
}

/// What is pending at one moment, for a replay.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Whatever was marked until now; a delete sent later may clear up to this.
    pub(crate) upto: Token,
    pub(crate) keys: Vec<Key>,
    pub(crate) prefixes: Vec<Prefix>,
}

impl Journal {
    pub(crate) const MAX_TOKENS: usize = 10_000;
    pub(crate) const MAX_BYTES: usize = 1024 * 1024;

    /// A region that holds less than this part of the journal frees too little to be widened:
    /// that looks at every mark, so its cost is that of so many looks for each mark that it frees.
    const WORTH_WIDENING: usize = 16;

    pub(crate) fn len(&self) -> usize {
        self.keys.len() + self.prefixes.len()
    }

    pub(crate) fn keys(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn prefixes(&self) -> usize {
        self.prefixes.len()
    }

    /// Marks a target as pending.
    pub(crate) fn mark(&mut self, target: &Target) -> Token {
        self.last += 1;
        let token = Token(self.last);
        self.insert(target, token);
        if self.len() > Self::MAX_TOKENS || self.bytes > Self::MAX_BYTES {
            self.widen();
        }
        token
    }

    /// Tells whether an invalidation of this key is pending.
    pub(crate) fn covers(&self, key: &Key) -> bool {
        self.keys.contains_key(key)
            || (!self.prefixes.is_empty()
                && key.prefixes().any(|prefix| self.prefixes.contains_key(&prefix)))
    }

    /// Removes what an acknowledged delete of `target` has applied: tokens up to the one taken
    /// before that delete was sent.
    pub(crate) fn clear(&mut self, target: &Target, upto: Token) {
        match target {
            Target::Key(key) => {
                if self.keys.get(key).is_some_and(|token| *token <= upto) {
                    self.keys.remove(key);
                    self.bytes -= key.as_str().len();
                }
            }
            Target::Prefix(wide) => {
                let bytes = &mut self.bytes;
                self.keys.retain(|key, token| {
                    let keep = *token > upto || !wide.covers(key);
                    *bytes -= if keep { 0 } else { key.as_str().len() };
                    keep
                });
                self.prefixes.retain(|prefix, pending| {
                    let keep = pending.token > upto || !wide.covers_prefix(prefix);
                    *bytes -= if keep { 0 } else { prefix.as_str().len() };
                    keep
                });
            }
        }
    }

    /// Takes back the mark of a prefix that can't be deleted. Unlike an acknowledged delete it
    /// applies nothing: what other invalidations marked, there and below, stays.
    pub(crate) fn withdraw(&mut self, prefix: &Prefix, token: Token) {
        let Some(pending) = self.prefixes.get_mut(prefix).filter(|known| known.first <= token)
        else {
            return;
        };
        pending.marks -= 1;
        if pending.marks == 0 {
            self.prefixes.remove(prefix);
            self.bytes -= prefix.as_str().len();
        }
    }

    /// Leaves a prefix that can't be deleted to time: it stays pending until `expires`.
    pub(crate) fn expire_at(&mut self, prefix: &Prefix, upto: Token, expires: Instant) {
        if let Some(pending) = self.prefixes.get_mut(prefix)
            && pending.token <= upto
        {
            pending.expires.get_or_insert(expires);
        }
    }

    /// Clears the prefixes whose time has come.
    pub(crate) fn clear_expired(&mut self, now: Instant) {
        let bytes = &mut self.bytes;
        self.prefixes.retain(|prefix, pending| {
            let keep = pending.expires.is_none_or(|at| at > now);
            *bytes -= if keep { 0 } else { prefix.as_str().len() };
            keep
        });
    }

    /// Returns how long until the next prefix expires by itself.
    pub(crate) fn next_expiry(&self, now: Instant) -> Option<Duration> {
        let next = self.prefixes.values().filter_map(|pending| pending.expires).min()?;
        Some(next.saturating_duration_since(now))
    }

    /// Returns what a replay has to delete, the oldest first.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let waiting = self.prefixes.iter().filter(|(_, pending)| pending.expires.is_none());
        Snapshot {
            upto: Token(self.last),
            keys: by_age(self.keys.iter().map(|(key, token)| (*token, key))),
            prefixes: by_age(waiting.map(|(prefix, pending)| (pending.token, prefix))),
        }
    }

    fn insert(&mut self, target: &Target, token: Token) {
        let known = match target {
            Target::Key(key) => self.keys.insert(key.clone(), token).is_some(),
            Target::Prefix(prefix) => {
                let known = self.prefixes.get(prefix);
                let (first, marks) = known.map_or((token, 0), |known| (known.first, known.marks));
                // A later invalidation has to wait for the TTL anew.
                let pending = PendingPrefix { token, first, marks: marks + 1, expires: None };
                self.prefixes.insert(prefix.clone(), pending).is_some()
            }
        };
        if !known {
            self.bytes += target.weight();
        }
    }

    /// Replaces everything in the largest region by that region. Where no region is large enough
    /// for that to help, all raw keys are taken together, and then the whole cache.
    fn widen(&mut self) {
        let Some(wide) = self.widest() else {
            return;
        };
        let (wide, token) = (Target::Prefix(wide), Token(self.last));
        self.clear(&wide, token);
        self.insert(&wide, token);
    }

    /// Returns what is to become pending as a whole.
    fn widest(&self) -> Option<Prefix> {
        let keys = self.keys.keys().map(|key| (key.region_str(), key.is_raw(), key.as_str().len()));
        let prefixes = self.prefixes.keys();
        let prefixes =
            prefixes.map(|prefix| (prefix.region_str(), prefix.is_raw(), prefix.as_str().len()));
        // There may be as many regions as marks, so each costs no more than a reference. A raw key
        // and one of a region may have the same text.
        let mut sizes: HashMap<(&str, bool), usize> = HashMap::new();
        let mut raw_size = 0;
        for (region, is_raw, size) in keys.chain(prefixes) {
            *sizes.entry((region, is_raw)).or_default() += size;
            raw_size += if is_raw { size } else { 0 };
        }
        let ((largest, is_raw), size) = sizes.into_iter().max_by_key(|(_, size)| *size)?;
        let region =
            self.region(|region| region.as_str() == largest && region.is_raw() == is_raw)?;
        let is_worthwhile = |size: usize| size * Self::WORTH_WIDENING >= self.bytes;
        Some(if is_worthwhile(size) {
            region
        } else if is_worthwhile(raw_size) {
            self.region(Prefix::is_raw).and_then(|raw| raw.raw_root()).unwrap_or(region)
        } else {
            region.root()
        })
    }

    /// Returns a region of which something is marked.
    fn region(&self, is_wanted: impl Fn(&Prefix) -> bool) -> Option<Prefix> {
        let of_prefixes = self.prefixes.keys().map(Prefix::region_prefix);
        self.keys.keys().map(Key::region_prefix).chain(of_prefixes).find(is_wanted)
    }
}

fn by_age<'a, T: Clone + 'a>(pending: impl Iterator<Item = (Token, &'a T)>) -> Vec<T> {
    let mut pending: Vec<_> = pending.collect();
    pending.sort_unstable_by_key(|(token, _)| *token);
    pending.into_iter().map(|(_, target)| target.clone()).collect()
}

#[cfg(test)]
mod tests {
    use tasker_cache_core::KeyBuilder;

    use super::*;

    fn region() -> KeyBuilder {
        KeyBuilder::region("app", "session", 0)
    }

    fn key(segment: &str) -> Key {
        region().segment(segment).key()
    }

    fn target(segment: &str) -> Target {
        Target::Key(key(segment))
    }

    #[test]
    fn an_acknowledgement_clears_what_was_marked_before_it_was_sent() {
        let mut journal = Journal::default();
        let first = journal.mark(&target("a"));
        let second = journal.mark(&target("a"));

        journal.clear(&target("a"), first);
        assert!(journal.covers(&key("a")), "the second is not applied by the first's delete");

        journal.clear(&target("a"), second);
        assert!(!journal.covers(&key("a")));
        assert_eq!(journal.bytes, 0);
    }

    #[test]
    fn a_prefix_covers_what_is_below_it() {
        let mut journal = Journal::default();
        journal.mark(&Target::Prefix(region().segment("eu").prefix()));

        assert!(journal.covers(&key("eu")));
        assert!(journal.covers(&region().segment("eu").segment("7").key()));
        assert!(!journal.covers(&key("europe")));
    }

    #[test]
    fn a_deleted_prefix_clears_the_keys_below_it() {
        let mut journal = Journal::default();
        journal.mark(&target("eu"));
        journal.mark(&target("us"));
        let all = journal.mark(&Target::Prefix(region().prefix()));
        let late = journal.mark(&target("late"));

        journal.clear(&Target::Prefix(region().prefix()), all);

        assert!(late > all);
        assert_eq!((journal.keys(), journal.prefixes()), (1, 0));
        assert!(journal.covers(&key("late")));
    }

    #[test]
    fn the_text_of_the_keys_is_bounded_too() {
        let mut journal = Journal::default();
        let long = "x".repeat(1_000);

        for number in 0..2_000 {
            journal.mark(&target(&format!("{long}{number}")));
            assert!(journal.bytes <= Journal::MAX_BYTES);
        }

        assert!(journal.covers(&key("anything")), "the region is pending as a whole");
    }

    #[test]
    fn a_small_region_is_not_widened_for_a_large_one() {
        let mut journal = Journal::default();
        journal.mark(&Target::Key(KeyBuilder::region("app", "small", 0).segment("a").key()));

        for number in 0..=Journal::MAX_TOKENS {
            journal.mark(&target(&number.to_string()));
        }

        assert!(!journal.covers(&KeyBuilder::region("app", "small", 0).segment("b").key()));
        assert!(journal.covers(&KeyBuilder::region("app", "small", 0).segment("a").key()));
        assert!(journal.covers(&key("b")));
    }

    /// Marks 100,000 keys, each of the region that `region` names, and checks that all stay covered.
    fn mark_many(region: impl Fn(usize) -> KeyBuilder) -> Journal {
        let mut journal = Journal::default();
        let key = |number| region(number).segment(number).key();
        for number in 0..100_000 {
            journal.mark(&Target::Key(key(number)));
            assert!(journal.len() <= Journal::MAX_TOKENS && journal.bytes <= Journal::MAX_BYTES);
        }
        assert!((0..100_000).all(|number| journal.covers(&key(number))), "one was forgotten");
        journal
    }

    #[test]
    fn regions_with_one_key_each_become_pending_together() {
        let journal = mark_many(|number| KeyBuilder::region("app", &format!("r{number}"), 0));

        assert_eq!(journal.snapshot().prefixes, [region().prefix().root()]);
        assert!(journal.covers(&KeyBuilder::raw("app").segment("any").key()));
        assert!(!journal.covers(&KeyBuilder::raw("other").segment("any").key()));
    }

    #[test]
    fn raw_keys_of_many_first_segments_become_pending_without_the_regions() {
        let journal = mark_many(|_| KeyBuilder::raw("app"));

        assert!(journal.covers(&KeyBuilder::raw("app").segment("any").key()));
        assert!(!journal.covers(&key("any")));
    }

    #[test]
    fn a_few_regions_of_equal_size_become_pending_one_by_one() {
        let journal =
            mark_many(|number| KeyBuilder::region("app", &format!("r{}", number % 10), 0));

        assert!(journal.covers(&KeyBuilder::region("app", "r3", 0).segment("any").key()));
        assert!(!journal.covers(&key("any")));
    }

    #[test]
    fn looking_for_what_to_widen_is_done_seldom() {
        let mut journal = Journal::default();
        let mut widened = 0;
        for number in 0..100_000_usize {
            let region = KeyBuilder::region("app", &format!("r{}", number % 64), 0);
            let before = journal.len();
            journal.mark(&Target::Key(region.segment(number).key()));
            widened += usize::from(journal.len() <= before);
        }
        // Each looks at 10,000 marks.
        assert!(widened <= 100_000 / (Journal::MAX_TOKENS / (2 * Journal::WORTH_WIDENING)));
    }

    #[test]
    fn a_withdrawn_prefix_leaves_what_others_marked_below_it() {
        let mut journal = Journal::default();
        journal.mark(&target("deferred"));
        let all = region().prefix();
        let token = journal.mark(&Target::Prefix(all.clone()));

        journal.withdraw(&all, token);

        assert!(journal.covers(&key("deferred")));
        assert!(!journal.covers(&key("other")));
    }

    #[test]
    fn a_prefix_is_pending_until_its_last_mark_is_withdrawn() {
        let mut journal = Journal::default();
        let all = region().prefix();
        let marks = [0; 3].map(|_| journal.mark(&Target::Prefix(all.clone())));

        journal.withdraw(&all, marks[1]);
        journal.withdraw(&all, marks[0]);
        assert!(journal.covers(&key("a")), "the third is not settled");

        journal.withdraw(&all, marks[2]);
        assert_eq!((journal.len(), journal.bytes), (0, 0));
        journal.mark(&Target::Prefix(all.clone()));
        journal.withdraw(&all, marks[2]);
        assert!(journal.covers(&key("a")), "a later mark is not an earlier one's to withdraw");
    }

    #[test]
    fn a_prefix_that_expires_is_not_replayed_and_ends_by_itself() {
        let mut journal = Journal::default();
        let prefix = region().prefix();
        let token = journal.mark(&Target::Prefix(prefix.clone()));
        let now = Instant::now();
        let hour = Duration::from_secs(3_600);

        journal.expire_at(&prefix, token, now + hour);

        assert!(journal.snapshot().prefixes.is_empty());
        assert_eq!(journal.next_expiry(now), Some(hour));
        journal.clear_expired(now + hour - Duration::from_millis(1));
        assert!(journal.covers(&key("a")));
        journal.clear_expired(now + hour);
        assert!(!journal.covers(&key("a")));
    }

    #[test]
    fn a_later_invalidation_of_an_expiring_prefix_waits_anew() {
        let mut journal = Journal::default();
        let prefix = region().prefix();
        let token = journal.mark(&Target::Prefix(prefix.clone()));
        journal.expire_at(&prefix, token, Instant::now());

        journal.mark(&Target::Prefix(prefix.clone()));
        journal.expire_at(&prefix, token, Instant::now());
        journal.clear_expired(Instant::now());

        assert!(journal.covers(&key("a")));
    }
}
