//! Reads that leave together: what queues while one is in flight goes as one request.
//!
//! A read that finds nothing in flight goes directly, on its caller's task. Any other joins the
//! queue, and a task takes from it what there is and sends it. Once it is taken, nothing joins it
//! any more: whoever reads after an invalidation gets an answer to a question asked after it.
//!
//! No caller is in another's way: a task does the sending, one that waits for a slow answer lets
//! the next one send, and who has gone is left out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::{Key as ClientKey, Value};
use tasker_cache_core::{Bytes, Key};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use crate::cause::Cause;
use crate::owned::Continued;
use crate::session::{Core, Session, Timed};

/// The most keys in one request.
pub(crate) const BATCH: usize = 64;

/// How many requests may be on their way before the next has to wait for one of them.
const SENDERS: usize = 2;

/// For how long a slow answer holds back those who queue behind it.
const PATIENCE: Duration = Duration::from_millis(2);

type Answer = Result<Option<Bytes>, Cause>;

/// The reads of one backend that have not been sent yet.
#[derive(Default)]
pub(crate) struct Reads(Mutex<State>);

#[derive(Default)]
struct State {
    queue: VecDeque<Waiting>,
    /// Reads on their callers' tasks.
    direct: usize,
    /// Tasks that send, but for those that wait for a slow answer.
    senders: usize,
}

struct Waiting {
    key: ClientKey,
    answer: oneshot::Sender<Answer>,
}

impl Reads {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads what is stored under one key.
pub(crate) async fn read(session: &Session, key: &Key) -> Answer {
    let key = ClientKey::from(key.as_str());
    match turn(session, key) {
        Turn::Direct(ticket, key) => {
            let owned = session.clone();
            let work = async move {
                let answer = get(&owned, key).await;
                drop(ticket);
                answer
            };
            Continued::new(session.live.runtime.clone(), work).await
        }
        Turn::Queued(answer) => waited(answer, session.deadline).await,
    }
}

/// Reads what is stored under many keys.
pub(crate) async fn read_many(
    session: &Session,
    keys: &[Key],
) -> Result<Vec<Option<Bytes>>, Cause> {
    let mut waiting = Vec::with_capacity(keys.len());
    {
        let mut state = session.core.reads.lock();
        for key in keys {
            waiting.push(push(&mut state, ClientKey::from(key.as_str())));
        }
        send_soon(session, &mut state);
    }
    let mut answers = Vec::with_capacity(keys.len());
    for answer in waiting {
        answers.push(waited(answer, session.deadline).await?);
    }
    Ok(answers)
}

/// How a read is made.
enum Turn {
    Direct(Ticket, ClientKey),
    Queued(oneshot::Receiver<Answer>),
}

fn turn(session: &Session, key: ClientKey) -> Turn {
    let mut state = session.core.reads.lock();
    if state.direct == 0 && state.senders == 0 && state.queue.is_empty() {
        state.direct = 1;
        return Turn::Direct(Ticket(Arc::clone(&session.core)), key);
    }
    let answer = push(&mut state, key);
    send_soon(session, &mut state);
    Turn::Queued(answer)
}

fn push(state: &mut State, key: ClientKey) -> oneshot::Receiver<Answer> {
    let (sender, receiver) = oneshot::channel();
    state.queue.push_back(Waiting { key, answer: sender });
    receiver
}

async fn waited(answer: oneshot::Receiver<Answer>, deadline: Instant) -> Answer {
    match timeout_at(deadline, answer).await {
        Ok(answered) => answered.unwrap_or(Err(Cause::Closed)),
        Err(_) => Err(Cause::TimedOut),
    }
}

/// Stands for a direct read, until it has its answer.
struct Ticket(Arc<Core>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.reads.lock().direct -= 1;
    }
}

/// Starts a task that sends, if none waits to and there is more than the others will take.
fn send_soon(session: &Session, state: &mut State) {
    let room = state.senders == 0 || (state.senders < SENDERS && state.queue.len() >= BATCH);
    if room && !state.queue.is_empty() {
        state.senders += 1;
        let sender = Sender { core: Arc::clone(&session.core), counted: true };
        session.live.runtime.spawn(send(sender));
    }
}

/// Stands for a task that sends; its runtime may drop it at any time.
struct Sender {
    core: Arc<Core>,
    counted: bool,
}

