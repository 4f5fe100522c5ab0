//! The contract of a backend, over the connections to one memcached.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tasker_cache_core::envelope::{self, Decoded};
use tasker_cache_core::{
    Backend, Bytes, Entry, Error, ErrorKind, Fill, Key, Lease, Limits, Lookup, Nonce, Operation,
    Profile, Refusal, Result, Scope, Ttl,
};
use tokio::time::Instant;

use crate::MemcachedConfig;
use crate::commands::{self, MAX_KEY_BYTES};
use crate::error::{ConnectError, Failure};
use crate::lease::{self, Stub};
use crate::pool::{Answer, Pool};
use crate::request::{Command, Found, Outcome, Recache};

/// Thirty days, in seconds: the server takes a larger number for a date.
const MAX_TTL_SECONDS: u32 = 30 * 86_400;

/// What an item needs beside the payload: the server's header and terminators, the longest key,
/// the envelope.
pub(crate) const ITEM_OVERHEAD: usize = 59 + MAX_KEY_BYTES + envelope::HEADER_LEN;

/// One memcached server; clones are handles on the same connections.
///
/// # Background work
///
/// Making one spawns nothing and needs no runtime. Each connection belongs to a task, which the
/// first call that needs it starts on its own tokio runtime. If that runtime is gone, the next
/// call starts it anew; when the last handle is dropped, it ends.
///
/// # Cancel safety
///
/// Every future may be dropped at any await, and that costs no connection. A read whose caller
/// has gone before it was sent is not sent. A write goes on without its caller once the first
/// poll of its future has queued it, until its `operation_timeout` is over; after that it is not
/// sent any more.
///
/// # Failures
///
/// After a timeout, or an error of the server that is not about one value, the connection is thrown
/// away, and until the server has answered on another one every call fails at once. Attempts to
/// connect follow each other after a random share of up to two seconds. Where a connection turns out
/// to be broken, or what stands on it is no answer to what was asked, reads, deletes and pings are
/// sent once more on a fresh one.
#[derive(Clone)]
pub struct Memcached {
    pool: Arc<Pool>,
}

impl Memcached {
    /// Its name in logs, metrics and `status()`.
    pub const NAME: &'static str = "memcached";

    /// Creates a handle on a server. Connects nowhere yet.
    #[must_use]
    pub fn new(config: MemcachedConfig) -> Self {
        Self { pool: Arc::new(Pool::new(config)) }
    }

    /// Connects, and waits until the server has answered on one connection; at most for the
    /// `connection_timeout`.
    ///
    /// Whatever comes of it, the backend goes on trying.
    ///
    /// # Errors
    ///
    /// Fails with the cause in words: refused, silent, a name that doesn't resolve, a server that
    /// wants credentials, has no connection left or is too old.
    pub async fn ready(&self) -> Result<(), ConnectError> {
        self.pool.ready().await.map_err(ConnectError)
    }

    /// Tells servers apart, the same in every process.
    pub(crate) fn address(&self) -> &str {
        self.pool.config().address.as_str()
    }

    pub(crate) fn operation_timeout(&self) -> Duration {
        self.pool.config().operation_timeout
    }

    fn limits(&self) -> Limits {
        Limits::default()
            .max_key_bytes(MAX_KEY_BYTES)
            .max_value_bytes(self.pool.config().max_item_bytes.saturating_sub(ITEM_OVERHEAD))
            .ttl_unit(Duration::from_secs(1))
            .max_ttl(Duration::from_secs(u64::from(MAX_TTL_SECONDS)))
    }

    /// In whole seconds, at least one and never for ever.
    fn seconds(&self, ttl: Ttl) -> u32 {
        u32::try_from(ttl.units(&self.limits())).unwrap_or(MAX_TTL_SECONDS)
    }

    async fn ask(&self, key: &Key, hold: Option<u32>, deadline: Instant) -> Answered {
        self.pool.read(&sendable(key)?, hold, deadline).await
    }

    async fn remove(&self, key: &Key, deadline: Instant) -> Result<Outcome, Failure> {
        let key = sendable(key)?.into_owned();
        let command = Command::Remove { key: key.clone() };
        self.pool.write(&key, command, deadline).await
    }

    /// Removes a stub, if it is still there.
    async fn remove_stub(
        &self,
        key: &Key,
        stub: Stub,
        deadline: Instant,
    ) -> Result<Outcome, Failure> {
        let Stub { lane, connection, cas } = stub;
        let key = sendable(key)?.into_owned();
        let command = Command::RemoveIf { key, cas, connection };
        self.pool.write_bound(lane, command, deadline).await
    }

