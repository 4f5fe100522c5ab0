//! The right to make one call, and the duty to tell what came of it.

use std::fmt;
use std::sync::Arc;

use crate::CircuitBreaker;

/// The right to make one call, granted by a [`CircuitBreaker`].
///
/// Tell it how the call ended. A permit that is dropped counts nothing, and if it was the probe
/// of a half-open circuit its slot is free again. What is told after the circuit went into
/// another state counts nothing either.
#[must_use = "a permit that is dropped counts nothing"]
pub struct Permit<'a> {
    breaker: Holder<'a>,
    /// The period that it was granted in, until something was told.
    epoch: Option<u64>,
}

enum Holder<'a> {
    Borrowed(&'a CircuitBreaker),
    Owned(Arc<CircuitBreaker>),
}

impl<'a> Permit<'a> {
    pub(crate) fn borrowed(breaker: &'a CircuitBreaker, epoch: u64) -> Self {
        Self { breaker: Holder::Borrowed(breaker), epoch: Some(epoch) }
    }

    pub(crate) fn owned(breaker: Arc<CircuitBreaker>, epoch: u64) -> Permit<'static> {
        Permit { breaker: Holder::Owned(breaker), epoch: Some(epoch) }
    }

    /// Tells that the call went well.
    ///
    /// In a closed circuit the count of failures starts again; in a half-open one this is one of
    /// the successes that close it.
    pub fn success(mut self) {
        if let Some(epoch) = self.epoch.take() {
            self.breaker().succeed(epoch);
        }
    }

    /// Tells that the call failed, and that the other side is to blame.
    ///
    /// In a closed circuit this is one of the failures that open it; in a half-open one it opens
    /// the circuit at once.
    pub fn failure(mut self) {
        if let Some(epoch) = self.epoch.take() {
            self.breaker().fail(epoch);
        }
    }

    /// Tells that the outcome says nothing about the other side's health: the same as dropping
    /// the permit, in words.
    pub fn neutral(self) {
        drop(self);
    }

    fn breaker(&self) -> &CircuitBreaker {
        match &self.breaker {
            Holder::Borrowed(breaker) => breaker,
            Holder::Owned(breaker) => breaker,
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if let Some(epoch) = self.epoch.take() {
            self.breaker().give_back(epoch);
        }
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}
