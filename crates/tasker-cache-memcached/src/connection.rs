//! The task that owns one connection: it connects, batches reads, and throws the connection away
//! after any doubt.

use std::sync::Arc;
use std::time::Duration;

use async_memcached::Client;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, timeout_at};

use crate::MemcachedConfig;
use crate::commands::{BATCH, Wire};
use crate::error::{Doubt, Failure};
use crate::lease::ConnectionId;
use crate::request::{Ask, Command, Found, Outcome, Read, Recache, Request, Write};

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How well the connection is.
#[derive(Clone, Debug)]
pub(crate) enum Health {
    /// An attempt to connect is under way that nothing speaks against; requests wait for it.
    Connecting,
    /// The server has answered.
    Up,
    /// The attempt takes long; requests fail at once.
    Late,
    /// The last attempt failed, or the server did not answer in time; requests fail at once.
    Down(Failure),
}

/// Owns a connection and whatever waits for it.
///
/// It ends when the last sender of requests is gone and what they had sent is done.
pub(crate) struct Owner {
    config: Arc<MemcachedConfig>,
    requests: mpsc::Receiver<Request>,
    health: watch::Sender<Health>,
    reads: Vec<Read>,
    writes: Vec<Write>,
    /// Whether the last sender is gone.
    last: bool,
}

impl Owner {
    pub(crate) fn new(
        config: Arc<MemcachedConfig>,
        requests: mpsc::Receiver<Request>,
        health: watch::Sender<Health>,
    ) -> Self {
        let (reads, writes) = (Vec::new(), Vec::new());
        Self { config, requests, health, reads, writes, last: false }
    }

    pub(crate) async fn run(mut self) {
        while let Some(mut wire) = self.connect().await {
            let Err(failure) = self.serve(&mut wire).await else {
                return;
            };
            self.lose(failure);
        }
    }

