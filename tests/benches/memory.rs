//! What a hit in memory, the check of a shared store's reply and an open circuit cost, beside the
//! raw client in the same run.

use std::convert::Infallible;
use std::future::Future;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use serde::{Deserialize, Serialize};
use tasker_cache::{BreakerSettings, Cache, Consistency, Usage};
use tasker_cache_core::envelope::{self, Decoded};
use tasker_cache_core::{Bytes, Key, KeyBuilder, Nonce};
use tasker_cache_tests::sim::{Sim, Weather};
use tokio::time::Instant;

const KEYS: usize = 1_000;
const ROUNDS: usize = 15;
const OPERATIONS: usize = 200_000;

/// About 512 bytes of JSON.
#[derive(Clone, Serialize, Deserialize)]
struct Template {
    namespace: String,
    name: String,
    version: String,
    description: String,
    steps: Vec<u32>,
}

impl Template {
    fn new(number: usize) -> Self {
        Self {
            namespace: "payments".to_owned(),
            name: format!("refund-{number}"),
            version: "1.0.0".to_owned(),
            description: "x".repeat(330),
            steps: (100..120).collect(),
        }
    }
}

/// Nanoseconds per operation.
async fn time<F: Future>(mut operation: impl FnMut(usize) -> F) -> f64 {
    let begun = Instant::now();
    for number in 0..OPERATIONS {
        black_box(operation(number % KEYS).await);
    }
    begun.elapsed().as_secs_f64() * 1e9 / 200_000.0
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

struct Row {
    name: &'static str,
    times: Vec<f64>,
    target: &'static str,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let raw = moka::sync::Cache::<String, Arc<Template>>::new(10_000);
    let cache = Cache::in_memory(10_000);
    let usage = Usage::new("template").consistency(Consistency::Local);
    let region = cache.region::<Template>(usage);
    // A series is registered when its region is made, so only what comes from here on is recorded.
    let Ok(recorded) = PrometheusBuilder::new().install_recorder() else {
        unreachable!("nothing has installed a recorder yet")
    };
    let usage = Usage::new("template").consistency(Consistency::Local);
    let recorded_region = Cache::in_memory(10_000).region::<Template>(usage);
    let names: Vec<String> = (0..KEYS).map(|number| format!("refund-{number}")).collect();
    let ready: Vec<String> =
        names.iter().map(|name| format!("tasker:template:payments:{name}:1.0.0")).collect();
    for number in 0..KEYS {
        raw.insert(ready[number].clone(), Arc::new(Template::new(number)));
        let load = || async { Ok::<_, Infallible>(Template::new(number)) };
        let Ok(_) = region.get_or_load(["payments", &names[number], "1.0.0"], load).await;
        let Ok(_) = recorded_region.get_or_load(["payments", &names[number], "1.0.0"], load).await;
    }
    let away = Sim::new(1, Weather::CALM);
    away.reachable(false);
    let breaker = BreakerSettings::default().failure_threshold(1).timeout(Duration::from_secs(300));
    let open = Cache::builder(away).breaker(breaker).build();
    assert!(!open.health_check().await, "the circuit is open");
    let open_region = open.region::<Template>(Usage::new("template"));

    let (keys, replies): (Vec<Key>, Vec<Bytes>) = names
        .iter()
        .map(|name| {
            let region = KeyBuilder::region("tasker", "template", 0).segment("payments");
            let key = region.segment(name).segment("1.0.0").key();
            let reply = envelope::value(&key, Nonce::new([7; 16]), &[b'x'; 512]);
            (key, reply.unwrap_or_default())
        })
        .unzip();

    let mut rows = [
        ("raw moka get, key ready", "1"),
        ("raw moka get, key built per call", ""),
        ("Region::get_or_load, hit", "<= 2.5"),
        ("Region::get, hit", ""),
        ("Region::get_or_load, hit, recorded", ""),
        ("Region::get, hit, recorded", ""),
        ("Cache::get, circuit open", "<= 100 ns"),
        ("Region::get, circuit open", "<= 100 ns"),
        ("envelope::decode_slice, 512 bytes", ""),
    ]
    .map(|(name, target)| Row { name, times: Vec::new(), target });
    for _ in 0..ROUNDS {
        rows[0].times.push(time(async |number| raw.get(ready[number].as_str())).await);
        let built = async |number: usize| {
            raw.get(format!("tasker:template:payments:{}:1.0.0", names[number]).as_str())
        };
        rows[1].times.push(time(built).await);
        let typed = async |number: usize| {
            let load = || async { Err::<Template, ()>(()) };
            region.get_or_load(["payments", &names[number], "1.0.0"], load).await
        };
        rows[2].times.push(time(typed).await);
        let typed = async |number: usize| region.get(["payments", &names[number], "1.0.0"]).await;
        rows[3].times.push(time(typed).await);
        let typed = async |number: usize| {
            let load = || async { Err::<Template, ()>(()) };
            recorded_region.get_or_load(["payments", &names[number], "1.0.0"], load).await
        };
        rows[4].times.push(time(typed).await);
        let typed =
            async |number: usize| recorded_region.get(["payments", &names[number], "1.0.0"]).await;
        rows[5].times.push(time(typed).await);
        rows[6].times.push(time(async |_| open.get(["payments", "refund"]).await).await);
        rows[7].times.push(time(async |_| open_region.get(["payments", "refund"]).await).await);
        let checked = async |number: usize| {
            let found = envelope::decode_slice(&keys[number], &replies[number]);
            matches!(found, Decoded::Value { .. })
        };
        rows[8].times.push(time(checked).await);
    }

    assert!(recorded.render().contains("tasker_cache_requests_total"), "it was recorded");

    let unit = median(rows[0].times.clone());
    println!("{:36} {:>9} {:>7}  target", "median of 15 interleaved rounds", "ns", "ratio");
    for row in rows {
        let time = median(row.times);
        println!("{:36} {time:>9.0} {:>7.2}  {}", row.name, time / unit, row.target);
    }
}
