//! The connections to one server, and which of them a request takes.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use xxhash_rust::xxh3::xxh3_64;

use crate::MemcachedConfig;
use crate::connection::Health;
use crate::error::Failure;
use crate::lane::Lane;
use crate::request::{Ask, Command, Found, Outcome, Read, Reply, Request, Write};

/// Some connections to one server.
#[derive(Debug)]
pub(crate) struct Pool {
    config: Arc<MemcachedConfig>,
    lanes: Box<[Lane]>,
}

/// An answer on its way.
pub(crate) struct Answer<T> {
    receiver: oneshot::Receiver<Result<T, Failure>>,
    pub(crate) deadline: Instant,
    /// The connection that it comes from.
    pub(crate) lane: usize,
}

impl Pool {
    pub(crate) fn new(config: MemcachedConfig) -> Self {
        let lanes = (0..config.max_connections).map(|_| Lane::default()).collect();
        Self { config: Arc::new(config), lanes }
    }

    pub(crate) fn config(&self) -> &MemcachedConfig {
        &self.config
    }

    /// Returns when an operation that begins at this moment has to be over.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.config.operation_timeout
    }

    /// Asks for one key; with `hold` seconds, leases it if there is nothing.
    pub(crate) async fn read(
        &self,
        key: &str,
        hold: Option<u32>,
        deadline: Instant,
    ) -> Result<Answer<Option<Found>>, Failure> {
        let lane = self.choose(key)?;
        let request = |reply| {
            let ask = Ask { deadline, retried: false, reply };
            Request::Read(Read { key: key.to_owned(), hold, ask })
        };
        self.send(lane, deadline, request).await
    }

    /// Executes a command on the connection that `key` takes.
    pub(crate) async fn write(
        &self,
        key: &str,
        command: Command,
        deadline: Instant,
    ) -> Result<Outcome, Failure> {
        self.write_on(self.choose(key)?, command, deadline).await
    }

    /// Executes a command that is bound to a connection, if that still stands.
    pub(crate) async fn write_bound(
        &self,
        lane: usize,
        command: Command,
        deadline: Instant,
    ) -> Result<Outcome, Failure> {
        if !self.lanes.get(lane).is_some_and(Lane::is_up) {
            return Ok(Outcome::Missed);
        }
        self.write_on(lane, command, deadline).await
    }

    async fn write_on(
        &self,
        lane: usize,
        command: Command,
        deadline: Instant,
    ) -> Result<Outcome, Failure> {
        let request =
            |reply| Request::Write(Write { command, ask: Ask { deadline, retried: false, reply } });
        self.send(lane, deadline, request).await?.wait().await
    }

    /// Connects, if there is no connection, and makes a round trip.
    pub(crate) async fn ready(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + self.config.connection_timeout;
        let lane = self.choose("").unwrap_or(0);
        self.lanes[lane].start(&self.config)?;
        let was_up = self.lanes[lane].is_up();
        // The attempt ends by itself in this time; this is for a runtime that nobody drives.
        let settled = timeout_at(deadline, self.lanes[lane].settled()).await;
        settled.unwrap_or_else(|_| Err(Failure::never_answered()))?;
        if was_up {
            self.write_on(lane, Command::Prove, deadline).await?;
        }
        Ok(())
    }

    /// Chooses the connection for a key: always the same while that is well, so that requests for
    /// one key share a batch and keep their order.
    ///
    /// While none is up, what is known to be down is not waited for.
    fn choose(&self, key: &str) -> Result<usize, Failure> {
        let count = self.lanes.len() as u64;
        let own = usize::try_from(xxh3_64(key.as_bytes()) % count).unwrap_or(0);
        if self.lanes[own].is_up() {
            return Ok(own);
        }
        self.lanes[own].start(&self.config)?;
        if let Some(up) = self.lanes.iter().position(Lane::is_up) {
            return Ok(up);
        }
        let states = self.lanes.iter().map(Lane::health);
        match states.flatten().find(|health| !matches!(health, Health::Connecting)) {
            Some(Health::Down(failure)) => Err(failure),
            Some(Health::Late) => Err(Failure::never_answered()),
            Some(Health::Up | Health::Connecting) | None => Ok(own),
        }
    }

    async fn send<T>(
        &self,
        lane: usize,
        deadline: Instant,
        request: impl FnOnce(Reply<T>) -> Request,
    ) -> Result<Answer<T>, Failure> {
        let (reply, receiver) = oneshot::channel();
        self.lanes[lane].send(request(reply), deadline).await?;
        Ok(Answer { receiver, deadline, lane })
    }
}

impl<T> Answer<T> {
    /// Waits for the answer until its deadline.
    pub(crate) async fn wait(self) -> Result<T, Failure> {
        match timeout_at(self.deadline, self.receiver).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Failure::no_runtime()),
            Err(_) => Err(Failure::timeout()),
        }
    }
}
