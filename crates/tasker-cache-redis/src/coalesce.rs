//! Reads that leave together: what queues while one is in flight goes as one request.
//!
//! A read that finds nothing in flight goes directly, on its caller's task. Any other joins the
//! queue of its runtime, and a task there takes from it what there is and sends it. Once it is
//! taken, nothing joins it any more: whoever reads after an invalidation gets an answer to a
//! question asked after it.
//!
//! No caller is in another's way: a task does the sending, one that waits for a slow answer lets
//! the next one send, and who has gone is left out. A queue is of one runtime: whoever waits there
//! does not depend on whether another runtime goes on.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use fred::interfaces::{ClientLike, FredResult, KeysInterface};
use fred::types::{ClusterHash, CustomCommand, Key as ClientKey, Resp3Frame, Value};
use tasker_cache_core::{Bytes, Key};
use tokio::runtime::{self, Handle};
use tokio::time::{Instant, sleep_until, timeout};

use crate::batch::{Answer, BATCH, Batch, Joined, Question};
use crate::cause::Cause;
use crate::owned::{self, Continued};
use crate::queue::{PATIENCE, Queue, Wanted};
use crate::session::{Core, Session, Timed, size};

/// The reads of one backend that have not been sent yet, by the runtime of their callers.
#[derive(Default)]
pub(crate) struct Reads(Mutex<Vec<(runtime::Id, Queue)>>);

impl Reads {
    fn of<T>(&self, runtime: runtime::Id, change: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, queue)) = queues.iter_mut().find(|(of, _)| *of == runtime) {
            return change(queue);
        }
        // Those of runtimes that are gone are idle, and nobody watches them.
        queues.retain(|(_, queue)| queue.watched || !queue.is_idle());
        let mut queue = Queue::new();
        let result = change(&mut queue);
        queues.push((runtime, queue));
        result
    }
}

/// Reads what is stored under one key.
pub(crate) async fn read(core: &Arc<Core>, key: &Key, deadline: Instant) -> Answer {
    let runtime = Handle::try_current().map_err(|_| Cause::NoRuntime)?;
    match turn(core, &runtime, key, deadline) {
        Turn::Direct(ticket) => {
            let key = ClientKey::from(key.as_str());
            let work = async move {
                let session = ticket.core.session_until(deadline).await?;
                get(&session, key).await
            };
            Continued::new(runtime, work).await
        }
        Turn::Queued(joined) => joined.await,
    }
}

/// Reads what is stored under many keys.
pub(crate) async fn read_many(
    core: &Arc<Core>,
    keys: &[Key],
    deadline: Instant,
) -> Result<Vec<Option<Bytes>>, Cause> {
    let runtime = Handle::try_current().map_err(|_| Cause::NoRuntime)?;
    let mut waiting = Vec::with_capacity(keys.len());
    for keys in keys.chunks(BATCH) {
        let wanted = core.reads.of(runtime.id(), |queue| {
            waiting.extend(keys.iter().map(|key| queue.join(key, deadline)));
            queue.wanted()
        });
        wanted.start(core, &runtime);
    }
    let mut answers = Vec::with_capacity(keys.len());
    for joined in waiting {
        answers.push(joined.await?);
    }
    Ok(answers)
}

/// How a read is made.
enum Turn {
    Direct(Ticket),
    Queued(Joined),
}

fn turn(core: &Arc<Core>, runtime: &Handle, key: &Key, deadline: Instant) -> Turn {
    let mut wanted = Wanted { sender: false, watch: false };
    let turn = core.reads.of(runtime.id(), |queue| {
        if queue.is_idle() {
            queue.direct = true;
            return Turn::Direct(Ticket { core: Arc::clone(core), runtime: runtime.id() });
        }
        let joined = queue.join(key, deadline);
        wanted = queue.wanted();
        Turn::Queued(joined)
    });
    wanted.start(core, runtime);
    turn
}

/// Stands for a direct read, until it has its answer.
struct Ticket {
    core: Arc<Core>,
    runtime: runtime::Id,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.core.reads.of(self.runtime, |queue| queue.direct = false);
    }
}

