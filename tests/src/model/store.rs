//! How the store executes a read with the intent to fill, and a fill.

use super::rules::{Fill, Numbers, Protocol};
use super::state::{Answer, Cell, Lease, Store};

impl Store {
    fn number(&mut self) -> u8 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// Executes a read. Without leases a miss leaves nothing in the store.
    pub(super) fn look(&mut self, protocol: Protocol) -> Answer {
        match self.cell {
            _ if !self.reachable => Answer::Nothing,
            Cell::Value(version, _) => Answer::Hit(version),
            Cell::Stub(_) => Answer::Held,
            Cell::Empty | Cell::Tombstone => {
                let number = self.number();
                if protocol.fill == Fill::Lease {
                    self.cell = Cell::Stub(number);
                }
                Answer::Leased(Lease { number, run: self.run })
            }
        }
    }

    /// Executes a fill; tells whether the value was stored.
    pub(super) fn fill(&mut self, protocol: Protocol, lease: Lease, version: u8) -> bool {
        let is_current = match (self.cell, protocol.fill) {
            (_, Fill::Blind) => true,
            (cell, Fill::UnlessTombstone) => cell != Cell::Tombstone,
            (Cell::Stub(number), Fill::Lease) => number == lease.number,
            // A counter tells values from stubs no better than one stub from another.
            (Cell::Value(_, number), Fill::Lease) => {
                protocol.numbers != Numbers::Random && number == lease.number
            }
            (Cell::Empty | Cell::Tombstone, Fill::Lease) => false,
        };
        if is_current {
            let number = if protocol.numbers == Numbers::Random { 0 } else { self.number() };
            self.cell = Cell::Value(version, number);
        }
        is_current
    }
}
