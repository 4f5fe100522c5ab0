//! A primary and its replica.

use crate::server::patience::{PATIENCE, until};
use crate::server::redis::field;
use crate::server::{RedisBuilder, RedisServer};

/// A running primary and a replica of it, which can be killed, paused and restarted one by one.
///
/// ```no_run
/// # async fn example() {
/// use tasker_cache_testkit::server::RedisReplicas;
///
/// let pair = RedisReplicas::start().await;
/// pair.primary().command(&["SET", "key", "value"]).await;
/// pair.in_sync().await;
/// pair.primary().kill().await;
/// pair.replica().command(&["REPLICAOF", "NO", "ONE"]).await;    // a failover by hand
/// # }
/// ```
#[derive(Debug)]
pub struct RedisReplicas {
    primary: RedisServer,
    replica: RedisServer,
}

impl RedisReplicas {
    /// Starts a plain primary and its replica, and waits until they are in sync.
    ///
    /// # Panics
    ///
    /// If that takes more than 20 s for one of the steps.
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use tasker_cache_testkit::server::RedisReplicas;
    /// let pair = RedisReplicas::start().await;
    /// # }
    /// ```
    pub async fn start() -> Self {
        Self::start_with(RedisServer::builder()).await
    }

    /// Starts a pair in which each is started as the builder says.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start), and for a pair on unix sockets or of Dragonfly.
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use tasker_cache_testkit::server::{RedisReplicas, RedisServer};
    /// let pair = RedisReplicas::start_with(RedisServer::builder().password("secret")).await;
    /// # }
    /// ```
    pub async fn start_with(builder: RedisBuilder) -> Self {
        let primary = builder.clone().start().await;
        let replica = builder.replica_of(primary.address()).start().await;
        let pair = Self { primary, replica };
        pair.in_sync().await;
        pair
    }

    /// Waits until the replica has all that the primary had when this was called.
    ///
    /// # Panics
    ///
    /// If it takes more than 20 s, or the primary is down.
    pub async fn in_sync(&self) {
        in_sync(&self.primary, &self.replica).await;
    }

    /// Returns the primary.
    #[must_use]
    pub fn primary(&self) -> &RedisServer {
        &self.primary
    }

    /// Returns the replica.
    #[must_use]
    pub fn replica(&self) -> &RedisServer {
        &self.replica
    }
}

/// Waits until a replica has all that its primary had when this was called.
///
/// # Panics
///
/// If it takes more than 20 s, or the primary is down.
pub(crate) async fn in_sync(primary: &RedisServer, replica: &RedisServer) {
    let looked = until(async || {
        let primary = primary.info("replication").await?;
        let replica = replica.info("replication").await?;
        let offset = |info: &str, name: &str| field(info, name)?.parse::<u64>().ok();
        let is_linked = field(&replica, "master_link_status") == Some("up");
        let is_same =
            offset(&primary, "master_repl_offset") <= offset(&replica, "slave_repl_offset");
        if is_linked && is_same { Ok(()) } else { Err(replica) }
    })
    .await;
    if let Err(info) = looked {
        panic!("the replica was not in sync after {PATIENCE:?}; it said:\n{info}");
    }
}
