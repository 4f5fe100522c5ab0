//! What callers ask of a connection.

use tasker_cache_core::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::Failure;
use crate::lease::ConnectionId;

/// Where an answer goes. It is closed once the caller has gone.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Failure>>;

/// One request, on its way to the task that owns a connection.
#[derive(Debug)]
pub(crate) enum Request {
    Read(Read),
    Write(Write),
}

/// A read of one key.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) key: String,
    /// For how many seconds to lease the key if there is nothing under it.
    pub(crate) hold: Option<u32>,
    pub(crate) ask: Ask<Option<Found>>,
}

/// Everything but a read.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) command: Command,
    pub(crate) ask: Ask<Outcome>,
}

/// Who asks, and until when.
#[derive(Debug)]
pub(crate) struct Ask<T> {
    pub(crate) deadline: Instant,
    /// Whether it was sent once on a connection that was thrown away.
    pub(crate) retried: bool,
    pub(crate) reply: Reply<T>,
}

impl<T> Ask<T> {
    /// Answers; gives the answer back if nobody waits for it any more.
    pub(crate) fn answer(self, result: Result<T, Failure>) -> Result<(), Result<T, Failure>> {
        self.reply.send(result)
    }

    /// Answers with a failure, which nobody need see.
    pub(crate) fn fail(self, failure: &Failure) {
        let _ = self.reply.send(Err(failure.clone()));
    }
}

/// What a connection can be made to do besides reading.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    /// Stores, whatever is there.
    Store { key: String, value: Bytes, ttl: u32 },
    /// Stores if the item is still the one with this CAS number, on the connection that gave it.
    Swap { key: String, value: Bytes, ttl: u32, cas: u64, connection: ConnectionId },
    /// Removes whatever is there.
    Remove { key: String },
    /// Removes if the item is still the one with this CAS number, on the connection that gave it.
    RemoveIf { key: String, cas: u64, connection: ConnectionId },
    /// Removes all of these, acknowledged as a whole.
    RemoveAll { keys: Vec<String> },
    /// Makes a round trip.
    Prove,
}

impl Command {
    /// The connection that it is bound to.
    pub(crate) fn connection(&self) -> Option<ConnectionId> {
        match self {
            Self::Swap { connection, .. } | Self::RemoveIf { connection, .. } => Some(*connection),
            Self::Store { .. } | Self::Remove { .. } | Self::RemoveAll { .. } | Self::Prove => None,
        }
    }

    /// Tells whether doing it twice, within its caller's time, is the same as doing it once.
    pub(crate) fn is_idempotent(&self) -> bool {
        matches!(self, Self::Remove { .. } | Self::RemoveAll { .. } | Self::Prove)
    }
}

/// What came of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was done; the item's new CAS number where there is one.
    Done { cas: Option<u64> },
    /// There was nothing to do it to, or something else.
    Missed,
}

/// What stands under a key.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) data: Bytes,
    pub(crate) cas: u64,
    pub(crate) connection: ConnectionId,
    pub(crate) recache: Recache,
    /// Whether another client has marked it as outdated.
    pub(crate) stale: bool,
}

/// Who may fill the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recache {
    /// This reader.
    Mine,
    /// Another one.
    Theirs,
    /// Nobody was asked to.
    Nobody,
}
