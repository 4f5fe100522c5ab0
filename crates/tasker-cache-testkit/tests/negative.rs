//! The suite is believed because it catches backends that are broken on purpose.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tasker_cache_core::{
    Backend, Entry, Fill, Key, KeyBuilder, Lease, Lookup, Prefix, Profile, Result, Ttl, async_trait,
};
use tasker_cache_moka::Moka;
use tasker_cache_testkit::conformance::cases::{
    futures, keys, leases, prefixes, reads, ttl, writes,
};
use tasker_cache_testkit::conformance::{Fixture, Subject, run};

/// What one broken backend does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    FillsBlindly,
    FillsTwice,
    LeasesToEverybody,
    ServesStubs,
    AcknowledgesOnly,
    AcknowledgesManyOnly,
    DeletesLookalikes,
    LeavesLeasesOfPrefixes,
    MixesUpAnswers,
    IgnoresRegions,
    LivesForEver,
    ForgetsAtOnce,
    NeverAnswers,
}

#[derive(Clone)]
struct Broken {
    inner: Moka,
    flaw: Flaw,
}

impl Broken {
    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn key(&self, key: &Key) -> Key {
        if self.is(Flaw::IgnoresRegions) {
            return KeyBuilder::raw("one").segment(key.as_str().replace('@', ":")).key();
        }
        key.clone()
    }

    fn ttl(&self, ttl: Ttl) -> Ttl {
        const FOR_EVER: Ttl = Ttl::new(Duration::MAX).expect("not zero");
        match self.flaw {
            Flaw::LivesForEver => FOR_EVER,
            Flaw::ForgetsAtOnce => Ttl::new(ttl.get() / 4).unwrap_or(ttl),
            _ => ttl,
        }
    }
}

#[async_trait]
impl Backend for Broken {
    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        let found = self.inner.get(&self.key(key)).await?;
        let stub = || self.is(Flaw::ServesStubs).then(|| Entry::new(""));
        Ok(found.or_else(stub))
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        let mut entries = self.inner.get_many(keys).await?;
        if self.is(Flaw::MixesUpAnswers) {
            entries.rotate_left(1);
        }
        Ok(entries)
    }

    async fn get_or_lease(&self, key: &Key, hold: Duration) -> Result<Lookup> {
        if self.is(Flaw::LeasesToEverybody) && self.inner.get(key).await?.is_none() {
            self.inner.delete(key).await?;
        }
        self.inner.get_or_lease(&self.key(key), hold).await
    }

    async fn fill(&self, lease: Lease, entry: Entry, ttl: Ttl) -> Result<Fill> {
        let (key, ttl) = (lease.key().clone(), self.ttl(ttl));
        let filled = self.inner.fill(lease, entry.clone(), ttl).await?;
        let has_value = self.inner.get(&key).await?.is_some();
        let blind = match self.flaw {
            Flaw::FillsBlindly => true,
            Flaw::FillsTwice => has_value,
            _ => false,
        };
        if blind && filled != Fill::Stored {
            self.inner.set(&key, entry, ttl).await?;
            return Ok(Fill::Stored);
        }
        Ok(filled)
    }

    async fn set(&self, key: &Key, entry: Entry, ttl: Ttl) -> Result<()> {
        self.inner.set(&self.key(key), entry, self.ttl(ttl)).await
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        if self.is(Flaw::AcknowledgesOnly) {
            return Ok(self.inner.get(key).await?.is_some());
        }
        self.inner.delete(&self.key(key)).await
    }

    async fn delete_many(&self, keys: &[Key]) -> Result<()> {
        if self.is(Flaw::AcknowledgesManyOnly) {
            return Ok(());
        }
        self.inner.delete_many(keys).await
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        match self.flaw {
            Flaw::DeletesLookalikes => self.inner.delete_prefix(&prefix.region_prefix()).await,
            Flaw::LeavesLeasesOfPrefixes => Ok(0),
            _ => self.inner.delete_prefix(prefix).await,
        }
    }

    async fn ping(&self) -> Result<()> {
        if self.is(Flaw::NeverAnswers) {
            return std::future::pending().await;
        }
        self.inner.ping().await
    }

    fn profile(&self) -> Profile {
        self.inner.profile()
    }
}

