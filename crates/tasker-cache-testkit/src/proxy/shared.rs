//! What the handles of a proxy and its connections share.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::proxy::counts::Counters;
use crate::proxy::doors::Doors;
use crate::proxy::{Counts, Direction, NetworkFault, Upstream};

/// What the proxy does at the moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct State {
    pub(crate) fault: Option<NetworkFault>,
    /// Whether the fault ends with the first reply chunk that it happens to.
    is_once: bool,
    /// How often all connections were dropped.
    pub(crate) drops: u64,
}

/// The proxy, without the task that serves it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) upstream: Upstream,
    pub(crate) doors: Doors,
    pub(crate) counters: Counters,
    pub(crate) state: watch::Sender<State>,
    random: Mutex<fastrand::Rng>,
}

impl Shared {
    pub(crate) fn open(upstream: Upstream, seed: u64) -> Self {
        Self {
            upstream,
            doors: Doors::open().unwrap_or_else(|error| panic!("the proxy has no port: {error}")),
            counters: Counters::default(),
            state: watch::Sender::default(),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.doors.address()
    }

    pub(crate) fn set(&self, fault: Option<NetworkFault>, is_once: bool) {
        let is_once = is_once && fault.is_some_and(NetworkFault::is_of_chunks);
        if fault == Some(NetworkFault::Refuse) {
            self.doors.close();
        } else if let Err(error) = self.doors.reopen() {
            panic!("the proxy can't have its port {} back: {error}", self.address());
        }
        self.state.send_modify(|state| *state = State { fault, is_once, ..*state });
    }

    pub(crate) fn fault(&self) -> Option<NetworkFault> {
        self.state.borrow().fault
    }

    pub(crate) fn drop_connections(&self) {
        self.state.send_modify(|state| state.drops += 1);
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counters.read()
    }

    /// Returns how long a chunk that has just come in is to be delayed.
    pub(crate) fn delay(&self, direction: Direction) -> Duration {
        let is_delay = |fault: &NetworkFault| {
            matches!(fault, NetworkFault::Latency(_) | NetworkFault::Jitter { .. })
        };
        match self.fault_for(direction, is_delay) {
            Some(NetworkFault::Latency(delay)) => delay,
            Some(NetworkFault::Jitter { least, most }) => {
                least + most.saturating_sub(least).mul_f64(self.random(fastrand::Rng::f64))
            }
            _ => Duration::ZERO,
        }
    }

    /// Returns what is to be done to a reply chunk that is about to be delivered.
    pub(crate) fn mischief(&self) -> Option<NetworkFault> {
        let is_mischief = |fault: &NetworkFault| {
            use NetworkFault::{DuplicateReplies, Garbage, ResetMidReply, Slices};
            matches!(fault, ResetMidReply | Slices | Garbage | DuplicateReplies)
        };
        self.fault_for(Direction::ToClient, is_mischief)
    }

    /// Returns the fault if it is of this kind and happens in this direction, once if it is so set.
    fn fault_for(
        &self,
        direction: Direction,
        is_kind: impl Fn(&NetworkFault) -> bool,
    ) -> Option<NetworkFault> {
        let mut found = None;
        self.state.send_if_modified(|state| {
            let is_used = state.is_once && direction == Direction::ToClient;
            if !state.is_once || is_used {
                found = state.fault.filter(&is_kind);
            }
            let is_over = is_used && found.is_some();
            if is_over {
                *state = State { fault: None, is_once: false, ..*state };
            }
            is_over
        });
        found
    }

    /// Draws from the proxy's own source of chance.
    pub(crate) fn random<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        draw(&mut self.random.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
