//! The public face, used as its documentation shows it.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tasker_cache::{
    BreakerSettings, Bytes, Cache, CircuitState, Config, Consistency, Invalidation, Region, Status,
    Usage, tasker,
};
use tasker_cache_tests::sim::{Sim, Weather};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Session {
    user: String,
}

struct Db;

impl Db {
    #[expect(clippy::unused_async, reason = "a real one would wait for its database")]
    async fn session(&self, user_id: u64) -> Result<Session, io::Error> {
        Ok(Session { user: user_id.to_string() })
    }
}

const CONFIG: &str = r#"
    [common.cache]
    enabled = true
    backend = "moka"
"#;

#[tokio::test]
async fn caches_are_made_from_configurations_and_backends() {
    let file = std::env::temp_dir().join(format!("tasker-cache-face-{}.toml", std::process::id()));
    std::fs::write(&file, CONFIG).expect("the temporary folder is writable");
    let my_backend = Sim::new(1, Weather::CALM);
    let settings = BreakerSettings::default();

    let config = Config::load(&file).expect("a right file");
    let cache = Cache::connect(&config).await;
    assert_eq!(
        (cache.backend_name(), cache.is_distributed(), cache.is_enabled()),
        ("moka", false, true)
    );
    let cache = Cache::from_path(&file).await;
    assert_eq!(cache.backend_name(), "moka");
    let cache = Cache::noop();
    assert_eq!((cache.backend_name(), cache.is_enabled()), ("noop", false));
    let cache = Cache::in_memory(10_000);
    assert_eq!(cache.circuit_state(), None);
    let cache = Cache::builder(my_backend).prefix("app").breaker(settings).build();
    assert_eq!(cache.circuit_state(), Some(CircuitState::Closed));
    std::fs::remove_file(&file).expect("it was written");
}

#[tokio::test]
async fn raw_operations_are_never_an_error() {
    let cache = Cache::in_memory(10_000);

    cache.set(["greeting", "en"], "hello", Duration::from_secs(60)).await;
    let hit: Option<Bytes> = cache.get(["greeting", "en"]).await;
    assert_eq!(hit.as_deref(), Some(b"hello".as_slice()));
    cache.delete(["greeting", "en"]).await;
    assert_eq!(cache.get(["greeting", "en"]).await, None);
    let ok: bool = cache.health_check().await;
    assert!(ok);
    let state: Option<CircuitState> = cache.circuit_state();
    assert_eq!(state, None);
    let status: Status = cache.status();
    assert_eq!(status.backend, "moka");
}

#[tokio::test]
async fn a_typed_region_reads_writes_and_invalidates() -> Result<(), io::Error> {
    let (db, user_id) = (Db, 42);
    let cache = Cache::builder(Sim::new(1, Weather::CALM)).build();
    let sessions: Region<Session> = cache.region(
        Usage::new("session").consistency(Consistency::Shared).ttl(Duration::from_secs(600)),
    );

    let s: Arc<Session> = sessions.get_or_load([user_id], || db.session(user_id)).await?;
    let session = Session { user: s.user.clone() };
    let s: Option<Arc<Session>> = sessions.get([user_id]).await;
    assert_eq!(s.as_deref(), Some(&session));
    sessions.put([user_id], &session).await;
    match sessions.invalidate([user_id]).await {
        Invalidation::Applied | Invalidation::Deferred => {}
        _ => panic!("a shared store applies it"),
    }
    sessions.invalidate_prefix(["tenant-7"]).await;
    sessions.invalidate_all().await;
    let keys = vec![sessions.key([1]), sessions.key([2])];
    let many: Vec<Option<Arc<Session>>> = sessions.get_many(&keys).await;
    assert_eq!(many, [None, None]);
    assert!(sessions.is_enabled());
    let _ = Usage::new("profile")
        .version(3)
        .jitter(0.1)
        .hold(Duration::from_secs(30))
        .max_concurrent_loads(64);
    cache.bypass(true);
    let left = cache.close().await;
    assert!(left.is_empty());
    Ok(())
}

#[tokio::test]
async fn tasker_has_its_own_three_regions() -> Result<(), Infallible> {
    let cache = Cache::in_memory(10_000);
    let load = || async { Ok::<u64, Infallible>(7) };

    let templates = tasker::templates(&cache);
    let key = tasker::TemplateKey::new("payments", "refund", "1.0.0");
    let t = templates
        .get_or_load(&tasker::TemplateKey::new("payments", "refund", "1.0.0"), load)
        .await?;
    templates.invalidate(&key).await;
    templates.invalidate_namespace("payments").await;
    templates.invalidate_all().await;
    tasker::templates::<()>(&cache).invalidate_namespace("payments").await;
    let p = tasker::performance_metrics(&cache).get_or_load(24, load).await?;
    let b = tasker::bottlenecks(&cache).get_or_load((10, 5), load).await?;

    assert_eq!((*t, *p, *b), (7, 7, 7));
    assert!(!templates.is_enabled());
    Ok(())
}

#[tokio::test]
async fn segments_are_whatever_can_be_displayed() {
    let cache = Cache::builder(Sim::new(1, Weather::CALM)).build();
    let region = cache.region::<u64>(Usage::new("n"));
    let owned = String::from("a");
    let keys = [
        region.key("a"),
        region.key(&owned),
        region.key(owned.clone()),
        region.key(["a"]),
        region.key(vec!["a"]),
        region.key(["a"].as_slice()),
        region.key(("a",)),
        region.key(region.key("a")),
        {
            let built = region.key("a");
            region.key(&built)
        },
        region.key('a'),
    ];

    for key in &keys {
        assert_eq!(key, &keys[0]);
    }
    assert_eq!(region.key((1_u8, "b", 'c')).as_str(), "tasker:n:1:b:c");
    region.put(24, &7).await;
    assert_eq!(region.get(["24"]).await.as_deref(), Some(&7));
}

#[test]
fn handles_are_send_sync_clone_and_debug() {
    fn check<T: Send + Sync + Clone + std::fmt::Debug + 'static>(_: &T) {}
    struct NoBounds;
    let cache = Cache::noop();
    check(&cache);
    check(&cache.region::<String>(Usage::new("a")));
    let _: fn(&Region<NoBounds>) -> Region<NoBounds> = Region::clone;
    check(&tasker::templates::<String>(&cache));
}

#[test]
fn futures_can_be_spawned_and_loaders_may_borrow() {
    fn spawnable<T: Send>(_: T) {}
    let cache = Cache::noop();
    let region = cache.region::<String>(Usage::new("a"));
    let local = String::from("borrowed");
    spawnable(region.get_or_load(["a"], || async { Ok::<_, io::Error>(local.clone()) }));
    spawnable(region.get(["a"]));
    spawnable(region.put(["a"], &local));
    spawnable(region.invalidate_all());
    spawnable(cache.set("a", "b", Duration::ZERO));
    spawnable(cache.close());
    let not_send = std::rc::Rc::new(1);
    drop(region.get_or_load(["a"], || async { Ok::<_, std::rc::Rc<u8>>(not_send.to_string()) }));
}
