//! The contract of a backend, over Redis and its kin.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fred::interfaces::KeysInterface;
use fred::types::{Expiration, Key as ClientKey, Value};
use tasker_cache_core::envelope::{self, Decoded};
use tasker_cache_core::{
    Backend, Bytes, Entry, Fill, Key, Lease, Lookup, Nonce, Operation, Prefix, Profile, Result,
    Scope, Ttl, async_trait,
};

use crate::cause::Cause;
use crate::connect::Connector;
use crate::session::{Core, Session, Timed, entry, size};
use crate::{ConfigError, ConnectError, RedisConfig, coalesce, lease, owned, prefix};

/// A cache in Redis, Dragonfly or Valkey; clones are handles on the same connection.
///
/// # Time
///
/// Every call ends within the operation timeout, whatever the server does; only
/// [`delete_prefix`](Backend::delete_prefix) may take one for each thousand keys that the server
/// holds, and 120 of them in all. At most 1,024 requests and 64 MiB of keys and values are in
/// flight: a call that finds no room in time fails with
/// [`ErrorKind::Overloaded`](tasker_cache_core::ErrorKind::Overloaded).
///
/// # Background work
///
/// Making one spawns nothing and needs no runtime. The first call connects, on its runtime, and a
/// task there keeps the connection up. Where that runtime is gone, or stands still with nothing
/// connected for 5 s longer than its next step should take, the next call connects anew on its own.
/// Everything ends with the last handle.
///
/// A connection that breaks is made again with jittered pauses of up to 2 s, whatever the reason;
/// a [`ping`](Backend::ping), as a circuit's probe is, has it tried and waits for that. One that
/// doesn't answer within an operation timeout is thrown away, and other calls fail at once until
/// there is another. What was given up on it is not stored later; a deletion may still be made.
///
/// # Cancel safety
///
/// Every call may be dropped at any time: a read is answered to nobody, a write goes on.
#[derive(Clone)]
pub struct Redis {
    core: Arc<Core>,
}

impl Redis {
    /// Its name in logs, metrics and `status()`, as long as the server hasn't told a better one.
    pub const NAME: &'static str = "redis";

    /// Makes a backend, reading the TLS files if there are any. It does not connect.
    ///
    /// # Errors
    ///
    /// Fails on settings that contradict each other or are out of range, and on TLS files that
    /// can't be used.
    pub fn new(config: RedisConfig) -> Result<Self, ConfigError> {
        let core = Core::new(Connector::new(config)?);
        Ok(Self { core: Arc::new(core) })
    }

    /// Connects on the current runtime, and waits for the outcome of the first attempt: for the
    /// connection timeout at most.
    ///
    /// # Errors
    ///
    /// Says in words why there is no connection: refused, no answer, wrong password, loading. It
    /// is tried again in the background all the same.
    pub async fn ready(&self) -> Result<(), ConnectError> {
        self.core.link.connected().await.map_err(ConnectError)
    }

    fn name(&self) -> &'static str {
        self.core.link.server()
    }

    /// Turns a cause into the error of an operation.
    fn failed(&self, operation: Operation) -> impl FnOnce(Cause) -> tasker_cache_core::Error {
        let name = self.name();
        move |cause| cause.error(operation, name)
    }

    /// Makes a write in a task of its own, which has the whole budget.
    async fn write<T, F>(
        &self,
        operation: Operation,
        write: impl FnOnce(Session) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Cause>> + Send,
    {
        let core = Arc::clone(&self.core);
        let work = async move { write(core.session().await?).await };
        owned::write(work, |_| async {}).await.map_err(self.failed(operation))
    }
}

fn decoded(core: &Arc<Core>, key: &Key, bytes: Option<Bytes>) -> Option<Entry> {
    let bytes = bytes?;
    match envelope::decode_slice(key, &bytes) {
        Decoded::Value { payload, .. } => Some(entry(&bytes, payload)),
        Decoded::Unreadable => {
            core.suspect();
            None
        }
        Decoded::Stub(_) | Decoded::Newer => None,
    }
}

