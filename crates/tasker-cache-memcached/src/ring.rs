//! Several servers as one backend: each key belongs to one of them, for good.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use hashring::HashRing;
use tasker_cache_breaker::{BreakerSettings, CircuitBreaker, CircuitState, Guarded, Probe};
use tasker_cache_core::{
    Backend, Entry, Error, ErrorKind, Fill, Key, Lease, Lookup, Operation, Profile, Result, Scope,
    Ttl,
};
use tokio::time::Instant;

use crate::error::Failure;
use crate::prober::Prober;
use crate::{ConnectError, Memcached};

/// Points of each server on the ring: enough that shares differ by a few percent only.
const POINTS: u16 = 160;

/// Several memcached servers, each behind a circuit breaker of its own.
///
/// # Which server has a key
///
/// Consistent hashing of the key's text over the servers' addresses. Processes that are
/// configured with the same addresses, in whatever order, agree on it. A list that differs, be it
/// in how an address is written, makes another ring: change it everywhere at once, with a new key
/// prefix.
///
/// The keys of a server that is down are **not** moved to another. That is what keeps the promise
/// of an invalidation: there is one copy of a value, so a delete that its server acknowledged
/// leaves none; and a delete that its server could not acknowledge is an error, which the cache
/// keeps as pending, not reading that key, until a later delete was acknowledged by that server.
/// A server that comes back with its memory is asked for such a key only after that; one that
/// comes back empty has nothing old to give.
///
/// # Circuits
///
/// While a server's circuit is open, calls for its keys fail with [`CircuitOpen`] and all
/// other keys go on. No caller's request tests it: a task, started by the call that found the
/// circuit open on that call's runtime, pings the server until the circuit is closed, and ends
/// then or with the last handle. [`delete_many`](Backend::delete_many) and
/// [`ping`](Backend::ping) are for recovery, so they reach servers past their breakers.
///
/// A ring is unwell when none of its servers answers. If another one has answered within the last
/// [`operation_timeout`](crate::MemcachedConfig::operation_timeout), a failure is of kind
/// [`Other`], which a breaker around the ring does not count, with the failure itself as its
/// source.
///
/// [`CircuitOpen`]: tasker_cache_core::ErrorKind::CircuitOpen
/// [`Other`]: tasker_cache_core::ErrorKind::Other
#[derive(Clone)]
pub struct Ring {
    servers: Arc<Servers>,
}

pub(crate) struct Servers {
    points: HashRing<Point>,
    members: Vec<Member>,
    prober: Prober,
}

struct Member {
    bare: Memcached,
    guard: Option<Guarded<Memcached>>,
    /// When it last answered.
    answered: Mutex<Option<Instant>>,
}

/// One point of a server on the ring.
#[derive(Clone, Debug)]
struct Point {
    member: usize,
    text: String,
}

impl Hash for Point {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Text(&self.text).hash(state);
    }
}

/// Hashes as its bytes and nothing else: how `str` hashes is not the same for all versions of the
/// standard library, and all processes have to agree.
struct Text<'a>(&'a str);

impl Hash for Text<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.0.as_bytes());
    }
}

impl Ring {
    /// Makes one backend of several servers; of two with one address the first counts. Without
    /// settings the servers have no breakers. Spawns nothing and needs no runtime.
    ///
    /// Only the task of the ring probes, whatever the settings say. Without servers, every call
    /// fails.
    #[must_use]
    pub fn new(servers: Vec<Memcached>, breaker: Option<BreakerSettings>) -> Self {
        let mut members: Vec<Member> = Vec::with_capacity(servers.len());
        for server in servers {
            if members.iter().all(|member| member.bare.address() != server.address()) {
                members.push(Member::new(server, breaker));
            }
        }
        let mut points = HashRing::new();
        points.batch_add(members.iter().enumerate().flat_map(Member::points).collect());
        Self { servers: Arc::new(Servers { points, members, prober: Prober::default() }) }
    }

    /// Connects to all servers, and waits until each has answered or failed.
    ///
    /// # Errors
    ///
    /// Fails with the first server's cause if none has answered; those that have not go on
    /// trying.
    pub async fn ready(&self) -> Result<(), ConnectError> {
        let ready = self.servers.members.iter().map(|member| member.bare.ready());
        let results = join_all(ready).await;
        if results.iter().any(Result::is_ok) {
            return Ok(());
        }
        results.into_iter().next().unwrap_or(Err(ConnectError(Failure::no_servers())))
    }

    /// Returns the state of each server's circuit, in the order of the servers; empty without
    /// breakers.
    #[must_use]
    pub fn circuit_states(&self) -> Vec<CircuitState> {
        self.servers.breakers().map(|breaker| breaker.state()).collect()
    }

