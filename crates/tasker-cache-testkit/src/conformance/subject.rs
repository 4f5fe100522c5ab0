//! What a case works with: a store, clients of it, and keys that nobody else has.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tasker_cache_core::{
    Backend, Bytes, Entry, Fill, Key, KeyBuilder, Lease, Limits, Lookup, Nonce, Profile, Refusal,
    Ttl,
};
use tokio::time::{Instant, sleep};

use super::Fixture;

/// Long enough for every entry of a case that is not about time.
pub(super) const MINUTES: Duration = Duration::from_secs(600);

/// Whatever has not happened by then doesn't.
const PATIENCE: Duration = Duration::from_secs(60);

/// The store that a case is run against.
pub struct Subject {
    fixture: Box<dyn Fixture>,
    backend: Arc<dyn Backend>,
    prefix: String,
}

impl Subject {
    pub(super) async fn new(fixture: impl Fixture) -> Self {
        let backend = fixture.backend().await;
        let prefix = format!("conformance-{:016x}", fastrand::u64(..));
        Self { fixture: Box::new(fixture), backend, prefix }
    }

    pub(super) fn fixture(&self) -> &dyn Fixture {
        &*self.fixture
    }

    pub(super) fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// Returns another client of the store.
    pub(super) async fn another(&self) -> Arc<dyn Backend> {
        self.fixture.backend().await
    }

    pub(super) fn profile(&self) -> Profile {
        self.backend.profile()
    }

    pub(super) fn limits(&self) -> Limits {
        self.profile().limits
    }

    /// Starts a key of this case's own prefix.
    pub(super) fn region(&self, path: &str) -> KeyBuilder {
        KeyBuilder::region(&self.prefix, path, 0)
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn key(&self, segment: impl fmt::Display) -> Key {
        self.region("r").segment(segment).key()
    }

    /// Tells whether the backend stores anything. One that doesn't is checked for that instead.
    pub(super) async fn stores(&self) -> bool {
        let stores = self.profile().stores;
        if !stores {
            let key = self.key("nothing is stored");
            self.set(&key, "v").await;
            assert_eq!(self.get(&key).await, None);
            assert!(matches!(self.look(&key).await, Lookup::Unleased));
            let filled = self.fill(Lease::new(key.clone(), [0; 32]), "v").await;
            assert_eq!(filled, Fill::Refused(Refusal::Unsupported));
            assert!(!self.delete(&key).await);
        }
        stores
    }

    /// Tells whether the store holds bytes. One that keeps entries is checked for that instead.
    pub(super) async fn holds_bytes(&self) -> bool {
        let holds = self.fixture.holds_bytes();
        if !holds && self.stores().await {
            let (key, value) = (self.key("kept as it is"), Arc::new(7_u64));
            let entry = Entry::with_decoded("7", Arc::clone(&value));
            self.backend.set(&key, entry, minutes()).await.expect("set");
            let read = self.backend.get(&key).await.expect("get").expect("just stored");
            assert!(read.decoded().is_some_and(|kept| Arc::ptr_eq(&kept, &value)));
        }
        holds
    }

    pub(super) async fn get(&self, key: &Key) -> Option<Bytes> {
        get(&*self.backend, key).await
    }

    pub(super) async fn set(&self, key: &Key, value: impl Into<Bytes>) {
        self.backend.set(key, Entry::new(value), minutes()).await.expect("set");
    }

    pub(super) async fn delete(&self, key: &Key) -> bool {
        self.backend.delete(key).await.expect("delete")
    }

    pub(super) async fn look(&self, key: &Key) -> Lookup {
        self.backend.get_or_lease(key, MINUTES).await.expect("get_or_lease")
    }

    /// Reads a key that has neither a value nor a holder.
    pub(super) async fn lease(&self, key: &Key) -> Lease {
        leased(self.look(key).await)
    }

    /// Reads a key that somebody else has leased.
    pub(super) async fn holder(&self, key: &Key) -> Nonce {
        match self.look(key).await {
            Lookup::Held(nonce) => nonce,
            other => panic!("expected the key to be held, not {other:?}"),
        }
    }

    pub(super) async fn fill(&self, lease: Lease, value: impl Into<Bytes>) -> Fill {
        self.backend.fill(lease, Entry::new(value), minutes()).await.expect("fill")
    }

    /// Waits until the backend answers again after a silence.
    pub(super) async fn until_well(&self) {
        let backend = &self.backend;
        until("the backend answers again", async || backend.ping().await.is_ok()).await;
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("profile", &self.profile()).finish_non_exhaustive()
    }
}

pub(super) async fn get(backend: &dyn Backend, key: &Key) -> Option<Bytes> {
    let entry = backend.get(key).await.expect("get");
    entry.map(|entry| entry.payload().clone())
}

pub(super) fn leased(lookup: Lookup) -> Lease {
    match lookup {
        Lookup::Leased(lease) => lease,
        other => panic!("expected a lease, not {other:?}"),
    }
}

pub(super) fn minutes() -> Ttl {
    ttl(MINUTES)
}

pub(super) fn ttl(duration: Duration) -> Ttl {
    Ttl::new(duration).expect("not zero")
}

/// Polls until something holds.
///
/// # Panics
///
/// When that takes more than a minute.
pub(super) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
