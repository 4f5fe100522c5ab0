//! Ports of the loopback interface, each for one server or proxy of this process.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How far above its own a cluster's node has its other port, for the bus.
const BUS: u16 = 10_000;

/// What a server needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ports {
    One,
    /// A cluster's node listens on a second one.
    AndBus,
}

impl Ports {
    /// Returns the range of the first of them: ports that the kernel gives to nobody's outgoing
    /// connection.
    ///
    /// While a server is down, a client that keeps connecting to a port out of the kernel's own
    /// range (from 32,768 on Linux) is at times given that very port, and is connected to itself.
    const fn range(self) -> RangeInclusive<u16> {
        match self {
            Self::One => 11_000..=31_999,
            Self::AndBus => 11_000..=21_999,
        }
    }

    fn from(self, first: u16) -> impl Iterator<Item = u16> {
        let bus = (self == Self::AndBus).then_some(first + BUS);
        std::iter::once(first).chain(bus)
    }
}

/// The ports that somebody in this process has.
static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

fn taken() -> MutexGuard<'static, BTreeSet<u16>> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A port that nobody else in this process is given while this lives: who is down for a while has
/// its own to come back to.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    ports: Ports,
}

impl Port {
    /// Finds one that is free at this moment, in other processes too.
    pub(crate) fn find(ports: Ports) -> io::Result<Self> {
        const TRIES: usize = 1000;
        let mut taken = taken();
        let is_nobodys =
            |first: &u16| ports.from(*first).all(|port| !taken.contains(&port) && is_free(port));
        let free = (0..TRIES).map(|_| fastrand::u16(ports.range())).find(is_nobodys);
        let number = free.ok_or_else(|| io::Error::other("no free port was found"))?;
        taken.extend(ports.from(number));
        Ok(Self { number, ports })
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    /// Tells whether nobody listens there.
    pub(crate) fn is_free(&self) -> bool {
        self.ports.from(self.number).all(is_free)
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        let mut taken = taken();
        for port in self.ports.from(self.number) {
            taken.remove(&port);
        }
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_has_is_given_to_nobody_else_though_nobody_listens() {
        let mut given = Vec::new();
        for ports in [Ports::One, Ports::AndBus].into_iter().cycle().take(400) {
            given.push(Port::find(ports).expect("there are thousands"));
        }

        let numbers: Vec<u16> =
            given.iter().flat_map(|port| port.ports.from(port.number)).collect();
        let different: BTreeSet<u16> = numbers.iter().copied().collect();

        assert_eq!(different.len(), numbers.len());
        assert!(different.is_subset(&taken()));
        drop(given);
    }
}
