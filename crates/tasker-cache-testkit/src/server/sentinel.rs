//! Sentinels that watch over a primary and its replica.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::iter;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::server::daemon::{Daemon, Service};
use crate::server::patience::{PATIENCE, until, until_within};
use crate::server::place::Place;
use crate::server::resp::Connection;
use crate::server::{Ports, Program, RedisBuilder, RedisReplicas, RedisServer, Reply, StartError};

/// The name under which the sentinels know the primary.
const NAME: &str = "primary";

/// After how long without an answer a sentinel takes the primary for dead: when it is, and before
/// that. One that a busy machine keeps is not dead.
const DOWN_AFTER_MS: u32 = 500;
const ALIVE_FOR_MS: u32 = 600_000;

/// For how long a failover is waited for: a sentinel that was kept itself does nothing for 30 s.
const FAILOVER: Duration = Duration::from_secs(90);

/// How long a sentinel waits until it tries a failover again.
const FAILOVER_MS: u32 = 2_000;

/// How long one question to a sentinel may take.
const QUESTION: Duration = Duration::from_secs(2);

/// A running primary with its replica, and the sentinels that make the replica the primary once the
/// primary is gone.
///
/// ```no_run
/// # async fn example() {
/// use tasker_cache_testkit::server::RedisSentinel;
///
/// let watched = RedisSentinel::start(3).await;
/// let url = watched.url();        // redis-sentinel://127.0.0.1:A?sentinelServiceName=primary&…
/// watched.fail_over().await;      // the first primary is gone, and its replica is the primary
/// # }
/// ```
#[derive(Debug)]
pub struct RedisSentinel {
    servers: RedisReplicas,
    /// At least one.
    sentinels: Vec<Daemon<SentinelService>>,
}

impl RedisSentinel {
    /// Starts a plain primary, its replica and so many sentinels, and waits until each sentinel
    /// knows all of them.
    ///
    /// # Panics
    ///
    /// If there is to be no sentinel, or if one of the steps takes more than 20 s.
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use tasker_cache_testkit::server::RedisSentinel;
    /// let watched = RedisSentinel::start(1).await;
    /// # }
    /// ```
    pub async fn start(sentinels: usize) -> Self {
        Self::start_with(sentinels, RedisServer::builder()).await
    }

    /// Starts a primary and its replica as the builder says, and so many sentinels.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start), and for servers on unix sockets or of Dragonfly.
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use tasker_cache_testkit::server::{RedisSentinel, RedisServer};
    /// let watched = RedisSentinel::start_with(1, RedisServer::builder().password("secret")).await;
    /// # }
    /// ```
    pub async fn start_with(sentinels: usize, builder: RedisBuilder) -> Self {
        Self::try_start(sentinels, builder).await.unwrap_or_else(|error| panic!("{error}"))
    }

    async fn try_start(count: usize, builder: RedisBuilder) -> Result<Self, StartError> {
        if count == 0 {
            return Err(StartError::unfit("a primary is watched by at least one sentinel"));
        }
        let password = builder.default_password().map(str::to_owned);
        let servers = RedisReplicas::start_with(builder).await;
        let (primary, quorum) = (servers.primary().address(), count / 2 + 1);
        let tls = tls_lines(servers.primary());
        let service = SentinelService { primary, password, quorum, tls };
        let mut sentinels = Vec::with_capacity(count);
        for _ in 0..count {
            sentinels.push(Daemon::start(service.clone()).await?);
        }
        let watched = Self { servers, sentinels };
        watched.ready().await;
        Ok(watched)
    }

    /// Waits until every sentinel knows the replica and the other sentinels.
    async fn ready(&self) {
        let others = (self.sentinels.len() - 1).to_string();
        let looked = until(async || {
            for sentinel in &self.sentinels {
                let reply = ask(sentinel, &["SENTINEL", "MASTER", NAME]).await?;
                let field = |name: &str| {
                    let mut items = reply.items().iter();
                    items.find(|item| item.text() == Some(name))?;
                    items.next()?.text()
                };
                let replicas = field("num-slaves");
                if (replicas, field("num-other-sentinels")) != (Some("1"), Some(&others)) {
                    return Err(reply.to_string());
                }
            }
            Ok(())
        })
        .await;
        if let Err(said) = looked {
            panic!("the sentinels were not ready after {PATIENCE:?}; one said:\n{said}");
        }
    }

