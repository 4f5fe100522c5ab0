//! One attempt to connect: a fresh client, which is used until its connection breaks and never
//! connects again.
//!
//! A client that reconnects by itself keeps what was not sent yet and sends it later; one that is
//! thrown away takes it along. So no write that was given up is executed after an outage.

use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike, FredResult};
use fred::socket2::TcpKeepalive;
use fred::types::InfoKind;
use fred::types::config::{
    Config, ConnectionConfig, Options, PerformanceConfig, TcpConfig, UnresponsiveConfig,
};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;

use crate::cause::Cause;
use crate::{ConfigError, RedisConfig};

/// How long an established connection may be silent before the system asks the other side.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// The shortest time that data may stay unacknowledged on a connection.
const MIN_USER_TIMEOUT: Duration = Duration::from_secs(1);

/// Everything an attempt needs; made once, from files that are read once.
pub(crate) struct Connector {
    config: Config,
    tcp: TcpConfig,
    pub(crate) connection_timeout: Duration,
    pub(crate) operation_timeout: Duration,
    pub(crate) is_cluster: bool,
}

/// A client that is connected, and the task that moves its bytes.
pub(crate) struct Connected {
    pub(crate) client: Client,
    pub(crate) task: Task,
    pub(crate) server: Server,
}

/// What the server turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Redis,
    Valkey,
    Dragonfly,
}

/// The client's task, which ends with this.
pub(crate) struct Task(JoinHandle<FredResult<()>>);

impl Task {
    /// Waits until the connection is gone.
    pub(crate) async fn ended(&mut self) {
        let _ = (&mut self.0).await;
    }

    pub(crate) fn handle(&self) -> AbortHandle {
        self.0.abort_handle()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connector {
    pub(crate) fn new(config: RedisConfig) -> Result<Self, ConfigError> {
        let database = config.check()?;
        let (wants_tls, is_cluster) = (config.target.tls, config.target.is_cluster());
        #[cfg(feature = "rustls")]
        let tls = if config.target.tls { Some(crate::tls::configured(&config)?) } else { None };
        let client = Config {
            fail_fast: true,
            server: config.target.to_client(),
            database: database.filter(|number| *number > 0),
            username: config.target.username,
            password: config.target.password,
            #[cfg(feature = "rustls")]
            tls,
            ..Config::default()
        };
        if client.uses_tls() != wants_tls {
            return Err(ConfigError::TlsNotCompiled);
        }
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3);
        let tcp = TcpConfig {
            nodelay: Some(true),
            keepalive: Some(keepalive),
            // A full socket buffer blocks the client for as long as the other side takes nothing.
            #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
            user_timeout: Some(config.operation_timeout.max(MIN_USER_TIMEOUT)),
            ..TcpConfig::default()
        };
        Ok(Self {
            config: client,
            tcp,
            connection_timeout: config.connection_timeout,
            operation_timeout: config.operation_timeout,
            is_cluster,
        })
    }

    /// How often the client may write one command. Only a cluster needs more than once, to follow
    /// a slot that has moved.
    pub(crate) const fn attempts(&self) -> u32 {
        if self.is_cluster { 3 } else { 1 }
    }

    /// Connects, logs in and asks the server who it is, within `limit`.
    pub(crate) async fn connect(&self, limit: Duration) -> Result<Connected, Cause> {
        timeout(limit, self.attempt(limit)).await.unwrap_or(Err(Cause::TimedOut))
    }

    async fn attempt(&self, limit: Duration) -> Result<Connected, Cause> {
        let client = self.client(limit);
        let mut task = None;
        tokio::select! {
            // The first poll of this one subscribes to the news that the other one makes.
            biased;
            connected = client.wait_for_connect() => {
                connected.map_err(|error| Cause::of(&error))?;
            }
            ended = async { (&mut task.insert(Task(client.connect())).0).await } => {
                return Err(match ended {
                    Ok(Err(error)) => Cause::of(&error),
                    Ok(Ok(())) | Err(_) => Cause::Closed,
                });
            }
        }
        let task = task.ok_or(Cause::Closed)?;
        let asking = client.with_options(&Options { timeout: Some(limit), ..Options::default() });
        // A server that is loading lets clients log in.
        let _: () = asking.ping(None).await.map_err(|error| Cause::of(&error))?;
        let told: FredResult<String> = asking.info(Some(InfoKind::Server)).await;
        let server = told.map_or(Server::Redis, |text| Server::of(&text));
        Ok(Connected { client, task, server })
    }

    fn client(&self, limit: Duration) -> Client {
        // Nodes are asked one after the other for the others, and one that hangs has its share.
        let share = match u32::try_from(self.config.server.hosts().len()) {
            Ok(nodes @ 2..) => limit / (nodes + 1),
            _ => limit,
        };
        let connection = ConnectionConfig {
            connection_timeout: share,
            internal_command_timeout: share,
            max_command_attempts: self.attempts(),
            // None: to follow an `ASK`, the client says `ASKING` in between other questions, and
            // takes the answer to one of those for the answer to that. After a `MOVED` it learns
            // where the slots are before it gives up, so that to ask again helps.
            max_redirections: 0,
            // Its own bound leaks; the gate stands for it.
            max_command_buffer_len: 0,
            unresponsive: UnresponsiveConfig::default(),
            tcp: self.tcp.clone(),
            ..ConnectionConfig::default()
        };
        let performance = PerformanceConfig {
            default_command_timeout: self.operation_timeout,
            ..PerformanceConfig::default()
        };
        Client::new(self.config.clone(), Some(performance), Some(connection), None)
    }
}

impl Server {
    /// Reads the answer to `INFO server`. Versions and `HELLO` don't tell them apart.
    fn of(info: &str) -> Self {
        if info.contains("dragonfly_version:") {
            Self::Dragonfly
        } else if info.contains("server_name:valkey") || info.contains("valkey_version:") {
            Self::Valkey
        } else {
            Self::Redis
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
            Self::Dragonfly => "dragonfly",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_server_is_told_by_its_own_version() {
        let rows = [
            ("redis_version:7.0.15\r\nredis_mode:standalone\r\n", "redis"),
            ("redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.0.0\r\n", "valkey"),
            ("redis_version:7.4.0\r\ndragonfly_version:df-v1.40.1\r\n", "dragonfly"),
            ("", "redis"),
        ];

        for (info, expected) in rows {
            assert_eq!(Server::of(info).name(), expected, "{info}");
        }
    }
}
