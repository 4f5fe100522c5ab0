//! The queue of reads that leave together, and when they may leave.
//!
//! Under load a request saves most where it is shared by many, so a batch that is not full waits
//! while others are on their way and an answer is near. Where the server is far, no answer is near,
//! and as many requests go as the time of one has room for.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use tasker_cache_core::Key;
use tokio::time::Instant;

use crate::batch::{Batch, Joined};

/// How many requests may be on their way before the next has to wait for one of them.
const SENDERS: usize = 8;

/// For how long a slow answer holds back those who queue behind it.
pub(crate) const PATIENCE: Duration = Duration::from_millis(2);

/// How old a batch is that has waited long enough to be filled: whoever has the answer that it
/// waits for may be kept from going on.
const HELD: Duration = Duration::from_millis(4);

/// How many reads may be on their way before others wait to fill a batch.
const FEW: usize = 8;

/// An answer is near if it comes within this time: whoever waits for it saves a request, which costs
/// client and server a tenth of that or more.
const NEAR: Duration = Duration::from_micros(100);

/// By which part of the difference an answer that took longer counts.
const INERTIA: u32 = 32;

/// The reads of one runtime that have not been sent, and what is known of those that have.
pub(crate) struct Queue {
    /// Only the last one is open to more reads.
    batches: VecDeque<Batch>,
    /// Whether a read is under way on its caller's task.
    pub(crate) direct: bool,
    /// Tasks that send, but for those that wait for a slow answer.
    senders: usize,
    /// Whether one of them is about to take a batch.
    taking: bool,
    /// How many reads they have taken that are not answered yet.
    sent: usize,
    /// How long an answer takes at least, of late.
    answer_time: Duration,
    /// Whether a task sees to it that no batch stays beyond its time.
    pub(crate) watched: bool,
}

