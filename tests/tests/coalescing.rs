//! Loading together: one load for many readers, and nobody waits for ever, whatever the leader does.

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use tasker_cache::{Cache, Region, Usage};
use tasker_cache_tests::sim::{Sim, Weather};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const HOLD: Duration = Duration::from_secs(30);

fn shared_cache() -> Cache {
    Cache::builder(Sim::new(1, Weather::CALM)).without_operation_timeout().build()
}

fn numbers(cache: &Cache) -> Region<u64> {
    cache.region(Usage::new("numbers").hold(HOLD))
}

/// A loader that counts its runs and takes a second.
async fn slow(loads: &AtomicU64, value: u64) -> Result<u64, Infallible> {
    loads.fetch_add(1, Ordering::SeqCst);
    sleep(Duration::from_secs(1)).await;
    Ok(value)
}

/// Starts readers of one key that would load `own` value each.
fn spawn_readers(region: &Region<u64>, count: u64, loads: &Arc<AtomicU64>) -> JoinSet<u64> {
    let mut readers = JoinSet::new();
    for reader in 0..count {
        let (region, loads) = (region.clone(), Arc::clone(loads));
        readers.spawn(async move {
            let Ok(value) = region.get_or_load("cold", || slow(&loads, reader)).await;
            *value
        });
    }
    readers
}

/// Polls a future once and leaves it where it is.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(std::pin::Pin::new(&mut *future).poll(context))).await
}

#[tokio::test(start_paused = true)]
async fn a_thousand_readers_of_a_cold_key_load_once() {
    let cache = shared_cache();
    let loads = Arc::new(AtomicU64::new(0));

    let values = spawn_readers(&numbers(&cache), 1_000, &loads).join_all().await;

    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert!(values.iter().all(|value| *value == values[0]), "all share one load");
    assert_eq!(cache.status().flights, 0);
}

