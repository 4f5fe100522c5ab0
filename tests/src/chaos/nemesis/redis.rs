//! Faults of a server that speaks Redis' protocol, and how each is put right.

use std::time::Duration;

use tasker_cache_testkit::proxy::{FaultProxy, NetworkFault};
use tasker_cache_testkit::server::{Program, RedisServer, Reply};
use tokio::time::{Instant, sleep, timeout};

use super::Nemesis;
use super::server::{again, kill, pause, restart};
use crate::chaos::Result;

/// The user as whom the clients are connected; the harness is another.
pub(crate) const USER: &str = "cache";

/// The password of that user.
pub(crate) const PASSWORD: &str = "s3cret";

/// How long a command of the referee's may take; a server that sleeps answers afterwards.
const COMMAND: Duration = Duration::from_secs(30);

/// By how much the memory is less than what is needed, in bytes.
const LACKING: u64 = 16 * 1024;

pub(super) async fn happen(
    nemesis: Nemesis,
    server: &RedisServer,
    proxy: &FaultProxy,
    lasting: Duration,
) -> Result<u64> {
    match nemesis {
        Nemesis::Kill => kill(server, lasting).await,
        Nemesis::Restart => restart(server, lasting).await,
        Nemesis::Pause => pause(server, lasting).await,
        Nemesis::Flush => {
            again(lasting, async || {
                let keys = ask(server, &["DBSIZE"]).await?.integer().unwrap_or(0);
                ask(server, &["FLUSHALL"]).await?;
                Ok(u64::try_from(keys)?)
            })
            .await
        }
        Nemesis::Evict => {
            let before = stat(server, "stats", "evicted_keys").await?;
            ask(server, &["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]).await?;
            again(lasting, async || {
                let used = stat(server, "memory", "used_memory").await?;
                let limit = used.saturating_sub(LACKING).to_string();
                ask(server, &["CONFIG", "SET", "maxmemory", &limit]).await?;
                Ok(0)
            })
            .await?;
            ask(server, &["CONFIG", "SET", "maxmemory", "0"]).await?;
            Ok(stat(server, "stats", "evicted_keys").await?.saturating_sub(before))
        }
        Nemesis::Memory => {
            let before = stat(server, "errorstats", "errorstat_OOM").await?;
            ask(server, &["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await?;
            ask(server, &["CONFIG", "SET", "maxmemory", "1"]).await?;
            sleep(lasting).await;
            ask(server, &["CONFIG", "SET", "maxmemory", "0"]).await?;
            Ok(stat(server, "errorstats", "errorstat_OOM").await?.saturating_sub(before))
        }
        Nemesis::Scripts => {
            let before = stat(server, "errorstats", "errorstat_NOSCRIPT").await?;
            again(lasting, async || ask(server, &["SCRIPT", "FLUSH"]).await.map(|_| 0)).await?;
            Ok(stat(server, "errorstats", "errorstat_NOSCRIPT").await?.saturating_sub(before))
        }
        Nemesis::Cut => again(lasting, async || cut(server).await).await,
        Nemesis::Crowd => {
            ask(server, &["CONFIG", "SET", "maxclients", "1"]).await?;
            proxy.drop_connections();
            sleep(lasting).await;
            leave_room(server, proxy).await
        }
        Nemesis::Password => {
            ask(server, &["ACL", "SETUSER", USER, "resetpass", ">another"]).await?;
            let cut = cut(server).await;
            sleep(lasting).await;
            cut
        }
        Nemesis::Readonly => {
            ask(server, &["REPLICAOF", "127.0.0.1", "1"]).await?;
            sleep(lasting).await;
            Ok(1)
        }
        Nemesis::Sleep => {
            let seconds = lasting.as_secs_f64().to_string();
            ask(server, &["DEBUG", "SLEEP", &seconds]).await?;
            Ok(1)
        }
        other => Err(format!("{} is no fault of a server", other.name()).into()),
    }
}

/// Makes a server what it was, whatever happened to it.
pub(crate) async fn heal(server: &RedisServer) -> Result<()> {
    if !server.is_running() {
        server.restart().await;
    }
    server.resume();
    if server.program() == Program::Dragonfly {
        return Ok(());
    }
    let password = format!(">{PASSWORD}");
    let commands: [&[&str]; 3] = [
        &["CONFIG", "SET", "maxmemory", "0"],
        &["REPLICAOF", "NO", "ONE"],
        &["ACL", "SETUSER", USER, "resetpass", &password],
    ];
    for command in commands {
        ask(server, command).await?;
    }
    Ok(())
}

/// Lets the server take clients again. The referee needs the one connection that there is.
async fn leave_room(server: &RedisServer, proxy: &FaultProxy) -> Result<u64> {
    let begun = Instant::now();
    loop {
        proxy.set(NetworkFault::Refuse);
        proxy.drop_connections();
        sleep(Duration::from_millis(20)).await;
        match ask(server, &["CONFIG", "SET", "maxclients", "1000"]).await {
            Err(_) if begun.elapsed() < COMMAND => {}
            Err(error) => return Err(error),
            Ok(_) => break,
        }
    }
    proxy.clear();
    Ok(1)
}

/// Closes the connections of all clients.
async fn cut(server: &RedisServer) -> Result<u64> {
    let killed = ask(server, &["CLIENT", "KILL", "USER", USER]).await?;
    Ok(u64::try_from(killed.integer().unwrap_or(0))?)
}

/// Runs a command that must not be refused.
async fn ask(server: &RedisServer, command: &[&str]) -> Result<Reply> {
    match timeout(COMMAND, server.try_command(command)).await?? {
        Reply::Error(error) => Err(format!("{} was answered {error}", command.join(" ")).into()),
        reply => Ok(reply),
    }
}

/// Returns a number out of `INFO`: 0 if it is not there, as an error is that never happened.
async fn stat(server: &RedisServer, section: &str, name: &str) -> Result<u64> {
    let info = ask(server, &["INFO", section]).await?.to_string();
    let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = value.map(|value| value.trim_start_matches("count="));
    Ok(number.map_or(Ok(0), str::parse)?)
}