    /// Returns the same with each server's address, as it was given but for what is usual.
    #[must_use]
    pub fn circuits(&self) -> Vec<(String, CircuitState)> {
        let members = self.servers.members.iter();
        let circuit =
            |member: &Member| Some((member.bare.address().to_owned(), member.breaker()?.state()));
        members.filter_map(circuit).collect()
    }

    fn member(&self, key: &Key, operation: Operation) -> Result<usize> {
        let point = self.servers.points.get(&Text(key.as_str()));
        let member = point.map(|point| point.member);
        member.ok_or_else(|| Failure::no_servers().into_error(operation))
    }

    /// Returns the server that has the key.
    fn owner(&self, key: &Key, operation: Operation) -> Result<&Member> {
        Ok(&self.servers.members[self.member(key, operation)?])
    }

    /// Sorts positions in `keys` by the server that has them.
    fn shares(&self, keys: &[Key], operation: Operation) -> Result<Vec<Vec<usize>>> {
        let mut shares = vec![Vec::new(); self.servers.members.len()];
        for (at, key) in keys.iter().enumerate() {
            shares[self.member(key, operation)?].push(at);
        }
        Ok(shares)
    }

    /// Notes that a server has answered, or says what its failure is to the ring.
    fn judge<T>(&self, member: &Member, result: Result<T>) -> Result<T> {
        if result.is_ok() {
            member.note_answer();
        }
        result.map_err(|error| self.blame(member, error))
    }

    /// Says what a server's failure is to the ring, and sees to it that the server is probed.
    fn blame(&self, member: &Member, error: Error) -> Error {
        self.servers.see_to_probes();
        let mut others = self.servers.members.iter().filter(|other| !ptr::eq(*other, member));
        if error.kind().is_failure() && others.any(Member::has_just_answered) {
            return Error::new(ErrorKind::Other, error.operation(), error.backend())
                .with_source(error);
        }
        error
    }
}

impl Servers {
    fn breakers(&self) -> impl Iterator<Item = &Arc<CircuitBreaker>> {
        self.members.iter().filter_map(Member::breaker)
    }

    /// Starts the prober if it has something to do.
    pub(crate) fn see_to_probes(self: &Arc<Self>) {
        if self.breakers().any(|breaker| breaker.state() != CircuitState::Closed) {
            self.prober.ensure(self);
        }
    }

    /// Pings the servers whose circuit is due to be tested. Returns how long the next one has to
    /// wait; `None` if all circuits are closed.
    pub(crate) async fn probe(&self) -> Option<Duration> {
        join_all(self.members.iter().map(Member::probe)).await;
        self.breakers().filter_map(|breaker| breaker.until_probe()).min()
    }
}

impl Member {
    fn new(server: Memcached, breaker: Option<BreakerSettings>) -> Self {
        let guard = breaker.map(|settings| {
            let settings = settings.probe(Probe::Explicit);
            let breaker = CircuitBreaker::new(settings).named(server.address());
            Guarded::new(Arc::new(server.clone()), Arc::new(breaker))
        });
        Self { bare: server, guard, answered: Mutex::new(None) }
    }

    fn points((member, this): (usize, &Self)) -> impl Iterator<Item = Point> {
        let point =
            move |number| Point { member, text: format!("{}#{number}", this.bare.address()) };
        (0..POINTS).map(point)
    }

    fn breaker(&self) -> Option<&Arc<CircuitBreaker>> {
        self.guard.as_ref().map(Guarded::breaker)
    }

    fn chosen(&self) -> &dyn Backend {
        match &self.guard {
            Some(guard) => guard,
            None => &self.bare,
        }
    }

    fn note_answer(&self) {
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn has_just_answered(&self) -> bool {
        let answered = *self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.is_some_and(|at| at.elapsed() < self.bare.operation_timeout())
    }

    async fn probe(&self) {
        let Some(permit) = self.breaker().and_then(|breaker| breaker.try_probe()) else {
            return;
        };
        match self.bare.ping().await {
            Ok(()) => permit.success(),
            Err(error) if error.kind().is_failure() => permit.failure(),
            Err(_) => permit.neutral(),
        }
    }

    /// Makes a call past the breaker, which hears of it if it lets calls through.
    async fn past_breaker<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let permit = self.breaker().and_then(|breaker| breaker.try_acquire());
        let result = call.await;
        if let Some(permit) = permit {
            match &result {
                Ok(_) => permit.success(),
                Err(error) if error.kind().is_failure() => permit.failure(),
                Err(_) => permit.neutral(),
            }
        }
        result
    }
}