#[tokio::test(start_paused = true)]
async fn readers_that_cannot_fill_load_twice_at_most() {
    let cache = Cache::noop();
    let loads = Arc::new(AtomicU64::new(0));

    spawn_readers(&numbers(&cache), 1_000, &loads).join_all().await;

    // Who arrives after a load began can't use it; they all arrived before the second one.
    assert_eq!(loads.load(Ordering::SeqCst), 2);
    assert_eq!(cache.status().flights, 0);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_leader_hands_over() {
    let cache = shared_cache();
    let region = numbers(&cache);
    let loads = Arc::new(AtomicU64::new(0));
    let leader = tokio::spawn({
        let region = region.clone();
        async move { region.get_or_load("cold", pending::<Result<u64, Infallible>>).await }
    });
    sleep(Duration::from_millis(200)).await;
    let readers = spawn_readers(&region, 50, &loads);
    sleep(Duration::from_millis(200)).await;
    let cancelled_at = Instant::now();

    leader.abort();
    let values = readers.join_all().await;

    assert_eq!(values.len(), 50);
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert!(cancelled_at.elapsed() < Duration::from_secs(5));
    assert_eq!(cache.status().flights, 0);
}

#[tokio::test(start_paused = true)]
async fn a_panicking_leader_hands_over() {
    let cache = shared_cache();
    let region = numbers(&cache);
    let loads = Arc::new(AtomicU64::new(0));
    let leader = tokio::spawn({
        let region = region.clone();
        async move {
            let load = || async {
                sleep(Duration::from_secs(1)).await;
                panic!("the loader panics");
            };
            region.get_or_load::<_, _, _, Infallible>("cold", load).await
        }
    });
    sleep(Duration::from_millis(200)).await;
    let readers = spawn_readers(&region, 50, &loads);

    assert!(leader.await.expect_err("it panicked").is_panic());
    assert_eq!(readers.join_all().await.len(), 50);
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert_eq!(cache.status().flights, 0);
}

#[tokio::test(start_paused = true)]
async fn an_error_is_its_callers_own() {
    let cache = shared_cache();
    let region = numbers(&cache);
    let mut readers = JoinSet::new();
    for reader in 0..50_u64 {
        let region = region.clone();
        readers.spawn(async move {
            let load = || async move {
                sleep(Duration::from_secs(1)).await;
                Err::<u64, u64>(reader)
            };
            (reader, region.get_or_load("cold", load).await)
        });
    }

    for (reader, result) in readers.join_all().await {
        assert_eq!(result.expect_err("every load fails"), reader);
    }
    assert_eq!(cache.status().flights, 0);
}

#[tokio::test(start_paused = true)]
async fn followers_of_a_failed_load_form_one_new_flight() {
    let cache = shared_cache();
    let region = numbers(&cache);
    let loads = Arc::new(AtomicU64::new(0));
    let failing = tokio::spawn({
        let region = region.clone();
        let load = || async {
            sleep(Duration::from_secs(1)).await;
            Err::<u64, &str>("the database is down")
        };
        async move { region.get_or_load("cold", load).await }
    });
    sleep(Duration::from_millis(200)).await;

    let values = spawn_readers(&region, 100, &loads).join_all().await;

    assert!(failing.await.expect("no panic").is_err());
    assert_eq!(values.len(), 100);
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_not_polled_stalls_nobody_longer_than_hold() {
    let cache = shared_cache();
    let region = numbers(&cache);
    let loads = Arc::new(AtomicU64::new(0));
    let load = pending::<Result<u64, Infallible>>;
    let mut leader = pin!(region.get_or_load("cold", load));
    for _ in 0..50 {
        assert!(poll_once(&mut leader).await.is_pending());
        sleep(Duration::from_millis(10)).await;
    }
    let begun = Instant::now();

    let values = spawn_readers(&region, 50, &loads).join_all().await;

    assert_eq!(values.len(), 50);
    assert!(begun.elapsed() < HOLD + Duration::from_secs(5), "waited {:?}", begun.elapsed());
    assert!(loads.load(Ordering::SeqCst) <= 3, "they still load together");
}

#[tokio::test(start_paused = true)]
async fn a_second_leader_that_is_not_polled_is_given_up_like_the_first() {
    let cache = shared_cache();
    let region = numbers(&cache);
    let loads = Arc::new(AtomicU64::new(0));
    let load = pending::<Result<u64, Infallible>>;
    let leader = tokio::spawn({
        let region = region.clone();
        async move { region.get_or_load("cold", load).await }
    });
    sleep(Duration::from_millis(200)).await;
    let readers = spawn_readers(&region, 50, &loads);
    sleep(Duration::from_millis(200)).await;
    // The last to join is the first to take over.
    let mut heir = pin!(region.get_or_load("cold", load));
    for _ in 0..50 {
        assert!(poll_once(&mut heir).await.is_pending());
        sleep(Duration::from_millis(10)).await;
    }
    leader.abort();
    let begun = Instant::now();
    sleep(Duration::from_millis(200)).await;
    assert!(poll_once(&mut heir).await.is_pending());

    assert_eq!(readers.join_all().await.len(), 50);

    assert!(begun.elapsed() < HOLD + Duration::from_secs(5), "waited {:?}", begun.elapsed());
    assert!(loads.load(Ordering::SeqCst) <= 3, "they load together, not {loads:?} times");
}

#[tokio::test(start_paused = true)]
async fn the_key_of_a_stuck_leader_is_usable_again_after_hold() {
    let cache = shared_cache();
    let region = numbers(&cache);
    let loads = Arc::new(AtomicU64::new(0));
    let load = pending::<Result<u64, Infallible>>;
    let mut leader = pin!(region.get_or_load("cold", load));
    for _ in 0..50 {
        assert!(poll_once(&mut leader).await.is_pending());
        sleep(Duration::from_millis(10)).await;
    }
    spawn_readers(&region, 2, &loads).join_all().await;
    let begun = Instant::now();

    spawn_readers(&region, 1, &loads).join_all().await;

    assert!(begun.elapsed() < Duration::from_secs(5), "waited {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_loader_may_read_its_own_key() {
    let cache = shared_cache();
    let region = numbers(&cache);
    let begun = Instant::now();

    let value = region
        .get_or_load("cold", || async {
            let inner = region.get_or_load("cold", || async { Ok::<u64, Infallible>(7) }).await?;
            Ok::<u64, Infallible>(*inner + 1)
        })
        .await;

    assert_eq!(value, Ok(Arc::new(8)));
    assert!(begun.elapsed() < Duration::from_secs(1), "waited {:?}", begun.elapsed());
    assert_eq!(cache.status().flights, 0);
}

#[tokio::test(start_paused = true)]
async fn as_many_loaders_as_may_run_can_read_their_own_region() {
    let cache = shared_cache();
    let region = numbers(&cache);
    let begun = Instant::now();
    let mut readers = JoinSet::new();
    for reader in 0..64_u64 {
        let region = region.clone();
        readers.spawn(async move {
            let load = || async {
                sleep(Duration::from_secs(1)).await;
                let deeper = || async move { Ok::<u64, Infallible>(reader) };
                region.get_or_load(("deeper", reader), deeper).await.map(|value| *value)
            };
            let Ok(value) = region.get_or_load(("outer", reader), load).await;
            assert_eq!(*value, reader);
        });
    }

    readers.join_all().await;

    assert!(begun.elapsed() < Duration::from_secs(5), "waited {:?}", begun.elapsed());
    assert_eq!(cache.status().flights, 0);
}

#[tokio::test(start_paused = true)]
async fn loads_of_one_region_are_limited() {
    let cache = shared_cache();
    let region = cache.region::<u64>(Usage::new("limited").max_concurrent_loads(4));
    let running = Arc::new(AtomicU64::new(0));
    let most = Arc::new(AtomicU64::new(0));
    let mut readers = JoinSet::new();
    for reader in 0..40_u64 {
        let (region, running, most) = (region.clone(), Arc::clone(&running), Arc::clone(&most));
        readers.spawn(async move {
            let load = || async {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(Duration::from_millis(100)).await;
                running.fetch_sub(1, Ordering::SeqCst);
                Ok::<u64, Infallible>(reader)
            };
            let Ok(value) = region.get_or_load(reader, load).await;
            assert_eq!(*value, reader);
        });
    }

    readers.join_all().await;

    assert_eq!(most.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn two_types_of_one_path_share_no_flight() {
    let cache = shared_cache();
    let number = cache.region::<u64>(Usage::new("mixed"));
    let text = cache.region::<String>(Usage::new("mixed"));
    let slowly = || async {
        sleep(Duration::from_secs(1)).await;
        Ok::<u64, Infallible>(7)
    };

    let (number, text) = tokio::join!(
        number.get_or_load("k", slowly),
        text.get_or_load("k", || async { Ok::<String, Infallible>("seven".to_owned()) }),
    );

    assert_eq!((*number.expect("infallible"), text.expect("infallible").as_str()), (7, "seven"));
}

#[tokio::test(start_paused = true)]
async fn of_two_types_under_one_key_one_is_cached_and_the_other_loads() {
    let cache = shared_cache();
    let number = cache.region::<u64>(Usage::new("mixed").hold(HOLD));
    let text = cache.region::<String>(Usage::new("mixed").hold(HOLD));
    let (numbers, texts) = (AtomicU64::new(0), AtomicU64::new(0));

    for _ in 0..100 {
        let value = number.get_or_load("k", || async {
            numbers.fetch_add(1, Ordering::SeqCst);
            Ok::<u64, Infallible>(7)
        });
        assert_eq!(value.await, Ok(Arc::new(7)));
        let value = text.get_or_load("k", || async {
            texts.fetch_add(1, Ordering::SeqCst);
            Ok::<String, Infallible>("seven".to_owned())
        });
        assert_eq!(value.await, Ok(Arc::new("seven".to_owned())));
    }

    let loads = (numbers.load(Ordering::SeqCst), texts.load(Ordering::SeqCst));
    assert!(loads.0.min(loads.1) <= 2, "one of them is cached: {loads:?}");
}

#[tokio::test(start_paused = true)]
async fn of_two_shapes_in_two_processes_one_is_cached_until_the_other_is_gone() {
    let store = Sim::new(1, Weather::CALM);
    let (old, new) = (Cache::builder(store.clone()).build(), Cache::builder(store).build());
    let old = old.region::<u64>(Usage::new("mixed").hold(HOLD));
    let new = new.region::<String>(Usage::new("mixed").hold(HOLD));
    let (olds, news) = (AtomicU64::new(0), AtomicU64::new(0));
    let load_old = || async {
        olds.fetch_add(1, Ordering::SeqCst);
        Ok::<u64, Infallible>(7)
    };
    let load_new = || async {
        news.fetch_add(1, Ordering::SeqCst);
        Ok::<String, Infallible>("seven".to_owned())
    };
    for _ in 0..100 {
        old.get_or_load("k", load_old).await.expect("infallible");
        new.get_or_load("k", load_new).await.expect("infallible");
    }
    let loads = (olds.load(Ordering::SeqCst), news.load(Ordering::SeqCst));
    assert!(loads.0.min(loads.1) <= 2, "one of them is cached: {loads:?}");

    old.invalidate("k").await;
    old.get_or_load("k", load_old).await.expect("infallible");
    sleep(HOLD).await;
    news.store(0, Ordering::SeqCst);
    for _ in 0..100 {
        new.get_or_load("k", load_new).await.expect("infallible");
    }
    assert_eq!(news.load(Ordering::SeqCst), 1, "what the old process left has healed");
}

#[tokio::test(start_paused = true)]
async fn another_processs_load_is_waited_for_a_little() {
    let store = Sim::new(1, Weather::CALM);
    let (here, there) = (Cache::builder(store.clone()).build(), Cache::builder(store).build());
    let loads = Arc::new(AtomicU64::new(0));
    let load = || async {
        loads.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_millis(50)).await;
        Ok::<u64, Infallible>(7)
    };
    let (here, there) = (numbers(&here), numbers(&there));
    let first = here.get_or_load("cold", load);
    let second = async {
        sleep(Duration::from_millis(130)).await;
        there.get_or_load("cold", load).await
    };

    let (first, second) = tokio::join!(first, second);

    assert_eq!((first, second), (Ok(Arc::new(7)), Ok(Arc::new(7))));
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_died_costs_one_wait_once() {
    let store = Sim::new(1, Weather { latency_ms: 0, ..Weather::CALM });
    let (dead, alive) = (Cache::builder(store.clone()).build(), Cache::builder(store).build());
    let load = pending::<Result<u64, Infallible>>;
    let region = numbers(&dead);
    let mut leader = Box::pin(region.get_or_load("cold", load));
    for _ in 0..10 {
        assert!(poll_once(&mut leader).await.is_pending());
        sleep(Duration::from_millis(10)).await;
    }
    let region = numbers(&alive);
    let read = async || {
        let begun = Instant::now();
        let Ok(value) = region.get_or_load("cold", || async { Ok::<u64, Infallible>(7) }).await;
        assert_eq!(*value, 7);
        begun.elapsed()
    };

    let (first, second) = (read().await, read().await);

    assert!(first < Duration::from_millis(300), "waited {first:?}");
    assert_eq!(second, Duration::ZERO);
}