impl Wanted {
    fn start(self, core: &Arc<Core>, runtime: &Handle) {
        // In this order: the last task that a thread spawns can't go to another thread.
        if self.watch {
            let (core, runtime) = (Arc::downgrade(core), runtime.clone());
            runtime.clone().spawn(Watch { core, runtime }.run());
        }
        if self.sender {
            let (core, runtime, state) = (Arc::clone(core), runtime.clone(), State::Taking);
            runtime.clone().spawn(Sender { core, runtime, state }.run());
        }
    }
}

/// A task that lets leave what waits for too long, and ends what nobody took in time: a sender may
/// wait behind a task that keeps its thread. One clock for all reads of a queue costs a fraction of
/// one for each.
struct Watch {
    core: Weak<Core>,
    runtime: Handle,
}

impl Watch {
    async fn run(mut self) {
        while let Some(core) = self.core.upgrade() {
            let budget = core.link.connector().operation_timeout;
            let ((expired, next), wanted) = core.reads.of(self.runtime.id(), |queue| {
                (queue.tend(Instant::now(), budget), queue.wanted())
            });
            expired.into_iter().for_each(Batch::expire);
            wanted.start(&core, &self.runtime);
            drop(core);
            let Some(next) = next else {
                self.core = Weak::new();
                return;
            };
            sleep_until(next).await;
        }
    }
}

impl Drop for Watch {
    /// Lets another one be started where this one did not come to its end.
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade() {
            core.reads.of(self.runtime.id(), |queue| queue.watched = false);
        }
    }
}

/// A task that sends; its runtime may drop it at any time.
struct Sender {
    core: Arc<Core>,
    runtime: Handle,
    state: State,
}

/// As what a sender is counted.
#[derive(Clone, Copy)]
enum State {
    Taking,
    /// With so many reads.
    Sending(usize),
    /// It may still wait for its answer.
    Uncounted,
}

impl Sender {
    async fn run(mut self) {
        while let Some(batch) = self.take().await {
            let reads = batch.len();
            let Some(question) = batch.leave() else {
                continue;
            };
            let core = Arc::clone(&self.core);
            let mut asking = pin!(ask(&core, question));
            let Ok(answer_time) = timeout(PATIENCE, asking.as_mut()).await else {
                self.step_back(reads);
                asking.await;
                return;
            };
            if let Some(answer_time) = answer_time {
                self.core.reads.of(self.runtime.id(), |queue| queue.learn(answer_time));
            }
        }
    }

    /// Takes what leaves together; `None` ends the task.
    async fn take(&mut self) -> Option<Batch> {
        if let State::Sending(reads) = self.state
            && !self.goes_on(reads)
        {
            return None;
        }
        behind_the_others().await;
        let (batch, wanted) =
            self.core.reads.of(self.runtime.id(), |queue| (queue.take(), queue.wanted()));
        self.state = batch.as_ref().map_or(State::Uncounted, |batch| State::Sending(batch.len()));
        wanted.start(&self.core, &self.runtime);
        batch
    }

    /// Becomes the one that is about to take, after so many reads, or is not counted any more.
    fn goes_on(&mut self, reads: usize) -> bool {
        let goes_on = self.core.reads.of(self.runtime.id(), |queue| {
            queue.done(reads);
            queue.wants_sender()
        });
        self.state = if goes_on { State::Taking } else { State::Uncounted };
        goes_on
    }

    /// Lets another task send while this one waits for the answers of so many reads.
    fn step_back(&mut self, reads: usize) {
        self.state = State::Uncounted;
        let wanted = self.core.reads.of(self.runtime.id(), |queue| {
            queue.done(reads);
            queue.learn(PATIENCE);
            queue.wanted()
        });
        wanted.start(&self.core, &self.runtime);
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let (reads, was_taking) = match self.state {
            State::Taking => (0, true),
            State::Sending(reads) => (reads, false),
            State::Uncounted => return,
        };
        let abandoned =
            self.core.reads.of(self.runtime.id(), |queue| queue.abandon(reads, was_taking));
        drop(abandoned);
    }
}

