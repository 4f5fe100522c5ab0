//! One state of the machine, and the steps between states.

use std::fmt;

use super::rules::{Bounds, Numbers, Protocol};

pub(super) const READERS: usize = 3;
pub(super) const WRITERS: usize = 2;
pub(super) const PROCESSES: usize = 2;

/// The right to fill: the stub's number, and which run of the store it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Lease {
    pub(super) number: u8,
    pub(super) run: u8,
}

/// What the store holds under the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Cell {
    Empty,
    Stub(u8),
    /// A version and the number that a compare-and-set would have to name.
    Value(u8, u8),
    Tombstone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Store {
    pub(super) cell: Cell,
    pub(super) next: u8,
    pub(super) run: u8,
    pub(super) reachable: bool,
    pub(super) snapshot: Option<Cell>,
}

/// What the store answered to a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Hit(u8),
    Leased(Lease),
    Held,
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum At {
    Idle,
    /// The reader is to look again, without a flight.
    Retries,
    Asks,
    /// It holds a lease, and is to enter the critical section.
    Leased(Lease),
    Waits {
        leader: u8,
        before_load: bool,
        before_fill: bool,
    },
    Leads(Flight, Doing),
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Flight {
    pub(super) lease: Option<Lease>,
    pub(super) sealed: bool,
}

/// How far a leader has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Doing {
    /// It is to look again, for all who wait.
    Looks,
    Begins,
    Loaded(u8),
    Fills(u8, Lease),
    Filled(u8, bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Reader {
    pub(super) process: u8,
    pub(super) at: At,
    /// The oldest version that it may return.
    pub(super) floor: u8,
}

/// How far a writer has got: with a version, and the token of its mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Write {
    Idle,
    Marked(u8, u8),
    Deleted(u8, u8),
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Writer {
    pub(super) process: u8,
    pub(super) at: Write,
}

/// What recovery is at: what it may clear, once its delete is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Replay {
    Idle,
    Executed(u8, bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Process {
    /// The highest version that it was told is deferred.
    pub(super) deferred: u8,
    pub(super) last: u8,
    /// The token of the key's mark.
    pub(super) key: Option<u8>,
    /// The token of the region's mark.
    pub(super) region: Option<u8>,
    pub(super) replay: Replay,
    /// Who leads the flight that readers may join.
    pub(super) flight: Option<u8>,
}

impl Process {
    pub(super) fn pending(&self) -> bool {
        self.key.is_some() || self.region.is_some()
    }
}

/// How often the world may still interfere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    pub(super) evictions: u8,
    pub(super) outages: u8,
    pub(super) restarts: u8,
    pub(super) snapshots: u8,
    pub(super) drops: u8,
}

/// A fill that was given up and has not arrived yet.
pub(super) type Late = (Lease, u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) database: u8,
    pub(super) store: Store,
    pub(super) late: [Option<Late>; READERS],
    pub(super) processes: [Process; PROCESSES],
    pub(super) readers: [Reader; READERS],
    pub(super) writers: [Writer; WRITERS],
    /// The highest version whose invalidation was acknowledged as applied.
    pub(super) applied: u8,
    pub(super) budget: Budget,
    /// Whether a read has returned what it must not.
    pub(super) stale: bool,
}

impl State {
    pub(super) fn initial(bounds: &Bounds) -> Self {
        let process = Process {
            deferred: 0,
            last: 0,
            key: None,
            region: None,
            replay: Replay::Idle,
            flight: None,
        };
        let reader = |at: usize| Reader {
            process: bounds.readers.get(at).copied().unwrap_or_default(),
            at: if at < bounds.readers.len() { At::Idle } else { At::Done },
            floor: 0,
        };
        let writer = |at: usize| Writer {
            process: bounds.writers.get(at).copied().unwrap_or_default(),
            at: if at < bounds.writers.len() { Write::Idle } else { Write::Done },
        };
        Self {
            database: 0,
            store: Store { cell: Cell::Empty, next: 0, run: 0, reachable: true, snapshot: None },
            late: [None; READERS],
            processes: [process; PROCESSES],
            readers: std::array::from_fn(reader),
            writers: std::array::from_fn(writer),
            applied: 0,
            budget: Budget {
                evictions: bounds.evictions,
                outages: bounds.outages,
                restarts: bounds.restarts,
                snapshots: bounds.snapshots,
                drops: bounds.drops,
            },
            stale: false,
        }
    }

    /// Renames what only its identity matters of, so that states which differ in names alone are
    /// one: random numbers in the order in which they are found, fills under way sorted, and
    /// readers that are done forgotten.
    pub(super) fn canonical(mut self, protocol: Protocol) -> Self {
        self.late.sort_unstable();
        for reader in &mut self.readers {
            if reader.at == At::Done {
                reader.floor = 0;
            }
        }
        if protocol.numbers != Numbers::Random {
            return self;
        }
        let mut names = Names { known: [0; 16], count: 0 };
        names.rename_cell(&mut self.store.cell);
        if let Some(cell) = &mut self.store.snapshot {
            names.rename_cell(cell);
        }
        for reader in &mut self.readers {
            if let At::Leased(lease) = &mut reader.at {
                names.rename(lease);
            }
            if let At::Leads(flight, doing) = &mut reader.at {
                flight.lease.iter_mut().for_each(|lease| names.rename(lease));
                if let Doing::Fills(_, lease) = doing {
                    names.rename(lease);
                }
            }
        }
        self.late.iter_mut().flatten().for_each(|(lease, _)| names.rename(lease));
        self.store.next = names.count;
        self.store.run = 0;
        self
    }
}

struct Names {
    known: [u8; 16],
    count: u8,
}

impl Names {
    fn name(&mut self, number: u8) -> u8 {
        let known = &self.known[..usize::from(self.count)];
        for (name, other) in (0..).zip(known) {
            if *other == number {
                return name;
            }
        }
        self.known[usize::from(self.count)] = number;
        self.count += 1;
        self.count - 1
    }

    fn rename(&mut self, lease: &mut Lease) {
        *lease = Lease { number: self.name(lease.number), run: 0 };
    }

    fn rename_cell(&mut self, cell: &mut Cell) {
        match cell {
            Cell::Stub(number) => *number = self.name(*number),
            // Nothing compares itself with the number of a value.
            Cell::Value(_, number) => *number = 0,
            Cell::Empty | Cell::Tombstone => {}
        }
    }
}

/// Who makes a step.
#[derive(Clone, Copy, Debug)]
pub enum Actor {
    /// A reader, by number.
    Reader(usize),
    /// A writer, by number.
    Writer(usize),
    /// The recovery task of a process.
    Recovery(usize),
    /// The store, or the network before it.
    Store,
}

/// One step, in words.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub(super) actor: Actor,
    pub(super) does: &'static str,
    pub(super) version: Option<u8>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.actor {
            Actor::Reader(number) => write!(f, "reader {number} ")?,
            Actor::Writer(number) => write!(f, "writer {number} ")?,
            Actor::Recovery(process) => write!(f, "recovery of process {process} ")?,
            Actor::Store => f.write_str("the store ")?,
        }
        f.write_str(self.does)?;
        self.version.map_or(Ok(()), |version| write!(f, " (v{version})"))
    }
}