impl Sender {
    /// Takes what leaves together; `None` ends the task.
    fn take(&mut self) -> Option<Vec<Waiting>> {
        let mut state = self.core.reads.lock();
        let mut batch = Vec::with_capacity(state.queue.len().min(BATCH));
        while batch.len() < BATCH {
            match state.queue.pop_front() {
                Some(waiting) if waiting.answer.is_closed() => {}
                Some(waiting) => batch.push(waiting),
                None => break,
            }
        }
        if batch.is_empty() {
            self.counted = false;
            state.senders -= 1;
            return None;
        }
        Some(batch)
    }

    /// Lets another task send while this one waits.
    fn step_back(&mut self, session: &Session) {
        let mut state = self.core.reads.lock();
        self.counted = false;
        state.senders -= 1;
        send_soon(session, &mut state);
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if self.counted {
            self.core.reads.lock().senders -= 1;
        }
    }
}

async fn send(mut sender: Sender) {
    while let Some(batch) = sender.take() {
        let core = Arc::clone(&sender.core);
        let session = match core.session().await {
            Ok(session) => session,
            Err(cause) => {
                give(batch, |_| Err(cause));
                continue;
            }
        };
        let keys: Vec<ClientKey> = batch.iter().map(|waiting| waiting.key.clone()).collect();
        let mut fetching = Box::pin(fetch(&session, keys));
        if let Ok(answers) = timeout(PATIENCE, &mut fetching).await {
            deliver(batch, answers);
            continue;
        }
        sender.step_back(&session);
        deliver(batch, fetching.await);
        return;
    }
}

fn deliver(batch: Vec<Waiting>, answers: Result<Vec<Answer>, Cause>) {
    match answers {
        Ok(answers) => {
            let mut answers = answers.into_iter();
            give(batch, |_| answers.next().unwrap_or(Err(Cause::Garbled)));
        }
        Err(cause) => give(batch, |_| Err(cause)),
    }
}

fn give(batch: Vec<Waiting>, mut answer: impl FnMut(&ClientKey) -> Answer) {
    for waiting in batch {
        let answer = answer(&waiting.key);
        // Who has gone needs none.
        let _ = waiting.answer.send(answer);
    }
}

async fn fetch(session: &Session, mut keys: Vec<ClientKey>) -> Result<Vec<Answer>, Cause> {
    match keys.pop() {
        Some(key) if keys.is_empty() => Ok(vec![get(session, key).await]),
        Some(key) => {
            keys.push(key);
            if session.core.is_cluster() {
                pipeline(session, keys).await
            } else {
                mget(session, keys).await
            }
        }
        None => Ok(Vec::new()),
    }
}

async fn get(session: &Session, key: ClientKey) -> Answer {
    let value: Result<Value, Cause> =
        session.request(0, async move |client: Timed| client.get(key).await).await;
    match value {
        Ok(value) => session.bulk(value),
        // Nothing that a cache wrote, and as good as nothing to `MGET`.
        Err(Cause::WrongType) => Ok(None),
        Err(cause) => Err(cause),
    }
}

async fn mget(session: &Session, keys: Vec<ClientKey>) -> Result<Vec<Answer>, Cause> {
    let count = keys.len();
    let values: Value =
        session.request(0, async move |client: Timed| client.mget(keys).await).await?;
    match values {
        Value::Array(values) if values.len() == count => {
            Ok(values.into_iter().map(|value| session.bulk(value)).collect())
        }
        _ => Err(session.garbled()),
    }
}

/// The keys of a batch are on several nodes of a cluster, and hardly two in one slot.
async fn pipeline(session: &Session, keys: Vec<ClientKey>) -> Result<Vec<Answer>, Cause> {
    let count = keys.len();
    let answers: Vec<Result<Value, Cause>> = session
        .request(0, async move |client: Timed| {
            let pipeline = client.pipeline().with_options(client.options());
            for key in keys {
                let _: () = pipeline.get(key).await?;
            }
            let answers: Vec<_> = pipeline.try_all().await;
            Ok(answers.into_iter().map(|answer| answer.map_err(|e| Cause::of(&e))).collect())
        })
        .await?;
    if answers.len() != count {
        // One answer for all of them: the client did not send them, or got nothing in time.
        let cause = answers.into_iter().find_map(Result::err).unwrap_or(Cause::Garbled);
        return Err(cause);
    }
    let read = |answer: Result<Value, Cause>| match answer {
        Ok(value) => session.bulk(value),
        Err(Cause::WrongType) => Ok(None),
        Err(cause) => Err(cause),
    };
    Ok(answers.into_iter().map(read).collect())
}
