//! What all operations share: the link, the gate, the budget of a call.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fred::clients::{Client, WithOptions};
use fred::error::Error as ClientError;
use fred::interfaces::{ClientLike, ClusterInterface, FredResult, LuaInterface};
use fred::types::config::{Options, Server};
use fred::types::{Key as ClientKey, Resp3Frame, Value};
use fred::util::redis_keyslot;
use tasker_cache_core::{Bytes, Entry, Limits, Ttl};
use tokio::time::{Instant, timeout};

use crate::cause::Cause;
use crate::coalesce::Reads;
use crate::connect::{ATTEMPTS, Connector};
use crate::gate::{Gate, MAX_BYTES};
use crate::link::{Link, Live, PUSH};
use crate::owned;
use crate::primaries::Primary;
use crate::scripts::Script;

/// The longest time to live: what Dragonfly clamps to, eight and a half years.
const MAX_TTL: Duration = Duration::from_secs(268_435_455);

/// Values up to this size are copied out of the buffer that they came in; of larger ones, the
/// rest of the buffer is a small part.
const COPIED: usize = 64 * 1024;

/// The longest wait until it is seen to again that a question has left.
const RARELY: Duration = Duration::from_millis(64);

/// The state of one backend, behind all its handles.
pub(crate) struct Core {
    pub(crate) link: Link,
    pub(crate) gate: Gate,
    pub(crate) reads: Reads,
    pub(crate) limits: Limits,
}

/// What a request is made with: its connection, and until when it must be answered.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) core: Arc<Core>,
    pub(crate) live: Arc<Live>,
    pub(crate) deadline: Instant,
}

/// A client that keeps the time of one request.
pub(crate) type Timed = WithOptions<Client>;

impl Core {
    pub(crate) fn new(connector: Connector) -> Self {
        let limits = Limits::default()
            .max_value_bytes(MAX_BYTES - tasker_cache_core::envelope::HEADER_LEN)
            .ttl_unit(Duration::from_millis(1))
            .max_ttl(MAX_TTL);
        Self {
            link: Link::new(Arc::new(connector)),
            gate: Gate::new(),
            reads: Reads::default(),
            limits,
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.link.connector().operation_timeout
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.link.connector().is_cluster
    }

    /// Starts a call with its whole budget.
    pub(crate) async fn session(self: &Arc<Self>) -> Result<Session, Cause> {
        self.session_until(self.deadline()).await
    }

    pub(crate) async fn session_until(
        self: &Arc<Self>,
        deadline: Instant,
    ) -> Result<Session, Cause> {
        let live = self.link.live(deadline).await?;
        Ok(Session { core: Arc::clone(self), live, deadline })
    }

    /// Starts a ping, which asks for the connection to be tried where there is none.
    pub(crate) async fn session_of_a_ping(self: &Arc<Self>) -> Result<Session, Cause> {
        let deadline = self.deadline();
        let live = self.link.tried(deadline).await?;
        Ok(Session { core: Arc::clone(self), live, deadline })
    }

    /// Checks in a task that answers still fit their questions, after one that looked as if it
    /// belonged to another. Where they don't, the connection is thrown away.
    pub(crate) fn suspect(self: &Arc<Self>) {
        let Some(live) = self.link.ready_at_once() else {
            return;
        };
        if live.checking.swap(true, Ordering::AcqRel) {
            return;
        }
        let session = Session { core: Arc::clone(self), live, deadline: self.deadline() };
        // On the connection's runtime: where that stands still, so does all that could be checked.
        session.live.runtime.clone().spawn(async move {
            // What there is to do about a failure is done by `ping`.
            let _ = session.ping().await;
            session.live.checking.store(false, Ordering::Release);
        });
    }

    /// Returns a time to live in milliseconds, as the client wants it.
    pub(crate) fn milliseconds(&self, ttl: Ttl) -> i64 {
        i64::try_from(ttl.units(&self.limits)).unwrap_or(i64::MAX)
    }
}

impl Session {
    /// Returns the slots of these keys, where keys have slots.
    pub(crate) fn slots<'a>(&self, keys: impl IntoIterator<Item = &'a [u8]>) -> Vec<u16> {
        if !self.core.is_cluster() {
            return Vec::new();
        }
        keys.into_iter().map(redis_keyslot).collect()
    }

    /// Makes one request about these slots, wherever they are.
    pub(crate) async fn request<R, F>(
        &self,
        slots: &[u16],
        bytes: usize,
        request: impl FnOnce(Timed) -> F,
    ) -> Result<R, Cause>
    where
        F: Future<Output = FredResult<R>>,
    {
        self.request_to(None, slots, bytes, request).await
    }

    /// Makes one request about these slots, and the same again if one of them has moved: the client
    /// has learnt by then where it is. The caller sees to it that twice is not worse than once.
    pub(crate) async fn follow<R, F>(
        &self,
        slots: &[u16],
        bytes: usize,
        request: impl Fn(Timed) -> F,
    ) -> Result<R, Cause>
    where
        F: Future<Output = FredResult<R>>,
    {
        match self.request(slots, bytes, &request).await {
            Err(Cause::Moving) => self.request(slots, bytes, request).await,
            answer => answer,
        }
    }

