//! One batch of reads: who joins it, what it asks, and what each is answered.
//!
//! It is allocated once for all its reads: memory that one thread allocates and another frees, for
//! each of them, costs more than all else here.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use std::{iter, mem};

use tasker_cache_core::{Bytes, Key};
use tokio::time::Instant;

use crate::cause::Cause;

/// The most keys in one request: as many as a word has bits.
pub(crate) const BATCH: usize = u64::BITS as usize;

/// Room for the texts of a batch, in bytes, before they need more.
const MAX_ROOM: usize = 8 * 1024;

/// By how much the reads of a batch may differ in age: its oldest sets the deadline for all.
const SAME_AGE: Duration = Duration::from_millis(2);

pub(crate) type Answer = Result<Option<Bytes>, Cause>;

/// A batch that reads may still join. Dropped, it tells them that nobody asks for them.
pub(crate) struct Batch {
    promise: Promise,
    /// The texts of all keys, and where each ends.
    text: Vec<u8>,
    ends: Vec<usize>,
    deadline: Instant,
    /// Whether it has waited for others long enough.
    pub(crate) is_overdue: bool,
}

/// A batch that nothing joins any more, and what is to be asked for it. Dropped, it tells everyone
/// that there is no answer.
pub(crate) struct Question {
    promise: Promise,
    text: Bytes,
    ends: Vec<usize>,
    /// Whose keys are asked for, one bit a slot.
    asked: u64,
    pub(crate) deadline: Instant,
}

/// The obligation to answer everyone who joined.
struct Promise {
    slots: Arc<Slots>,
}

/// Where the answers are put, one slot for each who joined.
struct Slots([Mutex<Slot>; BATCH]);

enum Slot {
    /// Whom to wake, if the caller has been polled.
    Waiting(Option<Waker>),
    Answered(Answer),
    /// The caller has its answer, or has gone without.
    Gone,
}

impl Slots {
    fn lock(&self, index: usize) -> MutexGuard<'_, Slot> {
        self.0[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    /// Starts a batch with its first read.
    pub(crate) fn new(key: &Key, deadline: Instant) -> (Self, Joined) {
        let slots = Arc::new(Slots([const { Mutex::new(Slot::Waiting(None)) }; BATCH]));
        let mut batch = Self {
            promise: Promise { slots },
            text: Vec::with_capacity((BATCH * key.as_str().len()).min(MAX_ROOM)),
            ends: Vec::with_capacity(BATCH),
            deadline,
            is_overdue: false,
        };
        let joined = batch.add(key);
        (batch, joined)
    }

    /// Adds a read, if there is room and it is about as old as the others.
    pub(crate) fn join(&mut self, key: &Key, deadline: Instant) -> Option<Joined> {
        let fits = !self.is_full() && deadline <= self.deadline + SAME_AGE;
        fits.then(|| self.add(key))
    }

    fn add(&mut self, key: &Key) -> Joined {
        let index = self.len();
        self.text.extend_from_slice(key.as_str().as_bytes());
        self.ends.push(self.text.len());
        Joined { slots: Some(Arc::clone(&self.promise.slots)), index }
    }

    /// Returns how many reads have joined.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len() == BATCH
    }

    /// Returns until when its first read must be answered.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Tells everyone that nobody asked for them in time.
    pub(crate) fn expire(self) {
        self.promise.fail(Cause::TimedOut);
    }

    /// Ends joining; `None` if all of them are answered by that, because they have gone or waited
    /// too long.
    pub(crate) fn leave(self) -> Option<Question> {
        let Self { promise, text, ends, deadline, .. } = self;
        if deadline <= Instant::now() {
            promise.fail(Cause::TimedOut);
            return None;
        }
        let waits = |&index: &usize| matches!(*promise.slots.lock(index), Slot::Waiting(_));
        let asked = (0..ends.len()).filter(waits).fold(0, |asked, index| asked | 1 << index);
        (asked != 0).then(|| Question { promise, text: text.into(), ends, asked, deadline })
    }
}

impl Question {
    /// Returns the key to ask for, if there is just one.
    pub(crate) fn only_key(&self) -> Option<Bytes> {
        let mut keys = self.keys();
        keys.next().filter(|_| keys.next().is_none())
    }

    /// Returns the keys to ask for.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Bytes> {
        self.slots().map(|index| {
            let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
            self.text.slice(start..self.ends[index])
        })
    }

    /// Answers everyone by what was found in the place of each key.
    pub(crate) fn give(self, found: impl IntoIterator<Item = Answer>) {
        let found = found.into_iter().chain(iter::repeat(Err(Cause::Garbled)));
        self.promise.answer(self.slots().zip(found));
    }

    fn slots(&self) -> impl Iterator<Item = usize> {
        (0..self.ends.len()).filter(|index| self.asked >> index & 1 == 1)
    }

    /// Tells everyone that there is no answer.
    pub(crate) fn fail(self, cause: Cause) {
        self.promise.fail(cause);
    }
}

impl Promise {
    fn fail(&self, cause: Cause) {
        self.answer((0..BATCH).map(|index| (index, Err(cause))));
    }