#[async_trait]
impl Backend for Redis {
    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        let read = async {
            let bytes = coalesce::read(&self.core, key, self.core.deadline()).await?;
            Ok(decoded(&self.core, key, bytes))
        };
        read.await.map_err(self.failed(Operation::Get))
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let read = async {
            let all = coalesce::read_many(&self.core, keys, self.core.deadline()).await?;
            let entries = keys.iter().zip(all);
            Ok(entries.map(|(key, bytes)| decoded(&self.core, key, bytes)).collect())
        };
        read.await.map_err(self.failed(Operation::GetMany))
    }

    async fn get_or_lease(&self, key: &Key, hold: Duration) -> Result<Lookup> {
        let read = lease::get_or_lease(&self.core, key, hold);
        read.await.map_err(self.failed(Operation::GetOrLease))
    }

    async fn fill(&self, lease: Lease, entry: Entry, ttl: Ttl) -> Result<Fill> {
        let fill =
            move |session: Session| async move { lease::fill(&session, &lease, &entry, ttl).await };
        self.write(Operation::Fill, fill).await
    }

    async fn release(&self, lease: Lease) -> Result<()> {
        let release = move |session: Session| async move { lease::release(&session, &lease).await };
        self.write(Operation::Release, release).await
    }

    async fn set(&self, key: &Key, entry: Entry, ttl: Ttl) -> Result<()> {
        let key = key.clone();
        let set = move |session: Session| async move { set(&session, &key, &entry, ttl).await };
        if self.write(Operation::Set, set).await? {
            return Ok(());
        }
        let kind = tasker_cache_core::ErrorKind::TooLarge;
        Err(tasker_cache_core::Error::new(kind, Operation::Set, self.name()))
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        let keys = vec![ClientKey::from(key.as_str())];
        let delete = move |session: Session| async move { prefix::unlink(&session, keys).await };
        Ok(self.write(Operation::Delete, delete).await? > 0)
    }

    async fn delete_many(&self, keys: &[Key]) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let keys: Vec<_> = keys.iter().map(|key| ClientKey::from(key.as_str())).collect();
        let delete = move |session: Session| async move { prefix::unlink(&session, keys).await };
        self.write(Operation::DeleteMany, delete).await.map(drop)
    }

    async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64> {
        let prefix = prefix.as_str().to_owned();
        let delete = move |session: Session| async move { prefix::delete(&session, &prefix).await };
        self.write(Operation::DeletePrefix, delete).await
    }

    async fn ping(&self) -> Result<()> {
        let core = Arc::clone(&self.core);
        let ping = async move { core.session_of_a_ping().await?.ping().await };
        owned::write(ping, |()| async {}).await.map_err(self.failed(Operation::Ping))
    }

    fn profile(&self) -> Profile {
        Profile::new(self.name(), Scope::Shared).limits(self.core.limits)
    }
}

/// Stores an entry; false if it is too large, and then what was there is deleted.
async fn set(session: &Session, key: &Key, entry: &Entry, ttl: Ttl) -> Result<bool, Cause> {
    let nonce = Nonce::random().unwrap_or(Nonce::new([0; 16]));
    let name = ClientKey::from(key.as_str());
    let Some(value) = lease::encoded(session, key, nonce, entry) else {
        prefix::unlink(session, vec![name]).await?;
        return Ok(false);
    };
    let live = Expiration::PX(session.core.milliseconds(ttl));
    let (slots, bytes) = (session.slots([name.as_bytes()]), size([&name]) + value.len());
    let store = |client: Timed| {
        let (name, value, live) = (name.clone(), value.clone(), live.clone());
        async move { client.set(name, value, Some(live), None, false).await }
    };
    match session.follow(&slots, bytes, store).await? {
        Value::String(said) if &*said == "OK" => Ok(true),
        _ => Err(session.garbled()),
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("server", &self.name())
            .field("limits", &self.core.limits)
            .finish_non_exhaustive()
    }
}
