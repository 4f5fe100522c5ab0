//! The facade over three memcached servers, one of which goes away and comes back with what it
//! had.

#![expect(clippy::expect_used, reason = "a test ends where its assumption is wrong")]

use std::convert::Infallible;
use std::time::Duration;

use tasker_cache::{Cache, CircuitState, Config, Invalidation, Region, Usage};
use tasker_cache_testkit::server::MemcachedServer;
use tasker_cache_testkit::{Recorded, Recorder};
use tokio::time::{Instant, sleep};

const KEYS: u32 = 40;

fn config(servers: &[MemcachedServer]) -> Config {
    let urls: Vec<String> = servers.iter().map(MemcachedServer::url).collect();
    let text = format!(
        "[common.cache]\nenabled = true\nbackend = \"memcached\"\n\
         operation_timeout_ms = 3000\n\
         [common.cache.memcached]\nurls = {urls:?}\n\
         [common.circuit_breakers.component_configs.cache]\ntimeout_seconds = 1\n"
    );
    Config::from_toml_str(&text).expect("a right configuration")
}

/// Three servers, and under each of the keys the value 1.
async fn filled() -> (Vec<MemcachedServer>, Cache, Region<u32>) {
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(MemcachedServer::start().await);
    }
    let cache = Cache::connect(&config(&servers)).await;
    let region = cache.region(Usage::new("numbers"));
    for key in 0..KEYS {
        assert_eq!(load(&region, key, 1).await, 1);
    }
    (servers, cache, region)
}

async fn load(region: &Region<u32>, key: u32, value: u32) -> u32 {
    let Ok(value) = region.get_or_load(key, || async move { Ok::<u32, Infallible>(value) }).await;
    *value
}

/// The keys whose values this server holds.
async fn held_by(server: &MemcachedServer) -> Vec<u32> {
    let mut held = Vec::new();
    for key in 0..KEYS {
        let found = server.command(format!("mg tasker:numbers:{key}")).await;
        if found.starts_with(b"HD") {
            held.push(key);
        }
    }
    held
}

async fn until(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !happened().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited for {what} in vain");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_from_before_a_servers_absence_is_served_once_it_was_invalidated() {
    let (servers, cache, region) = filled().await;
    let held = held_by(&servers[0]).await;
    assert!(!held.is_empty());
    servers[0].pause();

    for &key in &held {
        assert_eq!(region.invalidate(key).await, Invalidation::Deferred);
        assert_eq!(load(&region, key, 2).await, 2);
    }
    servers[0].resume();

    // The server has the old values until the deletes have been replayed there, and nobody gets
    // one, before or after.
    let begun = Instant::now();
    while cache.status().pending.keys > 0 || begun.elapsed() < Duration::from_secs(1) {
        for &key in &held {
            assert_eq!(load(&region, key, 2).await, 2, "key {key}");
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "never replayed");
    }
    until("a hit", async || {
        load(&region, held[0], 2).await;
        region.get(held[0]).await.is_some()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_the_other_servers_go_on() {
    let (servers, _cache, region) = filled().await;
    let held = held_by(&servers[0]).await;
    servers[0].kill().await;
    for &key in &held {
        assert_eq!(region.invalidate(key).await, Invalidation::Deferred);
    }

    // Long enough for the replay to have failed many times.
    sleep(Duration::from_secs(4)).await;

    for key in (0..KEYS).filter(|key| !held.contains(key)) {
        assert_eq!(load(&region, key, 2).await, 1, "it was there");
    }
}

#[tokio::test]
async fn the_circuit_of_a_server_that_is_away_is_told_by_its_address() {
    let recorder = Recorder::default();
    let _recording = recorder.install();
    let (servers, cache, region) = filled().await;
    let held = held_by(&servers[0]).await;
    let all_closed = cache.status();
    assert!(all_closed.circuits.values().all(|circuit| *circuit == CircuitState::Closed));
    assert_eq!(all_closed.circuits.len(), 3);
    assert!(!all_closed.to_string().contains("that of"));
    servers[0].kill().await;

    until("its circuit is open", async || {
        load(&region, held[0], 2).await;
        cache.status().circuits.values().any(|circuit| *circuit != CircuitState::Closed)
    })
    .await;

    let status = cache.status();
    let not_closed = status.circuits.iter().find(|(_, circuit)| **circuit != CircuitState::Closed);
    let (address, _) = not_closed.expect("it has just been");
    assert!(address.ends_with(&servers[0].address().port().to_string()), "{address}");
    assert_eq!(status.circuit, Some(CircuitState::Closed), "the ring as a whole is well");
    assert!(status.to_string().contains(&format!("that of {address} ")), "{status}");
    let object = serde_json::to_value(&status).expect("it has no odd keys");
    assert_eq!(object["circuits"].as_object().map(serde_json::Map::len), Some(3));
    let opened = |line: &&Recorded| line.message == "Circuit breaker opened (failing fast)";
    let lines = recorder.lines();
    let line = lines.iter().find(opened).expect("it is logged");
    assert_eq!(line.field("circuit"), Some(address.as_str()));
}
