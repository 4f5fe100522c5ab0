//! What goes wrong: each fault by its name, where it happens, and how it is seen to have happened.

pub(super) mod memcached;
mod network;
pub(super) mod redis;
mod server;

use std::time::Duration;

use fastrand::Rng;
use tasker_cache_testkit::proxy::{Direction, NetworkFault};

use super::Result;
use super::arena::{Arena, Server};
use super::options::Backend;

/// A fault that lasts for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nemesis {
    /// The server is killed, and started later with nothing in it.
    Kill,
    /// The server is killed and started at once, with nothing in it.
    Restart,
    /// The server is stopped and goes on later.
    Pause,
    /// Requests are held back.
    HoleToServer,
    /// Replies are held back.
    HoleToClient,
    /// Everything is held back.
    Hole,
    /// Connections are reset in the middle of replies.
    Reset,
    /// Connections are reset between replies, and new ones refused for a while.
    Refuse,
    /// Replies arrive byte by byte.
    Slices,
    /// Everything arrives late, at times later than anybody waits.
    Latency,
    /// Random bytes are put into replies.
    Garbage,
    /// Replies arrive twice; only where each bears a mark of its request. Those of Redis's protocol
    /// don't, so nobody can tell an old one from that of a later request for the same key.
    Duplicates,
    /// Everything is deleted, again and again.
    Flush,
    /// Memory is so short that entries are evicted.
    Evict,
    /// Memory is so short that nothing can be stored.
    Memory,
    /// There are too many clients.
    Crowd,
    /// The password is another.
    Password,
    /// Nothing can be written, as on a replica.
    Readonly,
    /// The server does nothing for a while, but is there.
    Sleep,
    /// Scripts are forgotten, again and again.
    Scripts,
    /// The server closes all connections, again and again.
    Cut,
    /// A client process is killed, and another started in its place.
    KillClient,
    /// A client process is stopped and goes on later.
    PauseClient,
}

/// Where a fault happens: those of one place don't happen together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Network,
    Server,
    Client,
}