    /// Makes one request of a node of a cluster, which has these slots.
    ///
    /// The client keeps the time: a lone command that it gave up by its own clock it never sends
    /// later. Those of a pipeline it may, and they are reads and deletions only.
    pub(crate) async fn request_to<R, F>(
        &self,
        node: Option<Server>,
        slots: &[u16],
        bytes: usize,
        request: impl FnOnce(Timed) -> F,
    ) -> Result<R, Cause>
    where
        F: Future<Output = FredResult<R>>,
    {
        let _room = self.core.gate.enter(bytes, self.deadline).await?;
        // A client that has come to its end takes what it never answers, and time has passed here.
        if self.live.is_over() {
            return Err(Cause::Closed);
        }
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Cause::TimedOut);
        }
        let before = self.live.answers.count();
        let timed = self.live.client.with_options(&Options {
            timeout: Some(left),
            max_attempts: Some(ATTEMPTS),
            fail_fast: true,
            cluster_node: node,
            ..Options::default()
        });
        // Boxed: the client's future takes thousands of bytes, and all around it would be as large.
        let answer = self.pushed(Box::pin(request(timed))).await;
        let answer = answer.map_err(|error| self.cause(&error));
        match answer.as_ref().err() {
            None => self.live.answers.note(slots),
            Some(cause) if cause.is_reply() => self.live.answers.note(slots),
            Some(Cause::TimedOut) if self.is_silence(left) => {
                let routes = self.live.client.cached_cluster_state();
                if self.live.answers.none_since(before, slots, routes.as_ref()) {
                    self.core.link.replace(&self.live);
                }
            }
            Some(Cause::Garbled) => self.core.link.replace(&self.live),
            Some(_) => {}
        }
        answer
    }

    /// Waits for an answer of a cluster, and sees to it that its question leaves.
    async fn pushed<T>(&self, mut answer: Pin<Box<impl Future<Output = T>>>) -> T {
        let mut patience = PUSH;
        while self.core.is_cluster() {
            match timeout(patience, answer.as_mut()).await {
                Ok(answer) => return answer,
                Err(_) => self.live.push(),
            }
            patience = (patience * 2).min(RARELY);
        }
        answer.await
    }

    /// Tells what an error of the client means. Where keys have no slots, none can move.
    fn cause(&self, error: &ClientError) -> Cause {
        match Cause::of(error) {
            Cause::Moving if !self.core.is_cluster() => Cause::PartOfACluster,
            cause => cause,
        }
    }

    /// Tells whether no answer within this time may say something of the connection: not if it is
    /// the rest of a call's time only, nor if the connection is over.
    fn is_silence(&self, time: Duration) -> bool {
        time * 2 >= self.core.link.connector().operation_timeout && !self.live.is_over()
    }

    /// Runs a script: by its name, and if the server has forgotten that, by its text.
    pub(crate) async fn run(
        &self,
        script: &'static Script,
        key: &ClientKey,
        arguments: Vec<Value>,
    ) -> Result<Value, Cause> {
        let sizes = arguments.iter().map(|value| value.as_bytes().map_or(0, <[u8]>::len));
        let bytes = sizes.sum::<usize>() + size([key]);
        let slots = self.slots([key.as_bytes()]);
        let by_name = |client: Timed| {
            let (key, arguments) = (key.clone(), arguments.clone());
            async move { client.evalsha(script.sha(), key, arguments).await }
        };
        let named = self.follow(&slots, bytes, by_name).await;
        if named.as_ref().err() != Some(&Cause::NoScript) {
            return named;
        }
        let key = key.clone();
        self.request(&slots, bytes, async move |client: Timed| {
            client.eval(script.text, key, arguments).await
        })
        .await
    }

    /// Runs a script that answers with 1 or 0.
    pub(crate) async fn decide(
        &self,
        script: &'static Script,
        key: &ClientKey,
        arguments: Vec<Value>,
    ) -> Result<bool, Cause> {
        match self.run(script, key, arguments).await? {
            Value::Integer(number @ 0..=1) => Ok(number == 1),
            _ => Err(self.garbled()),
        }
    }

    /// Throws the connection away: an answer was not of the form that its question has.
    pub(crate) fn garbled(&self) -> Cause {
        self.core.link.replace(&self.live);
        Cause::Garbled
    }

    /// Reads what is an answer to `GET`.
    pub(crate) fn bulk(&self, value: Value) -> Result<Option<Bytes>, Cause> {
        match value {
            Value::Null => Ok(None),
            Value::Bytes(bytes) => Ok(Some(bytes)),
            Value::String(text) => Ok(Some(text.into_inner())),
            _ => Err(self.garbled()),
        }
    }

    /// Reads what is one of the answers to `MGET`.
    pub(crate) fn blob(&self, reply: Resp3Frame) -> Result<Option<Bytes>, Cause> {
        match reply {
            Resp3Frame::Null => Ok(None),
            Resp3Frame::BlobString { data, .. } => Ok(Some(data)),
            _ => Err(self.garbled()),
        }
    }

    /// Makes a round trip to each server that only this question can have caused.
    pub(crate) async fn ping(&self) -> Result<(), Cause> {
        let session = self.clone();
        let pings = Primary::all(self).into_iter().map(|primary| {
            let session = session.clone();
            async move { primary.ping(&session).await }
        });
        let answers = owned::all(pings).await;
        if answers.is_empty() { Err(Cause::ClusterDown) } else { answers.into_iter().collect() }
    }
}

/// Returns how many bytes these keys have.
pub(crate) fn size<'a>(keys: impl IntoIterator<Item = &'a ClientKey>) -> usize {
    keys.into_iter().map(|key| key.as_bytes().len()).sum()
}

/// Makes an entry of a payload, which is a part of these bytes. A small one is copied: it would
/// keep all of the buffer alive that it came in with others.
pub(crate) fn entry(bytes: &Bytes, payload: &[u8]) -> Entry {
    if payload.len() <= COPIED {
        return Entry::new(Bytes::copy_from_slice(payload));
    }
    Entry::new(bytes.slice_ref(payload))
}
