//! One process of readers for the tests of several processes: told what to do line by line.
//!
//! Its argument is a configuration file. It says `ready`, and then answers each line of its input:
//! `read KEY READERS LOAD_MS` with how many loads that took and how long the longest read took
//! that loaded, in ms; `hold KEY` with `loading` once it loads what it will never finish.

use std::convert::Infallible;
use std::future::pending;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tasker_cache::{Cache, Region, Usage};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How long a lease is held: longer than any load here, and not long to wait for.
const HOLD: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> io::Result<()> {
    let path = std::env::args().nth(1).ok_or_else(|| io::Error::other("no configuration"))?;
    let cache = Cache::from_path(path).await;
    let region = cache.region(Usage::new("crowd").hold(HOLD));
    // What is slow once only, such as a first connection, is not what is looked at.
    read("warm", 100, 0, &region).await;
    say("ready")?;
    for line in io::stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["read", key, readers, load_ms] => {
                let [readers, load_ms] = [readers, load_ms].map(str::parse);
                let (Ok(readers), Ok(load_ms)) = (readers, load_ms) else {
                    return Err(io::Error::other("not a number"));
                };
                let (loads, longest) = read(key, readers, load_ms, &region).await;
                say(&format!("{loads} {}", longest.as_millis()))?;
            }
            ["hold", key] => {
                hold(key, &region).await;
                say("loading")?;
            }
            _ => return Err(io::Error::other("not a command")),
        }
    }
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")?;
    io::stdout().flush()
}

/// Reads a key many times at once. Returns how often it was loaded, and how long the longest read
/// took that loaded.
async fn read(key: &str, readers: u64, load_ms: u64, region: &Region<String>) -> (u64, Duration) {
    let loads = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..readers {
        let (key, region, loads) = (key.to_owned(), region.clone(), Arc::clone(&loads));
        tasks.spawn(async move {
            let (begun, mut longest) = (Instant::now(), Duration::ZERO);
            let mut has_loaded = false;
            let load = async {
                has_loaded = true;
                loads.fetch_add(1, Ordering::SeqCst);
                sleep(Duration::from_millis(load_ms)).await;
                Ok::<_, Infallible>(key.clone())
            };
            let Ok(value) = region.get_or_load(key.as_str(), || load).await;
            assert_eq!(*value, key);
            if has_loaded {
                longest = begun.elapsed();
            }
            longest
        });
    }
    let longest = tasks.join_all().await.into_iter().max().unwrap_or_default();
    (loads.load(Ordering::SeqCst), longest)
}

/// Begins a load that never ends, and returns once it runs.
async fn hold(key: &str, region: &Region<String>) {
    let (key, region) = (key.to_owned(), region.clone());
    let (loading, is_loading) = oneshot::channel();
    tokio::spawn(async move {
        let load = async {
            // Nobody waits for it only if this process is about to end.
            let _ = loading.send(());
            pending::<Result<String, Infallible>>().await
        };
        region.get_or_load(key.as_str(), || load).await
    });
    let _ = is_loading.await;
}
