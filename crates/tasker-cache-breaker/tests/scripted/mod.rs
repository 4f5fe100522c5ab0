//! A backend that does as it is told and keeps a record.

use std::future::pending;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tasker_cache_core::{
    Backend, Entry, Error, ErrorKind, Fill, Key, Lease, Lookup, Occupancy, Operation, Prefix,
    Profile, Result, Scope, Ttl, async_trait,
};
use tokio::time::sleep;

/// What each operation does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Answer,
    Fail(ErrorKind),
    FailOn(Operation, ErrorKind),
    Take(Duration),
    TakeAndFail(Duration, ErrorKind),
    Hang,
    Panic,
}

/// A backend without entries that grants every lease.
#[derive(Debug)]
pub(crate) struct Scripted {
    act: Act,
    record: Mutex<Record>,
}

#[derive(Debug, Default)]
struct Record {
    started: Vec<Operation>,
    ended: Vec<Operation>,
    dropped: Vec<Operation>,
}

/// An operation under way, which notices how it goes.
struct Running<'a> {
    backend: &'a Scripted,
    operation: Operation,
    has_ended: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut record = self.backend.record();
        let list = if self.has_ended { &mut record.ended } else { &mut record.dropped };
        list.push(self.operation);
    }
}

impl Scripted {
    pub(crate) fn new(act: Act) -> Self {
        Self { act, record: Mutex::default() }
    }

    /// Returns the operations that were begun, in order.
    pub(crate) fn started(&self) -> Vec<Operation> {
        self.record().started.clone()
    }

    /// Returns the operations that came to their end, in order.
    pub(crate) fn ended(&self) -> Vec<Operation> {
        self.record().ended.clone()
    }

    /// Returns the operations that were dropped before their end, in order.
    pub(crate) fn dropped(&self) -> Vec<Operation> {
        self.record().dropped.clone()
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn act<T>(&self, operation: Operation, answer: T) -> Result<T> {
        self.record().started.push(operation);
        let mut running = Running { backend: self, operation, has_ended: false };
        let failure = match self.act {
            Act::Answer => None,
            Act::Fail(kind) => Some(kind),
            Act::FailOn(on, kind) => (on == operation).then_some(kind),
            Act::Take(time) => {
                sleep(time).await;
                None
            }
            Act::TakeAndFail(time, kind) => {
                sleep(time).await;
                Some(kind)
            }
            Act::Hang => pending().await,
            Act::Panic => panic!("the backend was told to panic"),
        };
        running.has_ended = true;
        failure.map_or(Ok(answer), |kind| Err(Error::new(kind, operation, "scripted")))
    }
}

#[async_trait]
impl Backend for Scripted {
    async fn get(&self, _: &Key) -> Result<Option<Entry>> {
        self.act(Operation::Get, None).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        self.act(Operation::GetMany, vec![None; keys.len()]).await
    }

    async fn get_or_lease(&self, key: &Key, _: Duration) -> Result<Lookup> {
        self.act(Operation::GetOrLease, Lookup::Leased(Lease::new(key.clone(), [7; 32]))).await
    }

    async fn fill(&self, _: Lease, _: Entry, _: Ttl) -> Result<Fill> {
        self.act(Operation::Fill, Fill::Stored).await
    }

    async fn release(&self, _: Lease) -> Result<()> {
        self.act(Operation::Release, ()).await
    }

    async fn set(&self, _: &Key, _: Entry, _: Ttl) -> Result<()> {
        self.act(Operation::Set, ()).await
    }

    async fn delete(&self, _: &Key) -> Result<bool> {
        self.act(Operation::Delete, false).await
    }

    async fn delete_many(&self, _: &[Key]) -> Result<()> {
        self.act(Operation::DeleteMany, ()).await
    }

    async fn delete_prefix(&self, _: &Prefix) -> Result<u64> {
        self.act(Operation::DeletePrefix, 0).await
    }

    async fn ping(&self) -> Result<()> {
        self.act(Operation::Ping, ()).await
    }

    fn profile(&self) -> Profile {
        Profile::new("scripted", Scope::Shared)
    }

    fn occupancy(&self) -> Option<Occupancy> {
        Some(Occupancy { entries: 42, bytes: None })
    }
}