#[async_trait]
impl Fixture for Broken {
    async fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(self.clone())
    }
}

/// Tells whether a case fails over a backend with this flaw.
fn catches<C, R>(case: C, flaw: Flaw) -> bool
where
    C: FnOnce(Subject) -> R,
    R: Future<Output = ()>,
{
    let fixture = || async move { Broken { inner: Moka::new(10_000), flaw } };
    catch_unwind(AssertUnwindSafe(|| run(fixture, case))).is_err()
}

#[test]
fn a_backend_that_fills_without_its_lease_is_caught() {
    assert!(catches(leases::a_fill_after_a_delete_is_refused, Flaw::FillsBlindly));
    assert!(catches(leases::a_fill_after_a_set_is_refused, Flaw::FillsBlindly));
    assert!(catches(leases::no_race_leaves_a_value_behind_its_invalidation, Flaw::FillsBlindly));
    assert!(catches(leases::a_lease_fills_once, Flaw::FillsTwice));
}

#[test]
fn a_backend_that_leases_one_key_twice_is_caught() {
    assert!(catches(leases::one_of_many_gets_the_lease, Flaw::LeasesToEverybody));
}

#[test]
fn a_backend_that_serves_stubs_is_caught() {
    assert!(catches(leases::a_leased_key_has_no_value, Flaw::ServesStubs));
    assert!(catches(reads::a_miss_is_none, Flaw::ServesStubs));
}

#[test]
fn a_delete_that_is_only_acknowledged_is_caught() {
    assert!(catches(writes::a_delete_tells_whether_there_was_an_entry, Flaw::AcknowledgesOnly));
    assert!(catches(writes::delete_many_deletes_these_and_no_other, Flaw::AcknowledgesManyOnly));
    assert!(catches(leases::a_fill_after_a_delete_of_many_is_refused, Flaw::AcknowledgesManyOnly));
}

#[test]
fn a_prefix_that_covers_too_much_or_too_little_is_caught() {
    assert!(catches(prefixes::what_only_looks_alike_stays, Flaw::DeletesLookalikes));
    assert!(catches(
        prefixes::a_fill_after_a_delete_of_its_prefix_is_refused,
        Flaw::LeavesLeasesOfPrefixes
    ));
}

#[test]
fn mixed_up_keys_are_caught() {
    assert!(catches(reads::answers_stand_in_the_order_of_their_keys, Flaw::MixesUpAnswers));
    assert!(catches(keys::keys_of_one_text_share_no_value, Flaw::IgnoresRegions));
}

#[test]
fn a_wrong_time_to_live_is_caught() {
    assert!(catches(ttl::the_shortest_ttl_is_no_error_and_not_for_ever, Flaw::LivesForEver));
    // One that looks too late does not see that the entry went too early.
    let caught = || catches(ttl::an_entry_lives_as_long_as_it_was_set_for, Flaw::ForgetsAtOnce);
    assert!((0..5).any(|_| caught()));
}

#[test]
fn a_call_that_never_ends_is_caught() {
    assert!(catches(futures::every_call_ends_while_the_store_is_silent, Flaw::NeverAnswers));
}

#[test]
fn the_backend_without_its_flaws_passes() {
    // This flaw is about none of these cases.
    let fixture = || async { Broken { inner: Moka::new(10_000), flaw: Flaw::NeverAnswers } };
    run(fixture, leases::a_fill_after_a_delete_is_refused);
    run(fixture, prefixes::what_only_looks_alike_stays);
    run(fixture, writes::delete_many_deletes_these_and_no_other);
}