    /// Kills the server that was started as the primary, and waits until every sentinel says that
    /// its replica is the primary.
    ///
    /// # Panics
    ///
    /// If that takes more than 90 s.
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use tasker_cache_testkit::server::RedisSentinel;
    /// let watched = RedisSentinel::start(1).await;
    /// watched.servers().in_sync().await;
    /// watched.fail_over().await;
    /// # }
    /// ```
    pub async fn fail_over(&self) {
        let down_after = DOWN_AFTER_MS.to_string();
        let command = ["SENTINEL", "SET", NAME, "down-after-milliseconds", &down_after];
        for sentinel in &self.sentinels {
            match ask(sentinel, &command).await {
                Ok(reply) if reply.is_ok() => {}
                Ok(reply) => panic!("a sentinel said {reply}"),
                Err(error) => panic!("{error}"),
            }
        }
        self.servers.primary().kill().await;
        let wanted = self.servers.replica();
        let port = wanted.port().to_string();
        let looked = until_within(FAILOVER, async || {
            for sentinel in &self.sentinels {
                let named = ask(sentinel, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]).await?;
                if named.items().get(1).and_then(Reply::text) != Some(&port) {
                    return Err(named.to_string());
                }
            }
            role(wanted).await
        })
        .await;
        if let Err(said) = looked {
            panic!("there was no failover after {FAILOVER:?}; it was said:\n{said}");
        }
    }

    /// Returns the two servers, called by what they were started as.
    #[must_use]
    pub fn servers(&self) -> &RedisReplicas {
        &self.servers
    }

    /// Returns the URL with all sentinels in it:
    /// `redis-sentinel://127.0.0.1:A?sentinelServiceName=primary&node=127.0.0.1:B`.
    #[must_use]
    pub fn url(&self) -> String {
        let mut addresses = self.sentinels.iter().map(|sentinel| sentinel.place().address());
        let first = addresses.next().map(|address| self.servers.primary().url_at(address));
        let first = first.unwrap_or_default().replacen("://", "-sentinel://", 1);
        let service = format!("{first}?sentinelServiceName={NAME}");
        let others = addresses.map(|address| format!("&node={address}"));
        iter::once(service).chain(others).collect()
    }
}

/// Tells whether a server says itself that it is a primary; what it says if not.
async fn role(server: &RedisServer) -> Result<(), String> {
    let info = server.info("replication").await?;
    if info.contains("role:master") { Ok(()) } else { Err(info) }
}

async fn ask(sentinel: &Daemon<SentinelService>, args: &[&str]) -> Result<Reply, String> {
    let asked = timeout(QUESTION, exchange(sentinel.place(), args)).await;
    match asked {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("a sentinel does not answer".to_owned()),
    }
}

async fn exchange(place: &Place, args: &[&str]) -> io::Result<Reply> {
    Connection::new(UnixStream::connect(place.socket()).await?).demand(args).await
}

/// Returns the lines that let a sentinel talk to a server as clients do, if they do with TLS.
fn tls_lines(server: &RedisServer) -> Option<Vec<String>> {
    let files = server.tls_files()?;
    Some(vec![
        format!("tls-ca-cert-file {}", files.ca().display()),
        format!("tls-cert-file {}", files.server_certificate().display()),
        format!("tls-key-file {}", files.server_key().display()),
        "tls-auth-clients no".to_owned(),
        "tls-replication yes".to_owned(),
    ])
}

/// What a sentinel is started with.
#[derive(Clone)]
struct SentinelService {
    primary: SocketAddr,
    password: Option<String>,
    quorum: usize,
    /// What TLS wants in the file, if there is TLS.
    tls: Option<Vec<String>>,
}

impl fmt::Debug for SentinelService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentinelService")
            .field("primary", &self.primary)
            .field("has_password", &self.password.is_some())
            .field("quorum", &self.quorum)
            .field("tls", &self.tls)
            .finish()
    }
}

impl SentinelService {
    /// Sentinel keeps what it learns in its file, which therefore has to be there.
    fn file(place: &Place) -> PathBuf {
        place.data().join("sentinel.conf")
    }
}

impl Service for SentinelService {
    /// Sentinel is Redis under another name, and not every package has that name.
    fn program(&self) -> Program {
        Program::Redis
    }

    fn ports(&self) -> Option<Ports> {
        Some(Ports::One)
    }

    fn prepare(&self, place: &Place) -> io::Result<()> {
        let Self { primary, password, quorum, tls } = self;
        let (host, port) = (primary.ip(), primary.port());
        let own = place.address().port();
        let (plain, secured) = if tls.is_some() { (0, own) } else { (own, 0) };
        let mut lines = vec![
            format!("port {plain}"),
            "bind 127.0.0.1".to_owned(),
            format!("unixsocket {}", place.socket().display()),
            format!("dir {}", place.data().display()),
            format!("sentinel monitor {NAME} {host} {port} {quorum}"),
            format!("sentinel down-after-milliseconds {NAME} {ALIVE_FOR_MS}"),
            format!("sentinel failover-timeout {NAME} {FAILOVER_MS}"),
        ];
        if let Some(tls) = tls {
            lines.push(format!("tls-port {secured}"));
            lines.extend_from_slice(tls);
        }
        if let Some(password) = password {
            let bytes = password.bytes().map(|byte| format!("\\x{byte:02x}"));
            let quoted: String = bytes.collect();
            lines.push(format!("sentinel auth-pass {NAME} \"{quoted}\""));
        }
        fs::write(Self::file(place), lines.join("\n") + "\n")
    }

    fn args(&self, _: &Path, place: &Place) -> Vec<OsString> {
        vec![Self::file(place).into(), "--sentinel".into()]
    }

    async fn ready(&self, place: &Place) -> io::Result<Option<u32>> {
        let info = exchange(place, &["INFO", "server"]).await?;
        let pid = crate::server::redis::field(info.text().unwrap_or_default(), "process_id");
        Ok(pid.and_then(|pid| pid.parse().ok()))
    }
}
