//! A Redis Cluster: primaries, and replicas where wanted.

use std::iter;
use std::time::Duration;

use tokio::time::sleep;

use crate::server::patience::{PATIENCE, until};
use crate::server::redis::field;
use crate::server::replicas::in_sync;
use crate::server::{RedisBuilder, RedisServer, Reply, StartError};

/// How many slots a cluster has (Redis Cluster specification, "Key distribution model").
const SLOTS: usize = 16_384;

/// After how long a failover without an outcome is asked for again.
const GIVEN_UP: Duration = Duration::from_secs(6);

/// Which word of a line of `CLUSTER NODES` tells what a node is, and where its slots begin.
const FLAGS: usize = 2;
const SLOT_RANGES: usize = 8;

/// A running cluster: some primaries that share the slots evenly, without replicas until some are
/// [added](Self::add_replica).
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
    /// What each of them was started with.
    builder: RedisBuilder,
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
        let cluster = Self { nodes, builder };
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

    /// Starts one more primary, which has no slots yet, and waits until every node knows it.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use tasker_cache_testkit::server::RedisCluster;
    /// let mut cluster = RedisCluster::start(3).await;
    /// cluster.add_node().await;
    /// cluster.move_slot(42, 3).await;
    /// # }
    /// ```
    pub async fn add_node(&mut self) {
        self.try_add_node().await.unwrap_or_else(|error| panic!("{error}"));
    }

    async fn try_add_node(&mut self) -> Result<(), StartError> {
        let node = self.builder.clone().node().try_start().await?;
        self.nodes.push(node);
        self.introduce().await?;
        self.ready().await;
        Ok(())
    }

    /// Starts a replica of the node with this number, and waits until it has all that is stored
    /// there. It is the last of the [nodes](Self::nodes).
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start), and if there is no such node.
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use tasker_cache_testkit::server::RedisCluster;
    /// let mut cluster = RedisCluster::start(3).await;
    /// cluster.add_replica(0).await;
    /// cluster.nodes()[0].kill().await;
    /// cluster.take_over(3).await;
    /// # }
    /// ```
    pub async fn add_replica(&mut self, of: usize) {
        self.try_add_replica(of).await.unwrap_or_else(|error| panic!("{error}"));
    }

    async fn try_add_replica(&mut self, of: usize) -> Result<(), StartError> {
        self.try_add_node().await?;
        let (primary, replica) = (&self.nodes[of], &self.nodes[self.nodes.len() - 1]);
        accepted(replica, &["CLUSTER", "REPLICATE", &name(primary).await]).await?;
        in_sync(primary, replica).await;
        Ok(())
    }

    /// Makes the replica with this number the primary of its primary's slots, with the consent of
    /// that one: nothing that was acknowledged is lost (`CLUSTER FAILOVER`).
    ///
    /// # Panics
    ///
    /// If that node is no replica, or if it takes more than 20 s.
    pub async fn hand_over(&self, to: usize) {
        // One that has not heard that this is a replica doesn't agree, and says nothing.
        self.everybody_knows(to, |words| words[FLAGS].contains("slave")).await;
        self.fail_over(to, &["CLUSTER", "FAILOVER"]).await;
    }

    /// Makes the replica with this number the primary of its primary's slots, whoever agrees: with
    /// what it has (`CLUSTER FAILOVER TAKEOVER`).
    ///
    /// # Panics
    ///
    /// As [`hand_over`](Self::hand_over).
    pub async fn take_over(&self, by: usize) {
        self.fail_over(by, &["CLUSTER", "FAILOVER", "TAKEOVER"]).await;
    }

    async fn fail_over(&self, to: usize, command: &[&str]) {
        let accepted = accepted(&self.nodes[to], command).await;
        accepted.unwrap_or_else(|error| panic!("{error}"));
        // Those who have to agree give up after five seconds, for good.
        let repeating = async {
            loop {
                sleep(GIVEN_UP).await;
                // One that has become a primary refuses.
                let _ = self.nodes[to].try_command(command).await;
            }
        };
        tokio::select! {
            () = self.everybody_knows(to, |words| words.len() > SLOT_RANGES) => {}
            () = repeating => {}
        }
    }

    /// Waits until each node that runs says so of the one with this number, in a line of
    /// `CLUSTER NODES`.
    async fn everybody_knows(&self, node: usize, so: impl Fn(&[&str]) -> bool) {
        let address = format!(":{}@", self.nodes[node].port());
        let looked = until(async || {
            for node in &self.nodes {
                let Ok(known) = node.try_command(&["CLUSTER", "NODES"]).await else { continue };
                let known = known.to_string();
                let mut lines = known.lines().filter(|line| line.contains(&address));
                if !lines.any(|line| so(&line.split(' ').collect::<Vec<_>>())) {
                    return Err(known);
                }
            }
            Ok(())
        })
        .await;
        if let Err(said) = looked {
            panic!("node {node} was not known as what it is after {PATIENCE:?}; one said:\n{said}");
        }
    }

    /// Moves a slot, with all that is stored in it, to the node with this number.
    ///
    /// # Panics
    ///
    /// If there is no such slot or node, if that node has the slot, or if one of them refuses.
    pub async fn move_slot(&self, slot: u16, to: usize) {
        self.begin_move(slot, to).await;
        self.finish_move(slot, to).await;
    }

    /// Opens a slot for a move to the node with this number: the node that has it sends clients
    /// there for every key that it doesn't hold (`ASK`).
    ///
    /// # Panics
    ///
    /// As [`move_slot`](Self::move_slot).
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use tasker_cache_testkit::server::RedisCluster;
    /// let cluster = RedisCluster::start(3).await;
    /// cluster.begin_move(42, 2).await;
    /// // Some keys of the slot are here, some are there.
    /// cluster.finish_move(42, 2).await;
    /// # }
    /// ```
    pub async fn begin_move(&self, slot: u16, to: usize) {
        self.try_begin_move(slot, to).await.unwrap_or_else(|error| panic!("{error}"));
    }

    async fn try_begin_move(&self, slot: u16, to: usize) -> Result<(), StartError> {
        let (from, to, slot) = (self.owner(slot).await, &self.nodes[to], slot.to_string());
        let (giver, taker) = (name(from).await, name(to).await);
        accepted(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &giver]).await?;
        accepted(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &taker]).await
    }

    /// Ends a move that was [begun](Self::begin_move): hands over what is still stored in the
    /// slot, and then the slot.
    ///
    /// # Panics
    ///
    /// As [`move_slot`](Self::move_slot).
    pub async fn finish_move(&self, slot: u16, to: usize) {
        self.try_finish_move(slot, to).await.unwrap_or_else(|error| panic!("{error}"));
    }

    async fn try_finish_move(&self, slot: u16, to: usize) -> Result<(), StartError> {
        let (from, to, slot) = (self.owner(slot).await, &self.nodes[to], slot.to_string());
        let (port, password) = (to.port().to_string(), self.builder.default_password());
        loop {
            let keys = from.command(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]).await;
            let keys: Vec<_> = keys.items().iter().filter_map(Reply::bytes).collect();
            if keys.is_empty() {
                break;
            }
            let words: [&[u8]; 6] =
                [b"MIGRATE", b"127.0.0.1", port.as_bytes(), b"", b"0", b"10000"];
            let mut args = words.to_vec();
            args.extend(password.iter().flat_map(|word| [b"AUTH", word.as_bytes()]));
            args.push(b"KEYS");
            args.extend(keys.iter().map(AsRef::as_ref));
            let reply = from.command(&args).await;
            // Where they have expired in the meantime there is nothing to hand over.
            if reply.text() != Some("NOKEY") {
                expect_ok(&args, &reply)?;
            }
        }
        let taker = name(to).await;
        // Who gets the slot must be the first to know; replicas hear of it.
        for node in iter::once(to).chain(&self.nodes) {
            let info = node.info("replication").await.map_err(StartError::unfit)?;
            if field(&info, "role") == Some("master") {
                accepted(node, &["CLUSTER", "SETSLOT", &slot, "NODE", &taker]).await?;
            }
        }
        Ok(())
    }

    /// Returns the node that has a slot.
    async fn owner(&self, slot: u16) -> &RedisServer {
        for node in &self.nodes {
            let ranges = node.command(&["CLUSTER", "SLOTS"]).await;
            for range in ranges.items() {
                let [first, last, primary, ..] = range.items() else { continue };
                let port = primary.items().get(1).and_then(Reply::integer);
                let is_here =
                    first.integer() <= Some(slot.into()) && last.integer() >= Some(slot.into());
                if is_here && port == Some(node.port().into()) {
                    return node;
                }
            }
        }
        panic!("no node has slot {slot}");
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
        if !is_content {
            return Err(info);
        }
        // One that it has only met counts as known.
        let nodes = node.command(&["CLUSTER", "NODES"]).await.to_string();
        if nodes.contains("handshake") { Err(nodes) } else { Ok(()) }
    }

    /// Returns the nodes, in the order of their slots, and then those that were added.
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

/// Returns the name that a node has in its cluster.
async fn name(node: &RedisServer) -> String {
    node.command(&["CLUSTER", "MYID"]).await.to_string()
}

/// Runs a command that has to be answered with `OK`.
async fn accepted<A: AsRef<[u8]>>(node: &RedisServer, args: &[A]) -> Result<(), StartError> {
    expect_ok(args, &node.command(args).await)
}

fn expect_ok<A: AsRef<[u8]>>(args: &[A], reply: &Reply) -> Result<(), StartError> {
    if reply.is_ok() {
        return Ok(());
    }
    let words = args.iter().take(2).map(|word| String::from_utf8_lossy(word.as_ref()));
    let words: Vec<_> = words.collect();
    Err(StartError::unfit(format!("{} was answered {reply}", words.join(" "))))
}