/// Lets the tasks run that are ready to: they may have reads to add. What tokio has for that goes
/// behind the network as well, which costs a system call and a tenth of the throughput of few tasks.
async fn behind_the_others() {
    let mut is_behind = false;
    poll_fn(|context| {
        if is_behind {
            return Poll::Ready(());
        }
        is_behind = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Asks what a batch wants to know, and tells it; returns how long the answer took, if there is one.
async fn ask(core: &Arc<Core>, question: Question) -> Option<Duration> {
    let session = match core.session_until(question.deadline).await {
        Ok(session) => session,
        Err(cause) => {
            question.fail(cause);
            return None;
        }
    };
    let begun = Instant::now();
    let found = if let Some(key) = question.only_key() {
        get(&session, key.into()).await.map(|found| vec![Ok(found)])
    } else if core.is_cluster() {
        pipeline(&session, question.keys().map(ClientKey::from).collect()).await
    } else {
        let found = mget(&session, question.keys().map(Value::Bytes)).await;
        found.map(|found| found.into_iter().map(|reply| session.blob(reply)).collect())
    };
    match found {
        Ok(found) => {
            let answer_time = begun.elapsed();
            question.give(found);
            Some(answer_time)
        }
        Err(cause) => {
            question.fail(cause);
            None
        }
    }
}

async fn get(session: &Session, key: ClientKey) -> Answer {
    let slots = session.slots([key.as_bytes()]);
    let answer = if session.core.is_cluster() {
        let ask = |client: Timed| {
            let key = key.clone();
            async move { client.get(key).await }
        };
        session.follow(&slots, size([&key]), ask).await
    } else {
        let bytes = size([&key]);
        session.request(&slots, bytes, async move |client: Timed| client.get(key).await).await
    };
    found(session, answer)
}

/// Takes the reply as it is: the client would look at each value whether it is text.
async fn mget(
    session: &Session,
    asked: impl Iterator<Item = Value>,
) -> Result<Vec<Resp3Frame>, Cause> {
    let mut keys = Vec::with_capacity(BATCH);
    keys.extend(asked);
    let count = keys.len();
    let command = CustomCommand::new_static("MGET", ClusterHash::FirstKey, false);
    let bytes = keys.iter().filter_map(Value::as_bytes).map(<[u8]>::len).sum();
    let replies = session
        .request(&[], bytes, async move |client: Timed| {
            match client.custom_raw(command, keys).await? {
                Resp3Frame::Array { data, .. } => Ok(data),
                // An error, or nothing that this question has for an answer.
                other => Value::try_from(other).map(|_| Vec::new()),
            }
        })
        .await?;
    if replies.len() == count { Ok(replies) } else { Err(session.garbled()) }
}

/// The keys of a batch are on several nodes of a cluster, and hardly two in one slot.
async fn pipeline(session: &Session, keys: Vec<ClientKey>) -> Result<Vec<Answer>, Cause> {
    let count = keys.len();
    let slots = session.slots(keys.iter().map(ClientKey::as_bytes));
    let asked = keys.clone();
    let ask = async move |client: Timed| {
        let pipeline = client.pipeline().with_options(client.options());
        for key in asked {
            let _: () = pipeline.get(key).await?;
        }
        let mut answers: Vec<FredResult<Value>> = pipeline.try_all().await;
        if answers.len() == count {
            return Ok(answers);
        }
        // One answer for all of them: the client did not send them, or got nothing in time.
        answers.pop().unwrap_or(Ok(Value::Null)).map(|_| Vec::new())
    };
    let bytes = size(&keys);
    let answers = match session.request(&slots, bytes, ask).await {
        Ok(answers) if answers.len() == count => answers,
        Ok(_) => return Err(session.garbled()),
        // One of them is not to be had, and the client doesn't wait for the others.
        Err(Cause::Moving) => {
            let alone = keys.into_iter().map(|key| {
                let session = session.clone();
                async move { get(&session, key).await }
            });
            return Ok(owned::all(alone).await);
        }
        Err(cause) => return Err(cause),
    };
    let answers = answers.into_iter();
    Ok(answers.map(|answer| found(session, answer.map_err(|error| Cause::of(&error)))).collect())
}

/// Reads what is an answer to `GET`. What no cache wrote is as good as nothing, as it is to `MGET`;
/// so is what is not to be had at the moment.
fn found(session: &Session, answer: Result<Value, Cause>) -> Answer {
    match answer {
        Ok(value) => session.bulk(value),
        Err(Cause::WrongType | Cause::Moving) => Ok(None),
        Err(cause) => Err(cause),
    }
}