/// The tasks that a queue is without.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) sender: bool,
    pub(crate) watch: bool,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self {
            batches: VecDeque::new(),
            direct: false,
            senders: 0,
            taking: false,
            sent: 0,
            answer_time: PATIENCE,
            watched: false,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        !self.direct && self.senders == 0 && self.batches.is_empty()
    }

    pub(crate) fn join(&mut self, key: &Key, deadline: Instant) -> Joined {
        if let Some(joined) = self.batches.back_mut().and_then(|last| last.join(key, deadline)) {
            return joined;
        }
        let (batch, joined) = Batch::new(key, deadline);
        self.batches.push_back(batch);
        joined
    }

    /// Tells which tasks are to be started, and counts them: a sender as the one that is about to
    /// take.
    pub(crate) fn wanted(&mut self) -> Wanted {
        let sender = self.wants_sender();
        let watch = !self.watched && !self.batches.is_empty();
        self.watched |= watch;
        Wanted { sender, watch }
    }

    /// Takes out what nobody took in time, lets leave what waits for too long, and tells when to
    /// look again; `None` if there is nothing to look after.
    pub(crate) fn tend(&mut self, now: Instant, budget: Duration) -> (Vec<Batch>, Option<Instant>) {
        let late = self.batches.iter().take_while(|batch| batch.deadline() <= now).count();
        let expired = self.batches.drain(..late).collect();
        // Who was about to take them is stuck, and others may.
        self.taking &= late == 0;
        self.watched = !self.is_idle();
        // What comes later is no older than this when it is looked at.
        let next = self.batches.front_mut().map_or(now + HELD.min(budget), |first| {
            let held = first.deadline() + HELD - budget;
            first.is_overdue = held <= now;
            if first.is_overdue { first.deadline() } else { held }
        });
        (expired, self.watched.then_some(next))
    }

    /// Tells whether the first batch may leave now.
    fn may_leave(&self) -> bool {
        let Some(first) = self.batches.front() else {
            return false;
        };
        let is_closed = first.is_full() || first.is_overdue || self.batches.len() > 1;
        // Requests are on their way at even distances, more or less.
        let senders = u32::try_from(self.senders).unwrap_or(u32::MAX).max(1);
        is_closed || self.sent < FEW || self.answer_time / senders > NEAR
    }

    /// Tells whether somebody is to send, and counts that one as about to take.
    pub(crate) fn wants_sender(&mut self) -> bool {
        let wants = self.senders < SENDERS && !self.taking && self.may_leave();
        self.senders += usize::from(wants);
        self.taking |= wants;
        wants
    }

    /// Hands a batch to the sender that is about to take; one that gets none is not counted
    /// any more.
    pub(crate) fn take(&mut self) -> Option<Batch> {
        self.taking = false;
        let batch = self.batches.pop_front();
        match &batch {
            Some(batch) => self.sent += batch.len(),
            None => self.senders -= 1,
        }
        batch
    }

    /// Stops counting a sender of so many reads.
    pub(crate) fn done(&mut self, reads: usize) {
        self.senders -= 1;
        self.sent -= reads;
    }

    /// Stops counting a sender of so many reads that did not come to its end. Returns what nobody
    /// is left to send.
    pub(crate) fn abandon(&mut self, reads: usize, was_taking: bool) -> VecDeque<Batch> {
        self.done(reads);
        self.taking &= !was_taking;
        if self.senders == 0 { mem::take(&mut self.batches) } else { VecDeque::new() }
    }

    /// Takes note of how long an answer took, or of how long it takes at least.
    pub(crate) fn learn(&mut self, took: Duration) {
        let longer = took.saturating_sub(self.answer_time) / INERTIA;
        self.answer_time = took.min(self.answer_time + longer);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use tasker_cache_core::KeyBuilder;

    use super::*;
    use crate::batch::BATCH;

    /// One for all reads: those of different age share no batch.
    static DEADLINE: LazyLock<Instant> =
        LazyLock::new(|| Instant::now() + Duration::from_secs(3600));

    /// A queue before a server that answers in this time.
    fn queue(answer_time: Duration) -> Queue {
        let mut queue = Queue::new();
        queue.learn(answer_time);
        queue
    }

    /// Queues so many reads; tells whether a sender is to be started for them.
    fn join(queue: &mut Queue, reads: usize) -> bool {
        let key = KeyBuilder::raw("app").segment("1").key();
        for _ in 0..reads {
            queue.join(&key, *DEADLINE);
        }
        queue.wanted().sender
    }

    /// Queues so many reads and sends them.
    fn send(queue: &mut Queue, reads: usize) {
        assert!(join(queue, reads));
        assert_eq!(queue.take().map(|batch| batch.len()), Some(reads));
    }

    #[test]
    fn few_on_their_way_hold_nobody_back() {
        let mut queue = queue(Duration::ZERO);

        for _ in 0..FEW {
            send(&mut queue, 1);
        }

        assert!(!join(&mut queue, 1));
    }

    #[test]
    fn where_the_server_is_near_a_batch_waits_until_it_is_full_or_an_answer_is_there() {
        let mut queue = queue(NEAR);
        send(&mut queue, FEW);

        assert!(!join(&mut queue, 1));
        queue.done(FEW);
        assert!(queue.wants_sender());

        assert_eq!(queue.take().map(|batch| batch.len()), Some(1));
        send(&mut queue, BATCH);
        assert!(!join(&mut queue, BATCH - 1));
        assert!(join(&mut queue, 1));
    }

    #[test]
    fn no_batch_waits_for_long_whoever_is_kept_from_going_on() {
        let (mut queue, now) = (queue(NEAR), Instant::now());
        let budget = Duration::from_secs(60);
        send(&mut queue, FEW);
        let key = KeyBuilder::raw("app").segment("1").key();
        queue.join(&key, now + budget);
        let looked = |queue: &mut Queue, at| {
            let (expired, next) = queue.tend(at, budget);
            assert!(expired.is_empty());
            (next, queue.wanted().sender)
        };

        assert_eq!(looked(&mut queue, now), (Some(now + HELD), false));
        assert_eq!(looked(&mut queue, now + HELD), (Some(now + budget), true));

        assert_eq!(queue.take().map(|batch| batch.len()), Some(1));
        assert_eq!(looked(&mut queue, now), (Some(now + HELD), false));
        assert!(!join(&mut queue, 1));
    }

    #[test]
    fn where_the_server_is_far_as_many_leave_as_there_is_room_for() {
        let mut queue = queue(NEAR * 3);

        send(&mut queue, FEW);
        send(&mut queue, 1);
        send(&mut queue, 1);
        assert!(!join(&mut queue, 1));
    }

    #[test]
    fn no_more_requests_than_senders_are_on_their_way() {
        let mut queue = queue(Duration::MAX);

        for _ in 0..SENDERS {
            send(&mut queue, BATCH);
        }

        assert!(!join(&mut queue, BATCH));
    }

    #[test]
    fn one_sender_takes_at_a_time_and_what_is_counted_ends() {
        let mut queue = queue(NEAR);

        assert!(join(&mut queue, 1));
        assert!(!join(&mut queue, BATCH));
        assert_eq!(queue.take().map(|batch| batch.len()), Some(BATCH));
        queue.done(BATCH);
        assert!(queue.wants_sender());
        assert_eq!(queue.take().map(|batch| batch.len()), Some(1));
        assert!(!queue.is_idle());
        queue.done(1);

        assert!(queue.is_idle());
        assert_eq!(queue.sent, 0);
    }

    #[test]
    fn a_sender_that_finds_nothing_is_not_counted_any_more() {
        let mut queue = queue(NEAR);
        assert!(join(&mut queue, 1));
        queue.batches.clear();

        assert!(queue.take().is_none());

        assert!(queue.is_idle());
    }

    #[test]
    fn the_time_of_an_answer_falls_at_once_and_rises_slowly() {
        let mut queue = queue(NEAR);
        assert_eq!(queue.answer_time, NEAR);

        queue.learn(NEAR + Duration::from_micros(32));
        assert_eq!(queue.answer_time, NEAR + Duration::from_micros(1));

        for _ in 0..1000 {
            queue.learn(NEAR * 8);
        }
        assert!(queue.answer_time > NEAR * 7);
    }
}