#[async_trait]
impl Backend for Ring {
    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        let owner = self.owner(key, Operation::Get)?;
        self.judge(owner, owner.chosen().get(key).await)
    }

    /// Reads many entries from all servers that have some of them. The keys of a server that
    /// fails are misses, unless all servers that were asked fail.
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        let shares = self.shares(keys, Operation::GetMany)?;
        let reads = self.servers.members.iter().zip(&shares).map(|(member, share)| async move {
            let keys: Vec<Key> = share.iter().map(|&at| keys[at].clone()).collect();
            if keys.is_empty() { None } else { Some(member.chosen().get_many(&keys).await) }
        });
        let results = join_all(reads).await;
        let mut entries = vec![None; keys.len()];
        let mut any = keys.is_empty();
        let mut failed = None;
        for ((member, share), result) in self.servers.members.iter().zip(&shares).zip(results) {
            match result.map(|result| self.judge(member, result)) {
                Some(Ok(found)) => {
                    any = true;
                    share.iter().zip(found).for_each(|(&at, entry)| entries[at] = entry);
                }
                Some(Err(error)) => failed = Some(error),
                None => {}
            }
        }
        match failed {
            Some(error) if !any => Err(error),
            _ => Ok(entries),
        }
    }

    async fn get_or_lease(&self, key: &Key, hold: Duration) -> Result<Lookup> {
        let owner = self.owner(key, Operation::GetOrLease)?;
        self.judge(owner, owner.chosen().get_or_lease(key, hold).await)
    }

    async fn fill(&self, lease: Lease, entry: Entry, ttl: Ttl) -> Result<Fill> {
        let owner = self.owner(lease.key(), Operation::Fill)?;
        // One that is refused or done with may not have left this process.
        owner.chosen().fill(lease, entry, ttl).await.map_err(|error| self.blame(owner, error))
    }

    async fn release(&self, lease: Lease) -> Result<()> {
        let owner = self.owner(lease.key(), Operation::Release)?;
        owner.chosen().release(lease).await.map_err(|error| self.blame(owner, error))
    }

    async fn set(&self, key: &Key, entry: Entry, ttl: Ttl) -> Result<()> {
        let owner = self.owner(key, Operation::Set)?;
        self.judge(owner, owner.chosen().set(key, entry, ttl).await)
    }

    async fn delete(&self, key: &Key) -> Result<bool> {
        let owner = self.owner(key, Operation::Delete)?;
        self.judge(owner, owner.chosen().delete(key).await)
    }

    /// Deletes many entries, past the breakers. Those of servers that answer are deleted even if
    /// another server fails. Servers that have none of them are pinged: whether they answer tells
    /// whether a failure is that of the ring.
    async fn delete_many(&self, keys: &[Key]) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let shares = self.shares(keys, Operation::DeleteMany)?;
        let deletes = self.servers.members.iter().zip(&shares).map(|(member, share)| async move {
            let keys: Vec<Key> = share.iter().map(|&at| keys[at].clone()).collect();
            if keys.is_empty() {
                // Its failure is none of these deletes.
                let pinged = member.past_breaker(member.bare.ping()).await;
                return pinged.map(|()| member.note_answer()).or(Ok(()));
            }
            let deleted = member.past_breaker(member.bare.delete_many(&keys)).await;
            deleted.map(|()| member.note_answer()).map_err(|error| (member, error))
        });
        let results = join_all(deletes).await;
        let failed = results.into_iter().find_map(|result: Result<(), _>| result.err());
        failed.map_or(Ok(()), |(member, error)| Err(self.blame(member, error)))
    }

    /// Pings all servers, past the breakers; fails if none answers.
    async fn ping(&self) -> Result<()> {
        let pings = self.servers.members.iter().map(|member| async move {
            self.judge(member, member.past_breaker(member.bare.ping()).await)
        });
        let results = join_all(pings).await;
        let mut failure = Failure::no_servers().into_error(Operation::Ping);
        let mut any = false;
        for result in results {
            match result {
                Ok(()) => any = true,
                Err(error) => failure = error,
            }
        }
        if any { Ok(()) } else { Err(failure) }
    }

    /// Returns the limits that hold on every server.
    fn profile(&self) -> Profile {
        let profiles = self.servers.members.iter().map(|member| member.bare.profile());
        let smallest = profiles.min_by_key(|profile| profile.limits.max_value_bytes);
        smallest.unwrap_or_else(|| Profile::new(Memcached::NAME, Scope::Shared))
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.servers.members.iter().map(|member| &member.bare);
        f.debug_list().entries(servers).finish()
    }
}
