//! Faults of Memcached, and how each is put right.

use std::time::Duration;

use fastrand::Rng;
use tasker_cache_testkit::proxy::FaultProxy;
use tasker_cache_testkit::server::MemcachedServer;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Nemesis;
use super::server::{again, kill, pause, restart};
use crate::chaos::Result;

/// How many clients the server takes.
pub(crate) const CONNECTIONS: u32 = 64;

/// How much memory it has, in MiB.
pub(crate) const MEMORY: u32 = 4;

/// How many items are stored at a time to evict others.
const JUNK: usize = 2_000;

/// How long a command of the referee's may take.
const COMMAND: Duration = Duration::from_secs(30);

pub(super) async fn happen(
    nemesis: Nemesis,
    server: &MemcachedServer,
    proxy: &FaultProxy,
    lasting: Duration,
) -> Result<u64> {
    match nemesis {
        Nemesis::Kill => kill(server, lasting).await,
        Nemesis::Restart => restart(server, lasting).await,
        Nemesis::Pause => pause(server, lasting).await,
        Nemesis::Flush => {
            again(lasting, async || {
                let items = stat(server, "curr_items").await?;
                ask(server, "flush_all").await?;
                Ok(items)
            })
            .await
        }
        Nemesis::Evict => {
            let before = stat(server, "evictions").await?;
            again(lasting, async || ask(server, &junk()).await.map(|_| 0)).await?;
            Ok(stat(server, "evictions").await? - before)
        }
        Nemesis::Crowd => {
            let _crowd = crowd(server, CONNECTIONS).await;
            let mut late = Vec::new();
            again(lasting, async || {
                proxy.drop_connections();
                late = crowd(server, CONNECTIONS / 4).await;
                Ok(1)
            })
            .await
        }
        other => Err(format!("{} is no fault of Memcached", other.name()).into()),
    }
}

/// Makes a server what it was, whatever happened to it.
pub(crate) async fn heal(server: &MemcachedServer) {
    if !server.is_running() {
        server.restart().await;
    }
    server.resume();
}

/// Opens connections, as far as the server takes them.
async fn crowd(server: &MemcachedServer, connections: u32) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for _ in 0..connections {
        crowd.extend(TcpStream::connect(server.address()).await);
    }
    crowd
}

/// Returns a request that stores items of all sizes that the clients store, under other keys.
fn junk() -> String {
    let mut random = Rng::new();
    let item = |_| {
        let len = random.usize(1..1200);
        format!("set junk-{} 0 60 {len} noreply\r\n{}", random.u32(..), "x".repeat(len))
    };
    let items: Vec<String> = (0..JUNK).map(item).collect();
    items.join("\r\n")
}

async fn ask(server: &MemcachedServer, command: &str) -> Result<String> {
    let reply = timeout(COMMAND, server.try_command(command)).await??;
    Ok(String::from_utf8_lossy(&reply).into_owned())
}

async fn stat(server: &MemcachedServer, name: &str) -> Result<u64> {
    let stats = ask(server, "stats").await?;
    let value = stats.lines().find_map(|line| line.strip_prefix("STAT ")?.strip_prefix(name));
    let value = value.ok_or_else(|| format!("`stats` does not tell {name}"))?;
    Ok(value.trim().parse()?)
}