    /// Puts `value` in the place of the item that `stub` names.
    async fn swap(
        &self,
        key: &Key,
        stub: Stub,
        value: Bytes,
        ttl: u32,
        deadline: Instant,
    ) -> Swapped {
        let Stub { lane, connection, cas } = stub;
        let key = sendable(key)?.into_owned();
        let command = Command::Swap { key, value, ttl, cas, connection };
        Ok(match self.pool.write_bound(lane, command, deadline).await? {
            Outcome::Done { cas: Some(cas) } => Some(Stub { lane, connection, cas }),
            Outcome::Done { cas: None } => Some(stub),
            Outcome::Missed => None,
        })
    }

    /// One read, and what it says; `None` if an unreadable value was replaced by somebody else
    /// just then.
    async fn look_up(
        &self,
        key: &Key,
        hold: u32,
        deadline: Instant,
    ) -> Result<Option<Lookup>, Failure> {
        let answer = self.ask(key, Some(hold), deadline).await?;
        let lane = answer.lane;
        let Some(found) = answer.wait().await? else {
            // The server would have made a stub, had it the memory.
            return Ok(Some(Lookup::Unleased));
        };
        let Found { data, cas, connection, recache, stale } = found;
        let stub = Stub { lane, connection, cas };
        if cas == 0 {
            // A server that was started without CAS numbers stores every fill.
            return Ok(Some(self.without_lease(key, &data, stale, deadline).await));
        }
        if recache == Recache::Mine {
            return Ok(Some(Lookup::Leased(stub.into_lease(key.clone()))));
        }
        if recache == Recache::Theirs && (stale || data.is_empty()) {
            return Ok(Some(Lookup::Held(lease::nonce(key, cas))));
        }
        match envelope::decode(key, &data) {
            Decoded::Value { payload, .. } => Ok(Some(Lookup::Hit(Entry::new(payload)))),
            Decoded::Stub(nonce) => Ok(Some(Lookup::Held(nonce))),
            Decoded::Newer => Ok(Some(Lookup::Unleased)),
            Decoded::Unreadable => self.heal(key, stub, hold, deadline).await,
        }
    }

    /// What a read says on a server where a fill can't be bound to a lease. Its stub would only
    /// keep others waiting.
    async fn without_lease(&self, key: &Key, data: &Bytes, stale: bool, by: Instant) -> Lookup {
        match envelope::decode(key, data) {
            Decoded::Value { payload, .. } if !stale => return Lookup::Hit(Entry::new(payload)),
            Decoded::Newer => {}
            _ => drop(self.remove(key, by).await),
        }
        Lookup::Unleased
    }

    /// Puts a stub in the place of a value that nobody can read.
    async fn heal(
        &self,
        key: &Key,
        stub: Stub,
        hold: u32,
        deadline: Instant,
    ) -> Result<Option<Lookup>, Failure> {
        let nonce = Nonce::random().ok_or(Failure::no_randomness())?;
        match self.swap(key, stub, envelope::stub(key, nonce), hold, deadline).await {
            Ok(stub) => Ok(stub.map(|stub| Lookup::Leased(stub.into_lease(key.clone())))),
            Err(failure) if failure.kind == ErrorKind::OutOfMemory => Ok(Some(Lookup::Unleased)),
            Err(failure) => Err(failure),
        }
    }

    /// Takes what a read that leases nothing has found for a value.
    async fn readable(&self, key: &Key, answer: Answer<Option<Found>>) -> Taken {
        let (lane, deadline) = (answer.lane, answer.deadline);
        let Some(Found { data, cas, connection, recache, stale }) = answer.wait().await? else {
            return Ok(None);
        };
        if recache == Recache::Mine {
            // Another client marked the value as stale, and the first to read it after that is
            // expected to replace it. This reader won't.
            self.remove_stub(key, Stub { lane, connection, cas }, deadline).await?;
        }
        Ok(match envelope::decode(key, &data) {
            Decoded::Value { payload, .. } if !stale => Some(Entry::new(payload)),
            _ => None,
        })
    }

    fn encode(&self, key: &Key, entry: &Entry) -> Result<Bytes, Failure> {
        if entry.payload().len() > self.limits().max_value_bytes {
            return Err(Failure::too_large());
        }
        let nonce = Nonce::random().ok_or(Failure::no_randomness())?;
        envelope::value(key, nonce, entry.payload()).ok_or(Failure::too_large())
    }

    async fn store(
        &self,
        key: &Key,
        entry: &Entry,
        ttl: Ttl,
        deadline: Instant,
    ) -> Result<Outcome, Failure> {
        let value = self.encode(key, entry)?;
        let (key, ttl) = (sendable(key)?.into_owned(), self.seconds(ttl));
        let command = Command::Store { key: key.clone(), value, ttl };
        self.pool.write(&key, command, deadline).await
    }
}

type Answered = Result<Answer<Option<Found>>, Failure>;

type Taken = Result<Option<Entry>, Failure>;