impl Nemesis {
    pub(crate) const ALL: [Self; 23] = [
        Self::Kill,
        Self::Restart,
        Self::Pause,
        Self::HoleToServer,
        Self::HoleToClient,
        Self::Hole,
        Self::Reset,
        Self::Refuse,
        Self::Slices,
        Self::Latency,
        Self::Garbage,
        Self::Duplicates,
        Self::Flush,
        Self::Evict,
        Self::Memory,
        Self::Crowd,
        Self::Password,
        Self::Readonly,
        Self::Sleep,
        Self::Scripts,
        Self::Cut,
        Self::KillClient,
        Self::PauseClient,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::Pause => "pause",
            Self::HoleToServer => "hole-to-server",
            Self::HoleToClient => "hole-to-client",
            Self::Hole => "hole",
            Self::Reset => "reset",
            Self::Refuse => "refuse",
            Self::Slices => "slices",
            Self::Latency => "latency",
            Self::Garbage => "garbage",
            Self::Duplicates => "duplicates",
            Self::Flush => "flush",
            Self::Evict => "evict",
            Self::Memory => "memory",
            Self::Crowd => "crowd",
            Self::Password => "password",
            Self::Readonly => "readonly",
            Self::Sleep => "sleep",
            Self::Scripts => "scripts",
            Self::Cut => "cut",
            Self::KillClient => "kill-client",
            Self::PauseClient => "pause-client",
        }
    }

    /// Returns the fault of this name; an unknown one is told in words.
    pub(crate) fn named(name: &str) -> std::result::Result<Self, String> {
        let found = Self::ALL.into_iter().find(|nemesis| nemesis.name() == name);
        found.ok_or_else(|| format!("there is no nemesis `{name}`"))
    }

    pub(crate) const fn place(self) -> Place {
        match self {
            Self::HoleToServer
            | Self::HoleToClient
            | Self::Hole
            | Self::Reset
            | Self::Refuse
            | Self::Slices
            | Self::Latency
            | Self::Garbage
            | Self::Duplicates => Place::Network,
            Self::KillClient | Self::PauseClient => Place::Client,
            _ => Place::Server,
        }
    }

    /// Tells whether it can happen to this backend, which then keeps the promise all the same.
    pub(crate) const fn fits(self, backend: Backend) -> bool {
        match self {
            Self::Memory
            | Self::Password
            | Self::Readonly
            | Self::Sleep
            | Self::Scripts
            | Self::Cut => matches!(backend, Backend::Redis | Backend::Valkey),
            Self::Duplicates => matches!(backend, Backend::Memcached),
            Self::Evict | Self::Crowd => !matches!(backend, Backend::Dragonfly),
            _ => true,
        }
    }

    /// Returns what its effect is counted in; `None` if in calls that the cache did not answer.
    pub(crate) const fn counted_in(self) -> Option<&'static str> {
        match self {
            Self::Slices | Self::Latency | Self::Garbage | Self::Duplicates => Some("replies"),
            Self::Restart => Some("restarts"),
            Self::Flush => Some("keys deleted"),
            Self::Evict => Some("evictions"),
            Self::Memory => Some("commands refused"),
            Self::Scripts => Some("scripts missed"),
            Self::Cut => Some("connections"),
            Self::KillClient | Self::PauseClient => Some("processes"),
            _ => None,
        }
    }

    /// Draws how long it lasts.
    pub(crate) fn lasting(self, random: &mut Rng) -> Duration {
        let seconds = match self {
            // Mostly short, now and then 20 s.
            Self::Pause | Self::PauseClient => 0.5 * 40_f64.powf(random.f64().powi(3)),
            _ => 0.5 + 2.5 * random.f64(),
        };
        Duration::from_secs_f64(seconds)
    }

    /// Lets it happen for that long, and returns how much of what it is counted in it did; what
    /// it changed is put right by [`Arena::heal`].
    pub(crate) async fn happen(
        self,
        arena: &Arena,
        lasting: Duration,
        random: &mut Rng,
    ) -> Result<u64> {
        use Nemesis::{
            Duplicates, Garbage, Hole, HoleToClient, HoleToServer, KillClient, Latency,
            PauseClient, Refuse, Reset, Slices,
        };
        let fault = match self {
            HoleToServer => NetworkFault::BlackHole(Direction::ToServer),
            HoleToClient => NetworkFault::BlackHole(Direction::ToClient),
            Hole => NetworkFault::BlackHole(Direction::Both),
            Reset => NetworkFault::ResetMidReply,
            Refuse => NetworkFault::Refuse,
            Slices => NetworkFault::Slices,
            Latency => network::latency(random),
            Garbage => NetworkFault::Garbage,
            Duplicates => NetworkFault::DuplicateReplies,
            KillClient => return arena.fleet.kill_one(random, lasting).await,
            PauseClient => return arena.fleet.pause_one(random, lasting).await,
            _ => {
                return match &arena.server {
                    Server::Redis(server) => {
                        redis::happen(self, server, &arena.proxy, lasting).await
                    }
                    Server::Memcached(server) => {
                        memcached::happen(self, server, &arena.proxy, lasting).await
                    }
                };
            }
        };
        Ok(network::happen(&arena.proxy, fault, lasting, random).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_names_every_fault() {
        let chapter = include_str!("../../../docs/src/guaranteed.md");
        for name in Nemesis::ALL.map(Nemesis::name) {
            assert!(chapter.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn a_pause_is_mostly_short_and_now_and_then_20_s() {
        let mut random = Rng::with_seed(1);
        let mut pauses: Vec<_> = (0..1_000).map(|_| Nemesis::Pause.lasting(&mut random)).collect();
        pauses.sort_unstable();
        assert!(pauses[500] < Duration::from_secs(2), "{:?}", pauses[500]);
        assert!((10..=20).contains(&pauses[999].as_secs()), "{:?}", pauses[999]);
        assert!(pauses[0] >= Duration::from_millis(500));
    }
}
