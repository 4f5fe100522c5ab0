//! The backend contract, sentence by sentence, as tests that every backend runs.

#![expect(clippy::expect_used, reason = "a case fails by panicking")]

#[doc(hidden)]
pub mod cases;
mod subject;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tasker_cache_core::{Backend, Bytes, Key, async_trait};
use tokio::time::timeout;

pub use self::subject::Subject;

/// A case that has not ended by then has failed.
const CASE_LIMIT: Duration = Duration::from_secs(180);

/// A store under test, and what the suite may do to it behind the backend's back.
///
/// Only [`backend`](Fixture::backend) has to be written. What the others tell is asserted too: a
/// case that needs something which the store does not have checks what is promised instead.
#[async_trait]
pub trait Fixture: Send + Sync + 'static {
    /// Returns a backend on the store: on each call another client of the one store, such as
    /// another process would have.
    async fn backend(&self) -> Arc<dyn Backend>;

    /// Tells whether the store holds bytes under a key's text, which others can write too.
    ///
    /// False, the default, is a store that keeps the entries themselves.
    fn holds_bytes(&self) -> bool {
        false
    }

    /// Writes bytes under a key's text, past the backend. Called where bytes are held.
    async fn plant(&self, key: &Key, bytes: Bytes) {
        let _ = (key, bytes);
        unreachable!("a fixture that holds bytes says how to write them");
    }

    /// Reads the bytes under a key's text, past the backend. Called where bytes are held.
    async fn peek(&self, key: &Key) -> Option<Bytes> {
        let _ = key;
        unreachable!("a fixture that holds bytes says how to read them");
    }

    /// Keeps the store from answering, while its connections stay open; false, the default,
    /// where there is nobody to wait for.
    async fn pause(&self) -> bool {
        false
    }

    /// Lets the store answer again.
    async fn resume(&self) {}
}

/// Runs one case over a fresh fixture, on a runtime of its own. The macro calls it.
///
/// # Panics
///
/// When the case fails, or has not ended after three minutes.
#[doc(hidden)]
pub fn run<F, Fixing, Case, Running>(fixture: F, case: Case)
where
    F: FnOnce() -> Fixing,
    Fixing: Future<Output: Fixture>,
    Case: FnOnce(Subject) -> Running,
    Running: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let run = async { case(Subject::new(fixture().await).await).await };
    let ended = runtime.block_on(async { timeout(CASE_LIMIT, run).await });
    ended.expect("the case has not ended in time");
}

/// Expands to a module `conformance` with a test for every case of the suite.
///
/// It takes the path of a function `async fn() -> impl Fixture`, which is called for each case.
/// The crate needs `tasker-cache-testkit` and nothing else for it.
///
/// ```
/// use std::sync::Arc;
/// use tasker_cache_core::{Backend, NoOp, async_trait};
/// use tasker_cache_testkit::conformance::Fixture;
///
/// struct Store;
///
/// #[async_trait]
/// impl Fixture for Store {
///     async fn backend(&self) -> Arc<dyn Backend> {
///         Arc::new(NoOp)
///     }
/// }
///
/// async fn noop() -> impl Fixture {
///     Store
/// }
///
/// tasker_cache_testkit::conformance!(noop);
/// ```
///
/// Attributes before the path go to every case: `#[ignore = "needs a server that is rare"]` says
/// of a store that not every machine can have that its cases did not run, and lists them still.
#[macro_export]
macro_rules! conformance {
    ($(#[$attribute:meta])* $fixture:path) => {
        use $fixture as conformance_fixture;

        mod conformance {
            $crate::__conformance! {
                [$(#[$attribute])*]
                reads {
                    a_miss_is_none,
                    every_payload_comes_back_whole,
                    answers_stand_in_the_order_of_their_keys,
                    no_keys_are_no_answers,
                    what_one_handle_stores_another_reads,
                    a_hit_comes_without_a_lease,
                }
                keys {
                    every_segment_makes_a_key_of_its_own,
                    keys_of_one_text_share_no_value,
                    keys_over_the_limit_are_told_apart,
                    prefixes_regions_and_versions_are_told_apart,
                }
                writes {
                    a_later_set_replaces_an_earlier_one,
                    a_delete_tells_whether_there_was_an_entry,
                    delete_many_deletes_these_and_no_other,
                    no_keys_are_deleted_at_once,
                    an_entry_over_the_limit_is_refused_and_hides_the_old_one,
                }
                ttl {
                    an_entry_lives_as_long_as_it_was_set_for,
                    a_filled_entry_lives_as_long_as_it_was_filled_for,
                    a_later_set_replaces_the_ttl,
                    the_shortest_ttl_is_no_error_and_not_for_ever,
                    the_longest_ttl_is_no_error_and_not_at_once,
                }
                leases {
                    a_miss_is_leased_and_the_fill_is_stored,
                    one_of_many_gets_the_lease,
                    a_leased_key_has_no_value,
                    a_lease_fills_once,
                    a_fill_after_a_delete_is_refused,
                    a_fill_after_a_delete_of_many_is_refused,
                    a_fill_after_a_set_is_refused,
                    a_fill_after_a_later_lease_is_refused,
                    a_lease_ends_with_its_hold_and_not_before,
                    a_released_lease_is_granted_anew,
                    releasing_a_lost_lease_takes_nothing,
                    a_fill_over_the_limit_is_refused,
                    no_race_leaves_a_value_behind_its_invalidation,
                }
                prefixes {
                    a_prefix_covers_its_own_key_and_all_below,
                    what_only_looks_alike_stays,
                    a_region_is_deleted_as_a_whole,
                    thousands_of_keys_are_deleted,
                    a_fill_after_a_delete_of_its_prefix_is_refused,
                }
                bytes {
                    what_is_stored_proves_whose_it_is,
                    what_does_not_decode_is_a_miss_and_heals,
                    the_value_of_another_key_is_a_miss,
                    a_newer_format_is_a_miss_and_left_alone,
                }
                futures {
                    reads_dropped_at_random_confuse_nobody,
                    a_write_goes_on_without_its_caller,
                    every_call_ends_while_the_store_is_silent,
                    a_store_that_answers_again_is_used_again,
                }
                profile {
                    a_ping_is_answered,
                    the_name_is_fit_for_logs_and_labels,
                    every_handle_has_one_profile,
                }
            }
        }
    };
}

/// Writes the tests of [`conformance!`](crate::conformance).
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance {
    (@case [$(#[$attribute:meta])*] $group:ident $case:ident) => {
        #[test]
        $(#[$attribute])*
        fn $case() {
            $crate::conformance::run(
                super::super::conformance_fixture,
                $crate::conformance::cases::$group::$case,
            );
        }
    };
    ($attributes:tt $($group:ident { $($case:ident,)+ })+) => {$(
        mod $group {
            $($crate::__conformance! { @case $attributes $group $case })+
        }
    )+};
}
