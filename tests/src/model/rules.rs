//! What is searched: a protocol, sound or with one part left out, and the world around it.

/// How a loaded value gets into the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Only if the reader's own stub is still there.
    Lease,
    /// Whatever is there: plain cache-aside.
    Blind,
    /// Unless a delete has left its tombstone there.
    UnlessTombstone,
}

/// Whose load a reader may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// Everybody loads alone.
    Never,
    /// Who arrived before the load began, or before a fill that was stored was sent.
    InTime,
    /// Whoever waits, if the fill was stored.
    IfStored,
    /// Whoever waits.
    Always,
}

/// What becomes of an invalidation that the store did not acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journal {
    /// It stays pending, and reads of the key bypass the store until it is replayed.
    Bypass,
    /// It is replayed, and reads go on meanwhile.
    ReadMeanwhile,
    /// It is forgotten and reported as done.
    Forget,
}

/// What a full journal does with a key's mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// It never is full.
    Never,
    /// The whole region becomes pending.
    Widen,
    /// The mark is dropped.
    Drop,
}

/// How the store tells one stub from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// At random, never the same twice.
    Random,
    /// By a counter that begins anew with the server, as Memcached does.
    Counter {
        /// Whether a fill goes out on the connection that the lease came in on, or not at all.
        same_connection: bool,
    },
}

/// The rules that readers, writers and the store go by.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// How a loaded value gets into the store.
    pub fill: Fill,
    /// Whose load a reader may use.
    pub join: Join,
    /// Whether an invalidation seals the flights of its process.
    pub seal: bool,
    /// What becomes of an invalidation that was not acknowledged.
    pub journal: Journal,
    /// Whether an acknowledgement clears only what was marked before its delete was sent.
    pub tokens: bool,
    /// What a full journal does.
    pub full: Full,
    /// How stubs are told apart.
    pub numbers: Numbers,
}

impl Protocol {
    /// The protocol as it is built.
    pub const OURS: Self = Self {
        fill: Fill::Lease,
        join: Join::InTime,
        seal: true,
        journal: Journal::Bypass,
        tokens: true,
        full: Full::Never,
        numbers: Numbers::Random,
    };

    /// The same without sharing loads within a process.
    pub const ALONE: Self = Self { join: Join::Never, ..Self::OURS };
}

/// How much happens: the process of each reader and writer, and how often the world interferes.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The process, 0 or 1, of each reader: at most three.
    pub readers: &'static [u8],
    /// The process of each writer: at most two. Each commits and invalidates once.
    pub writers: &'static [u8],
    /// How often the entry is evicted or expires.
    pub evictions: u8,
    /// How often the store becomes unreachable.
    pub outages: u8,
    /// How often the store restarts, empty unless it has taken a snapshot.
    pub restarts: u8,
    /// How often the store takes a snapshot to restart from.
    pub snapshots: u8,
    /// How often a leader's future is dropped.
    pub drops: u8,
    /// Whether fills may time out and arrive later, and acknowledgements may get lost.
    pub late: bool,
}

impl Bounds {
    /// Three readers, one of them in another process, two writers, and a store that never fails.
    pub const CALM: Self = Self {
        readers: &[0, 0, 1],
        writers: &[1, 0],
        evictions: 0,
        outages: 0,
        restarts: 0,
        snapshots: 0,
        drops: 0,
        late: false,
    };
}
