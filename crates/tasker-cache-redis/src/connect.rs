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
use tokio::time::{Instant, timeout};

use crate::cause::Cause;
use crate::{ConfigError, RedisConfig};

/// How long an established connection may be silent before the system asks the other side.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// The shortest time that data may stay unacknowledged on a connection.
const MIN_USER_TIMEOUT: Duration = Duration::from_secs(1);

/// How often the client may write one command: what it wrote may have been executed.
pub(crate) const ATTEMPTS: u32 = 1;

/// Everything an attempt needs; made once, from files that are read once.
pub(crate) struct Connector {
    /// One for each server that is known by its address.
    configs: Vec<Config>,
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
        let target = config.target;
        let configs = target.to_client().into_iter().map(|server| Config {
            fail_fast: true,
            server,
            database: database.filter(|number| *number > 0),
            username: target.username.clone(),
            password: target.password.clone(),
            #[cfg(feature = "rustls")]
            tls: tls.clone(),
            ..Config::default()
        });
        let configs: Vec<Config> = configs.collect();
        if configs.iter().any(|config| config.uses_tls() != wants_tls) {
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
            configs,
            tcp,
            connection_timeout: config.connection_timeout,
            operation_timeout: config.operation_timeout,
            is_cluster,
        })
    }

    /// Connects, logs in and asks the server who it is, within `limit`. Of several servers the next
    /// is tried where one fails, or takes more than half of the time that is left.
    pub(crate) async fn connect(&self, limit: Duration) -> Result<Connected, Cause> {
        let deadline = Instant::now() + limit;
        let mut failed = Cause::TimedOut;
        for (tried, config) in self.configs.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let share = if tried + 1 < self.configs.len() { left / 2 } else { left };
            let attempt = timeout(share, self.attempt(config, share)).await;
            match attempt.unwrap_or(Err(Cause::TimedOut)) {
                Ok(connected) => return Ok(connected),
                // What a server says tells more than that another is not there.
                Err(_) if failed.is_reply() => {}
                Err(cause) => failed = cause,
            }
        }
        Err(failed)
    }

    async fn attempt(&self, config: &Config, limit: Duration) -> Result<Connected, Cause> {
        let client = self.client(config, limit);
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

    fn client(&self, config: &Config, limit: Duration) -> Client {
        let connection = ConnectionConfig {
            connection_timeout: limit,
            internal_command_timeout: limit,
            max_command_attempts: ATTEMPTS,
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
        Client::new(config.clone(), Some(performance), Some(connection), None)
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
