//! A Redis Cluster of primaries.

use std::iter;

use crate::server::patience::{PATIENCE, until};
use crate::server::{RedisBuilder, RedisServer, StartError};

/// How many slots a cluster has (Redis Cluster specification, "Key distribution model").
const SLOTS: usize = 16_384;

/// A running cluster: some primaries that share the slots evenly, without replicas.
///
/// A node is killed, paused and restarted like any server; it knows its cluster again when it
/// is back. While one is gone the others refuse every command after two seconds, as clusters do
/// unless `cluster-require-full-coverage` is off.
///
/// ```no_run
/// # async fn example() {
/// use tasker_cache_testkit::server::RedisCluster;
///
/// let cluster = RedisCluster::start(3).await;
/// let url = cluster.url();             // redis-cluster://127.0.0.1:A?node=127.0.0.1:B&node=…
/// cluster.nodes()[1].restart().await;
/// cluster.ready().await;
/// # }
/// ```
#[derive(Debug)]
pub struct RedisCluster {
    /// At least one.
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts a cluster of so many plain nodes, and waits until each of them says that it is well.
    ///
    /// # Panics
    ///
    /// If there is to be no node, or if that takes more than 20 s.
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use tasker_cache_testkit::server::RedisCluster;
    /// let cluster = RedisCluster::start(3).await;
    /// # }
    /// ```
    pub async fn start(nodes: usize) -> Self {
        Self::start_with(nodes, RedisServer::builder()).await
    }

    /// Starts a cluster of nodes with something to them: each is started as the builder says.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start), and if the options don't suit a cluster.
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use tasker_cache_testkit::server::{Program, RedisCluster, RedisServer};
    /// let builder = RedisServer::builder().program(Program::Valkey).password("secret");
    /// let cluster = RedisCluster::start_with(3, builder).await;
    /// # }
    /// ```
    pub async fn start_with(nodes: usize, builder: RedisBuilder) -> Self {
        Self::try_start(nodes, builder).await.unwrap_or_else(|error| panic!("{error}"))
    }

    async fn try_start(count: usize, builder: RedisBuilder) -> Result<Self, StartError> {
        if count == 0 {
            return Err(StartError::unfit("a cluster has at least one node"));
        }
        let mut nodes = Vec::with_capacity(count);
        for _ in 0..count {
            nodes.push(builder.clone().node().try_start().await?);
        }
        let cluster = Self { nodes };
        cluster.share_slots().await?;
        cluster.introduce().await?;
        cluster.ready().await;
        Ok(cluster)
    }

    async fn share_slots(&self) -> Result<(), StartError> {
        let count = self.nodes.len();
        for (at, node) in self.nodes.iter().enumerate() {
            let epoch = (at + 1).to_string();
            accepted(node, &["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await?;
            let slots = SLOTS * at / count..SLOTS * (at + 1) / count;
            let slots: Vec<String> = slots.map(|slot| slot.to_string()).collect();
            let words = ["CLUSTER", "ADDSLOTS"];
            let args: Vec<&str> =
                words.into_iter().chain(slots.iter().map(String::as_str)).collect();
            accepted(node, &args).await?;
        }
        Ok(())
    }

    async fn introduce(&self) -> Result<(), StartError> {
        for (at, node) in self.nodes.iter().enumerate() {
            for other in &self.nodes[..at] {
                let port = other.port().to_string();
                accepted(node, &["CLUSTER", "MEET", "127.0.0.1", &port]).await?;
            }
        }
        Ok(())
    }

    /// Waits until every node says that the cluster is well, and knows all the others.
    ///
    /// # Panics
    ///
    /// If it takes more than 20 s.
    pub async fn ready(&self) {
        let looked = until(async || {
            for node in &self.nodes {
                self.is_content(node).await?;
            }
            Ok(())
        })
        .await;
        if let Err(info) = looked {
            panic!("the cluster was not ready after {PATIENCE:?}; a node said:\n{info}");
        }
    }

    /// Tells whether a node finds everything in order; what it says if not.
    async fn is_content(&self, node: &RedisServer) -> Result<(), String> {
        let asked = node.try_command(&["CLUSTER", "INFO"]).await;
        let info = asked.map_err(|error| error.to_string())?.to_string();
        let known = format!("cluster_known_nodes:{}", self.nodes.len());
        let wanted = ["cluster_state:ok", "cluster_slots_ok:16384", &known];
        let is_content = wanted.iter().all(|wanted| info.lines().any(|line| line == *wanted));
        if is_content { Ok(()) } else { Err(info) }
    }

    /// Returns the nodes, in the order of their slots.
    #[must_use]
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// Returns the URL with all nodes in it:
    /// `redis-cluster://127.0.0.1:A?node=127.0.0.1:B&node=127.0.0.1:C`, `rediss-cluster://…` with
    /// TLS.
    #[must_use]
    pub fn url(&self) -> String {
        let mut url = self.nodes[0].url().replacen("://", "-cluster://", 1);
        for (mark, node) in iter::once('?').chain(iter::repeat('&')).zip(&self.nodes[1..]) {
            url.extend([mark.to_string(), format!("node={}", node.address())]);
        }
        url
    }
}

/// Runs a command that has to be answered with `OK`.
async fn accepted(node: &RedisServer, args: &[&str]) -> Result<(), StartError> {
    let reply = node.command(args).await;
    let what = || StartError::unfit(format!("{} was answered {reply}", args[..2].join(" ")));
    reply.is_ok().then_some(()).ok_or_else(what)
}
