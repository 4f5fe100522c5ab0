//! Invalidations: mark and seal, delete, and clear the mark once that is acknowledged.

use std::fmt;
use std::sync::Arc;

use tasker_cache_core::{ErrorKind, Key};

use crate::counters::Counting;
use crate::inner::Inner;
use crate::leading::{self, Leading};
use crate::ledger::{Target, Token};
use crate::mutants::{Mutant, planted};

/// What became of an invalidation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Invalidation {
    /// No later read, in any process, returns what was cached before.
    Applied,
    /// The backend did not acknowledge it. This process bypasses what it covers until it is
    /// applied, which the cache sees to by itself; other processes may serve the old value until
    /// then.
    Deferred,
    /// The backend can't delete by prefix: entries are served until their TTL is over.
    Unsupported,
    /// This process could not configure its backend, so other processes may hold the entry.
    Unavailable,
}

impl Invalidation {
    /// Returns the outcome as it stands in logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Deferred => "deferred",
            Self::Unsupported => "unsupported",
            Self::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for Invalidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Invalidates a target. `unused` tells that nothing of it was ever stored.
///
/// # Cancel safety
///
/// The mark is set when the future is first polled. Dropping it later leaves the rest to recovery.
pub(crate) async fn invalidate(
    cache: &Arc<Inner>,
    counters: &Counting,
    target: Target,
    unused: bool,
) -> Invalidation {
    counters.invalidations.increment();
    let cannot = !cache.profile.can_delete_prefix && matches!(target, Target::Prefix(_));
    if cannot && cache.profile.stores && !unused {
        leading::tell(cache, cache.ledger.seal(&target), None);
        return Invalidation::Unsupported;
    }
    let marked = Marked::new(cache, target);
    apply(cache, counters, marked, unused).await
}

/// Invalidates a key whose current value is known, and reserves the right to fill it: a later
/// invalidation in this process takes that away.
pub(crate) async fn replace(
    cache: &Arc<Inner>,
    counters: &Counting,
    key: Key,
    unused: bool,
) -> (Invalidation, Leading) {
    counters.invalidations.increment();
    let (marked, leading) = Marked::and_reserved(cache, key);
    (apply(cache, counters, marked, unused).await, leading)
}

async fn apply(
    cache: &Arc<Inner>,
    counters: &Counting,
    marked: Marked<'_>,
    unused: bool,
) -> Invalidation {
    if unused || !cache.profile.stores {
        marked.clear();
        return if cache.identity.stand_in {
            Invalidation::Unavailable
        } else {
            Invalidation::Applied
        };
    }
    let deleted = match &marked.target {
        Target::Key(key) => cache.backend.delete(key).await.map(drop),
        Target::Prefix(prefix) => cache.backend.delete_prefix(prefix).await.map(drop),
    };
    match deleted {
        Ok(()) => {
            marked.clear();
            Invalidation::Applied
        }
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            marked.withdraw();
            Invalidation::Unsupported
        }
        Err(error) => {
            counters.deferred.increment();
            cache.note_failure(&error);
            if planted(Mutant::NoJournal) {
                marked.clear();
            }
            Invalidation::Deferred
        }
    }
}

/// A target that is pending until it is cleared. Dropped before that, it is left to recovery.
struct Marked<'a> {
    cache: &'a Arc<Inner>,
    target: Target,
    token: Token,
    cleared: bool,
}

impl<'a> Marked<'a> {
    fn new(cache: &'a Arc<Inner>, target: Target) -> Self {
        let (token, sealed) = cache.ledger.mark(&target);
        leading::tell(cache, sealed, None);
        Self { cache, target, token, cleared: false }
    }

    /// Marks a key, and in the same critical section reserves the right to fill it.
    fn and_reserved(cache: &'a Arc<Inner>, key: Key) -> (Self, Leading) {
        let target = Target::Key(key.clone());
        let (token, sealed, id) = cache.ledger.mark_and_reserve(&target, &key);
        leading::tell(cache, sealed, None);
        let leading = Leading::new(Arc::clone(cache), key, id, None);
        (Self { cache, target, token, cleared: false }, leading)
    }

    fn clear(mut self) {
        self.cache.ledger.clear(&self.target, self.token);
        self.cleared = true;
    }

    /// Takes the mark back although nothing was deleted.
    fn withdraw(mut self) {
        match &self.target {
            Target::Key(_) => self.cache.ledger.clear(&self.target, self.token),
            Target::Prefix(prefix) => self.cache.ledger.withdraw(prefix, self.token),
        }
        self.cleared = true;
    }
}

impl Drop for Marked<'_> {
    fn drop(&mut self) {
        self.cache.telemetry.publish(self.cache);
        if !self.cleared {
            self.cache.see_to_recovery();
        }
    }
}
