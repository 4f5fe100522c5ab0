//! What can be done to a connection.

use std::time::Duration;

/// A fault of the network between client and server.
///
/// What goes wrong with a backend's operations, past any network, is a [`Fault`](crate::Fault).
///
/// A *chunk* is what one read from a socket returned, at most 16 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetworkFault {
    /// Delivers every chunk this much later, in each direction: a round trip takes twice as long.
    /// Chunks that follow each other closely are all on their way at the same time.
    Latency(Duration),
    /// Delays every chunk by a random time between the two, in each direction; order is kept.
    Jitter {
        /// The shortest delay.
        least: Duration,
        /// The longest delay.
        most: Duration,
    },
    /// Delivers nothing in this direction, not even the end of a connection, and stops reading:
    /// the sender's buffers fill, and then its writes hang. Connections stay open and new ones are
    /// accepted. When the fault is over everything arrives, as when a network heals.
    BlackHole(Direction),
    /// Delivers the first half of a reply chunk, then resets the connection (RST, to both sides).
    ResetMidReply,
    /// Delivers replies one byte at a time; the client's task runs in between if it can.
    Slices,
    /// Puts 1 to 16 random bytes at a random place into every reply chunk.
    Garbage,
    /// Delivers every reply chunk twice.
    DuplicateReplies,
    /// Refuses new connections, as a port does on which nobody listens. Those that are open go on.
    Refuse,
}

impl NetworkFault {
    /// Tells whether chunks of this direction are held back.
    pub(crate) fn holds(self, direction: Direction) -> bool {
        matches!(self, Self::BlackHole(held) if held == Direction::Both || held == direction)
    }

    /// Tells whether it happens to single chunks.
    pub(crate) fn is_of_chunks(self) -> bool {
        !matches!(self, Self::BlackHole(_) | Self::Refuse)
    }
}

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the server: requests.
    ToServer,
    /// From the server to the client: replies.
    ToClient,
    /// Both ways.
    Both,
}