/// The stub that names the item as it is after the swap; `None` if it was another one before.
type Swapped = Result<Option<Stub>, Failure>;

/// Returns the text that stands in commands. Keys are printable ASCII as they are made; this
/// makes sure, because all others would be read as commands.
fn sendable(key: &Key) -> Result<Cow<'_, str>, Failure> {
    let text = key.fit(MAX_KEY_BYTES);
    if commands::is_sendable(&text) { Ok(text) } else { Err(Failure::bad_key()) }
}

fn named(operation: Operation) -> impl Fn(Failure) -> Error {
    move |failure| failure.into_error(operation)
}

#[async_trait]
impl Backend for Memcached {
    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        let named = named(Operation::Get);
        let answer = self.ask(key, None, self.pool.deadline()).await.map_err(&named)?;
        self.readable(key, answer).await.map_err(named)
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        let named = named(Operation::GetMany);
        let deadline = self.pool.deadline();
        let mut answers = Vec::with_capacity(keys.len());
        for key in keys {
            answers.push(self.ask(key, None, deadline).await.map_err(&named)?);
        }
        let mut entries = Vec::with_capacity(keys.len());
        for (key, answer) in keys.iter().zip(answers) {
            entries.push(self.readable(key, answer).await.map_err(&named)?);
        }
        Ok(entries)
    }

    async fn get_or_lease(&self, key: &Key, hold: Duration) -> Result<Lookup> {
        let named = named(Operation::GetOrLease);
        let deadline = self.pool.deadline();
        let hold = Ttl::new(hold).map_or(1, |hold| self.seconds(hold));
        if let Some(lookup) = self.look_up(key, hold, deadline).await.map_err(&named)? {
            return Ok(lookup);
        }
        let second = self.look_up(key, hold, deadline).await.map_err(&named)?;
        Ok(second.unwrap_or(Lookup::Unleased))
    }

    async fn fill(&self, lease: Lease, entry: Entry, ttl: Ttl) -> Result<Fill> {
        let (key, stub, deadline) = (lease.key(), Stub::of(&lease), self.pool.deadline());
        let filled = match self.encode(key, &entry) {
            Ok(value) => self.swap(key, stub, value, self.seconds(ttl), deadline).await,
            Err(failure) => Err(failure),
        };
        let refusal = match filled {
            Ok(Some(_)) => return Ok(Fill::Stored),
            Ok(None) => return Ok(Fill::Refused(Refusal::Revoked)),
            Err(failure) => match failure.kind {
                ErrorKind::TooLarge => Refusal::TooLarge,
                ErrorKind::OutOfMemory => Refusal::OutOfMemory,
                _ => return Err(failure.into_error(Operation::Fill)),
            },
        };
        // It expires otherwise.
        let _ = self.remove_stub(key, stub, deadline).await;
        Ok(Fill::Refused(refusal))
    }

    async fn release(&self, lease: Lease) -> Result<()> {
        let deadline = self.pool.deadline();
        let released = self.remove_stub(lease.key(), Stub::of(&lease), deadline).await;
        released.map(|_| ()).map_err(named(Operation::Release))
    }

    async fn set(&self, key: &Key, entry: Entry, ttl: Ttl) -> Result<()> {
        let deadline = self.pool.deadline();
        let Err(failure) = self.store(key, &entry, ttl, deadline).await else {
            return Ok(());
        };
        if matches!(failure.kind, ErrorKind::TooLarge | ErrorKind::OutOfMemory) {
            self.remove(key, deadline).await.map_err(named(Operation::Set))?;
        }
        Err(failure.into_error(Operation::Set))
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        let outcome =
            self.remove(key, self.pool.deadline()).await.map_err(named(Operation::Delete))?;
        Ok(outcome != Outcome::Missed)
    }

    async fn delete_many(&self, keys: &[Key]) -> Result<()> {
        let named = named(Operation::DeleteMany);
        let Some(first) = keys.first() else {
            return Ok(());
        };
        let first = sendable(first).map_err(&named)?;
        let texts = keys.iter().map(|key| sendable(key).map(Cow::into_owned));
        let keys = texts.collect::<Result<_, _>>().map_err(&named)?;
        let command = Command::RemoveAll { keys };
        self.pool.write(&first, command, self.pool.deadline()).await.map_err(&named)?;
        Ok(())
    }

    async fn ping(&self) -> Result<()> {
        let proved = self.pool.write("", Command::Prove, self.pool.deadline()).await;
        proved.map(|_| ()).map_err(named(Operation::Ping))
    }

    fn profile(&self) -> Profile {
        Profile::new(Self::NAME, Scope::Shared).limits(self.limits()).can_delete_prefix(false)
    }
}

impl fmt::Debug for Memcached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memcached").field("config", self.pool.config()).finish()
    }
}
