//! What a proxy has seen.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a [`FaultProxy`](crate::proxy::FaultProxy) has seen since its start, faults or not.
///
/// # Round trips
///
/// On each connection, a round trip begins with the first bytes from the client since bytes last
/// came from the server (or since the connection was opened), and is counted when the next bytes
/// come from the server. However many requests a client sends before it looks at a reply, and into
/// however many chunks the kernel cuts them, that is one round trip: the count is how often the
/// client *could* have had to wait. With one operation at a time on a connection it is exactly how
/// often it did. What a client says to open a connection counts too, and what a server pushes
/// without being asked does not.
///
/// ```
/// use tasker_cache_testkit::proxy::Counts;
///
/// let counts = Counts::default();
/// assert_eq!(counts.round_trips, 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Connections that were accepted.
    pub connections: u64,
    /// Chunks that came from clients.
    pub requests: u64,
    /// Chunks that came from the server.
    pub replies: u64,
    /// Bytes that came from clients.
    pub request_bytes: u64,
    /// Bytes that came from the server.
    pub reply_bytes: u64,
    /// Turns from request to reply, as described above.
    pub round_trips: u64,
}

/// The counts while they grow.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) replies: AtomicU64,
    pub(crate) request_bytes: AtomicU64,
    pub(crate) reply_bytes: AtomicU64,
    pub(crate) round_trips: AtomicU64,
}

impl Counters {
    pub(crate) fn read(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Counts {
            connections: read(&self.connections),
            requests: read(&self.requests),
            replies: read(&self.replies),
            request_bytes: read(&self.request_bytes),
            reply_bytes: read(&self.reply_bytes),
            round_trips: read(&self.round_trips),
        }
    }
}