    fn answer(&self, answers: impl Iterator<Item = (usize, Answer)>) {
        for (index, answer) in answers {
            let mut slot = self.slots.lock(index);
            let Slot::Waiting(waker) = &mut *slot else {
                continue;
            };
            let waker = waker.take();
            *slot = Slot::Answered(answer);
            drop(slot);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        // Who has an answer keeps it.
        self.fail(Cause::Closed);
    }
}

/// A read that has joined a batch; the answer is its output.
pub(crate) struct Joined {
    slots: Option<Arc<Slots>>,
    index: usize,
}

impl Future for Joined {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let Some(slots) = &self.slots else {
            return Poll::Ready(Err(Cause::Closed));
        };
        let mut slot = slots.lock(self.index);
        if let Slot::Waiting(waker) = &mut *slot {
            let is_known = waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker()));
            let old = if is_known { None } else { waker.replace(context.waker().clone()) };
            drop(slot);
            drop(old);
            return Poll::Pending;
        }
        let answered = mem::replace(&mut *slot, Slot::Gone);
        drop(slot);
        self.slots = None;
        Poll::Ready(match answered {
            Slot::Answered(answer) => answer,
            Slot::Waiting(_) | Slot::Gone => Err(Cause::Closed),
        })
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        if let Some(slots) = &self.slots {
            // A waker's own end is not this lock's business.
            let _left = mem::replace(&mut *slots.lock(self.index), Slot::Gone);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tasker_cache_core::KeyBuilder;

    use super::*;

    fn key(number: usize) -> Key {
        KeyBuilder::raw("app").segment(number).key()
    }

    /// Starts a batch that so many have joined.
    fn batch(count: usize) -> (Batch, Vec<Joined>) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let (mut batch, first) = Batch::new(&key(0), deadline);
        let mut joined = vec![first];
        joined.extend((1..count).map(|number| batch.join(&key(number), deadline).expect("room")));
        (batch, joined)
    }

    /// What is found under a key is its name.
    fn found(question: &Question) -> Vec<Answer> {
        question.keys().map(|key| Ok(Some(key))).collect()
    }

    fn polled(joined: &mut Joined) -> Poll<Answer> {
        Pin::new(joined).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn own(number: usize) -> Poll<Answer> {
        Poll::Ready(Ok(Some(Bytes::from(key(number).as_str().to_owned()))))
    }

    #[test]
    fn each_gets_its_own_whoever_has_gone_before_and_after_it_was_asked() {
        for _ in 0..1000 {
            let count = fastrand::usize(1..=BATCH);
            let (batch, joined) = batch(count);
            let mut joined: Vec<_> = joined.into_iter().map(Some).collect();
            let some_go = |joined: &mut Vec<Option<Joined>>| {
                for _ in 0..fastrand::usize(..=count) {
                    joined[fastrand::usize(..count)] = None;
                }
            };
            some_go(&mut joined);
            let still_there = joined.iter().flatten().count();

            let Some(question) = batch.leave() else {
                assert_eq!(still_there, 0);
                continue;
            };
            assert_eq!(question.keys().count(), still_there);
            let found = found(&question);
            some_go(&mut joined);
            question.give(found);

            for (number, joined) in joined.iter_mut().enumerate() {
                if let Some(joined) = joined {
                    assert_eq!(polled(joined), own(number));
                }
            }
        }
    }

    #[test]
    fn the_only_key_is_that_of_the_only_one_left() {
        let (batch, mut joined) = batch(3);
        let kept = joined.remove(1);
        joined.clear();

        let question = batch.leave().expect("one is left");

        assert_eq!(question.only_key().as_deref(), Some(key(1).as_str().as_bytes()));
        drop(kept);
    }

    #[test]
    fn a_full_batch_and_one_of_another_age_take_no_more() {
        let now = Instant::now();
        let (mut full, _joined) = batch(BATCH);
        assert!(full.join(&key(0), now).is_none());

        let (mut older, _first) = Batch::new(&key(0), now);
        assert!(older.join(&key(1), now + SAME_AGE).is_some());
        assert!(older.join(&key(2), now + SAME_AGE * 2).is_none());
    }

    #[test]
    fn nothing_is_asked_for_those_whose_time_is_over() {
        let (batch, mut late) = Batch::new(&key(0), Instant::now());

        assert!(batch.leave().is_none());

        assert_eq!(polled(&mut late), Poll::Ready(Err(Cause::TimedOut)));
    }

    #[test]
    fn who_is_asked_and_not_told_hears_that_too() {
        let (abandoned, mut joined) = batch(2);
        assert_eq!(polled(&mut joined[0]), Poll::Pending);
        drop(abandoned);
        for joined in &mut joined {
            assert_eq!(polled(joined), Poll::Ready(Err(Cause::Closed)));
        }

        let (cut_short, mut joined) = batch(2);
        let question = cut_short.leave().expect("two are there");
        question.give(vec![Ok(None)]);
        assert_eq!(polled(&mut joined[0]), Poll::Ready(Ok(None)));
        assert_eq!(polled(&mut joined[1]), Poll::Ready(Err(Cause::Garbled)));
    }
}
