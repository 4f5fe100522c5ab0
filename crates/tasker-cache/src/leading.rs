//! The right to lead a flight, which passes on when its holder is dropped.

use std::sync::Arc;

use tasker_cache_core::{Key, Lease};
use tokio::runtime::Handle;

use crate::inner::Inner;
use crate::ledger::{FlightId, Outcome, Value, Verdict};

/// The right to lead one flight. Whoever drops it without ending the flight, be it by a cancelled
/// future or by a panic, hands it to a follower together with the lease.
#[derive(Debug)]
#[must_use]
pub(crate) struct Leading {
    cache: Arc<Inner>,
    key: Key,
    id: FlightId,
    lease: Option<Lease>,
    ended: bool,
}

impl Leading {
    pub(crate) fn new(cache: Arc<Inner>, key: Key, id: FlightId, lease: Option<Lease>) -> Self {
        Self { cache, key, id, lease, ended: false }
    }

    pub(crate) fn id(&self) -> FlightId {
        self.id
    }

    pub(crate) fn has_lease(&self) -> bool {
        self.lease.is_some()
    }

    /// Gives the flight a lease that was granted before its load begins.
    pub(crate) fn attach(&mut self, lease: Lease) {
        self.lease = Some(lease);
    }

    pub(crate) fn begin(&self) {
        self.cache.ledger.begin(&self.key, self.id);
    }

    /// Takes the lease to fill with, or to give back; from here on no follower gets it.
    pub(crate) fn take_lease(&mut self) -> Option<Lease> {
        self.lease.take()
    }

    /// Announces the fill; false when the flight is sealed and must not fill.
    pub(crate) fn send(&self) -> bool {
        self.cache.ledger.send(&self.key, self.id)
    }

    /// Ends the flight with a value.
    pub(crate) fn finish(mut self, value: &Value, stored: bool) {
        let outcome = self.cache.ledger.finish(&self.key, self.id, value, stored);
        self.end(outcome);
    }

    /// Ends the flight because the loader failed; the error is its caller's own.
    pub(crate) fn fail(mut self) {
        let outcome = self.cache.ledger.fail(&self.key, self.id);
        self.end(outcome);
    }

    fn end(&mut self, outcome: Outcome<Self>) {
        self.ended = true;
        tell(&self.cache, outcome, self.lease.take());
    }
}

impl Drop for Leading {
    fn drop(&mut self) {
        if !self.ended {
            let outcome = self.cache.ledger.abandon(&self.key, self.id);
            self.end(outcome);
        }
    }
}

/// Tells followers what became of their flight. A new leader gets the lease; without one it is
/// given back.
pub(crate) fn tell(cache: &Arc<Inner>, outcome: Outcome<Leading>, mut lease: Option<Lease>) {
    for (reply, verdict) in outcome.verdicts {
        // A follower that is gone needs no answer.
        let _ = reply.send(verdict);
    }
    for (key, id, reply) in outcome.leaders {
        let leading = Leading::new(Arc::clone(cache), key, id, lease.take());
        // A follower that left just now gives its right to the next one by dropping it.
        let _ = reply.send(Verdict::Lead(leading));
    }
    if let Some(lease) = lease {
        release(cache, lease);
    }
}

/// Gives a lease back, in a task of its own; without a runtime it expires instead.
pub(crate) fn release(cache: &Inner, lease: Lease) {
    if let Ok(runtime) = Handle::try_current() {
        let backend = Arc::clone(&cache.backend);
        runtime.spawn(async move { backend.release(lease).await });
    }
}