    /// Connects, however often it takes; `None` if nobody wants it any more.
    async fn connect(&mut self) -> Option<Wire> {
        let mut pause = FIRST_PAUSE;
        loop {
            let failure = match self.attempt().await {
                Ok(wire) => {
                    self.health.send_replace(Health::Up);
                    return Some(wire);
                }
                Err(failure) => failure,
            };
            self.health.send_replace(Health::Down(failure.clone()));
            self.fail_all(&failure);
            let until = Instant::now() + pause.mul_f64(0.5 + 0.5 * fastrand::f64());
            while let Ok(request) = timeout_at(until, self.requests.recv()).await {
                // A read or a write that nobody can be told about is nobody's loss: the server is
                // not there.
                fail(request?, &failure);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Makes one attempt. Requests wait for it for a while, unless it follows a failed one.
    async fn attempt(&mut self) -> Result<Wire, Failure> {
        let config = Arc::clone(&self.config);
        let attempt = open(&config);
        let patience = sleep(config.operation_timeout);
        tokio::pin!(attempt, patience);
        loop {
            let failure = match &*self.health.borrow() {
                Health::Connecting | Health::Up => None,
                Health::Late => Some(Failure::never_answered()),
                Health::Down(failure) => Some(failure.clone()),
            };
            tokio::select! {
                result = &mut attempt => return result,
                () = &mut patience, if failure.is_none() => {
                    self.health.send_replace(Health::Late);
                    self.fail_all(&Failure::never_answered());
                }
                request = self.requests.recv(), if !self.last && self.has_room() => {
                    match (request, failure) {
                        (None, _) if self.reads.is_empty() && self.writes.is_empty() => {
                            return Err(Failure::timeout());
                        }
                        (None, _) => self.last = true,
                        (Some(request), Some(failure)) => fail(request, &failure),
                        (Some(request), None) => self.take(request),
                    }
                }
            }
        }
    }

    /// Works off requests until the connection is in doubt, or until nobody can send any more.
    async fn serve(&mut self, wire: &mut Wire) -> Result<(), Failure> {
        let mut arrived = Vec::with_capacity(BATCH);
        loop {
            if self.reads.is_empty() && self.writes.is_empty() {
                if self.requests.recv_many(&mut arrived, BATCH).await == 0 {
                    return Ok(());
                }
                for request in arrived.drain(..) {
                    self.take(request);
                }
            }
            while self.has_room()
                && let Ok(request) = self.requests.try_recv()
            {
                self.take(request);
            }
            while !self.reads.is_empty() {
                self.read_batch(wire).await?;
            }
            while !self.writes.is_empty() {
                let write = self.writes.remove(0);
                self.write(wire, write).await?;
            }
        }
    }

    /// Sends as many of the waiting reads as have one `hold` and fit a batch, but none whose time is
    /// over. From here on no other read joins them: what they will see is as old as this moment at
    /// worst.
    async fn read_batch(&mut self, wire: &mut Wire) -> Result<(), Failure> {
        self.reads.retain(|read| !read.ask.reply.is_closed());
        let now = Instant::now();
        for read in self.reads.extract_if(.., |read| read.ask.deadline <= now) {
            read.ask.fail(&Failure::timeout());
        }
        let Some(hold) = self.reads.first().map(|read| read.hold) else {
            return Ok(());
        };
        let mut batch: Vec<Read> =
            self.reads.extract_if(.., |read| read.hold == hold).take(BATCH).collect();
        batch.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let mut keys: Vec<&str> = batch.iter().map(|read| read.key.as_str()).collect();
        keys.dedup();
        let deadline = latest(batch.iter().map(|read| read.ask.deadline));
        let reading = wire.read(&keys, hold);
        let failure = match timeout_at(deadline, reading).await.unwrap_or(Err(Failure::timeout())) {
            Ok(found) => {
                self.hand_out(batch, found);
                return Ok(());
            }
            Err(failure) => failure,
        };
        for mut read in batch {
            if can_retry(&read.ask, &failure) {
                read.ask.retried = true;
                self.reads.push(read);
            } else {
                read.ask.fail(&failure);
            }
        }
        Err(failure)
    }

    /// Gives each reader of the batch what was found under its key. A lease goes to one of them,
    /// and back to the server if all of them have gone.
    fn hand_out(&mut self, batch: Vec<Read>, found: Vec<Option<Found>>) {
        let mut found = found.into_iter();
        let mut batch = batch.into_iter().peekable();
        let mut shared = None;
        while let Some(Read { key, ask, .. }) = batch.next() {
            let mut current = shared.take().or_else(|| found.next()).flatten();
            let is_last = batch.peek().is_none_or(|next| next.key != key);
            let given = if is_last { current.take() } else { current.clone() };
            let refused = ask.answer(Ok(given)).err();
            if !is_last {
                if let Some(current) = current.as_mut().filter(|_| refused.is_none())
                    && current.recache == Recache::Mine
                {
                    current.recache = Recache::Theirs;
                }
                shared = Some(current);
            } else if let Some(Ok(Some(unused))) = refused
                && unused.recache == Recache::Mine
            {
                self.give_back(key, &unused);
            }
        }
    }

    fn give_back(&mut self, key: String, found: &Found) {
        let (cas, connection) = (found.cas, found.connection);
        let command = Command::RemoveIf { key, cas, connection };
        let (reply, _) = oneshot::channel();
        let deadline = Instant::now() + self.config.operation_timeout;
        self.writes.push(Write { command, ask: Ask { deadline, retried: false, reply } });
    }

    /// Executes one write, if its time is not over; whether its caller still waits doesn't matter.
    async fn write(&mut self, wire: &mut Wire, mut write: Write) -> Result<(), Failure> {
        if write.ask.deadline <= Instant::now() {
            write.ask.fail(&Failure::timeout());
            return Ok(());
        }
        if is_foreign(&self.config, &write.command, wire.id()) {
            let _ = write.ask.answer(Ok(Outcome::Missed));
            return Ok(());
        }
        let executing = wire.execute(&write.command);
        let result = timeout_at(write.ask.deadline, executing).await;
        let failure = match result.unwrap_or(Err(Failure::timeout())) {
            Err(failure) if failure.doubt != Doubt::None => failure,
            result => {
                let _ = write.ask.answer(result);
                return Ok(());
            }
        };
        if write.command.is_idempotent() && can_retry(&write.ask, &failure) {
            write.ask.retried = true;
            self.writes.insert(0, write);
        } else {
            write.ask.fail(&failure);
        }
        Err(failure)
    }

    /// Draws the consequence of a lost connection. A broken one may be an old one that nobody
    /// had used since its server was restarted, or since something was left on it, so one attempt
    /// to connect is waited for. One whose server did not answer tells that nobody need wait for the
    /// next either.
    fn lose(&mut self, failure: Failure) {
        if failure.doubt == Doubt::Broken {
            self.health.send_replace(Health::Connecting);
        } else {
            self.fail_all(&failure);
            self.health.send_replace(Health::Down(failure));
        }
    }

    fn has_room(&self) -> bool {
        self.reads.len() + self.writes.len() < 2 * BATCH
    }

    fn take(&mut self, request: Request) {
        match request {
            Request::Read(read) => self.reads.push(read),
            Request::Write(write) => self.writes.push(write),
        }
    }

    fn fail_all(&mut self, failure: &Failure) {
        for read in self.reads.drain(..) {
            read.ask.fail(failure);
        }
        for write in self.writes.drain(..) {
            write.ask.fail(failure);
        }
    }
}

fn fail(request: Request, failure: &Failure) {
    match request {
        Request::Read(read) => read.ask.fail(failure),
        Request::Write(write) => write.ask.fail(failure),
    }
}

/// Tells whether a command is bound to another connection than this one.
fn is_foreign(config: &MemcachedConfig, command: &Command, id: ConnectionId) -> bool {
    command.connection().is_some_and(|connection| connection != id) && !config.has_planted_fault()
}

fn can_retry<T>(ask: &Ask<T>, failure: &Failure) -> bool {
    !ask.retried && failure.doubt == Doubt::Broken
}

fn latest(deadlines: impl Iterator<Item = Instant>) -> Instant {
    deadlines.max().unwrap_or_else(Instant::now)
}

/// Opens a connection whose server has answered on it. One that accepts and then is silent is
/// down.
async fn open(config: &MemcachedConfig) -> Result<Wire, Failure> {
    let until = Instant::now() + config.connection_timeout;
    let connecting = Client::new(config.address.as_str());
    let Ok(client) = timeout_at(until, connecting).await else {
        return Err(Failure::never_accepted());
    };
    timeout_at(until, Wire::new(client?)).await.unwrap_or(Err(Failure::never_answered()))
}
