//! Parts of the protocol that the tests' own tests leave out, one at a time.
//!
//! Without the private `--cfg tasker_cache_mutants` nothing of this is left in the code.

/// A part of the protocol that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(tasker_cache_mutants),
    expect(unreachable_pub, reason = "public only for the tests that plant one")
)]
pub enum Mutant {
    /// An invalidation does not seal flights, and pending keys are filled.
    NoSeal,
    /// What could not be deleted is forgotten.
    NoJournal,
    /// Reads go on while an invalidation is pending.
    ReadBeforeReplay,
    /// Whoever waits for a flight gets its value.
    JoinAnyFlight,
    /// So does who joins after the fill was sent, if it was stored.
    JoinAfterTheSend,
}

#[cfg(tasker_cache_mutants)]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Leaves a part out, or none, in what runs on this thread.
#[cfg(tasker_cache_mutants)]
pub fn plant(mutant: Option<Mutant>) {
    PLANTED.set(mutant);
}

#[cfg(tasker_cache_mutants)]
pub(crate) fn planted(mutant: Mutant) -> bool {
    PLANTED.get() == Some(mutant)
}

#[cfg(not(tasker_cache_mutants))]
pub(crate) const fn planted(_: Mutant) -> bool {
    false
}
