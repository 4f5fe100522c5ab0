//! A TCP proxy that does to connections what networks do: delay, lose, cut and garble.
//!
//! ```no_run
//! # async fn example() {
//! use std::time::Duration;
//! use tasker_cache_testkit::proxy::{Direction, NetworkFault, FaultProxy};
//! use tasker_cache_testkit::server::RedisServer;
//!
//! let server = RedisServer::start().await;
//! let proxy = FaultProxy::start(server.address()).await;
//! let url = server.url_at(proxy.address());      // what the client under test is given
//!
//! proxy.set(NetworkFault::Latency(Duration::from_millis(20)));
//! proxy.set(NetworkFault::BlackHole(Direction::ToServer));
//! proxy.clear();                                 // what the hole held back arrives late
//! proxy.once(NetworkFault::ResetMidReply);
//!
//! let before = proxy.counts();
//! // … one operation …
//! assert_eq!(proxy.counts().round_trips - before.round_trips, 1);
//! # }
//! ```

mod connection;
mod counts;
mod doors;
mod fault;
mod pump;
mod shared;
mod upstream;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::JoinHandle;

pub use self::counts::Counts;
#[doc(hidden)]
pub use self::fault::NetworkFault as Fault;
pub use self::fault::{Direction, NetworkFault};
use self::shared::Shared;
pub use self::upstream::Upstream;

/// A proxy in front of a server, with one fault at a time; clones are handles on the same proxy.
///
/// # Background work
///
/// It runs on the tokio runtime on which it was started. All of it ends, and its connections are
/// closed, when the last handle is dropped.
#[derive(Clone, Debug)]
pub struct FaultProxy {
    shared: Arc<Shared>,
    _task: Arc<Task>,
}

/// The task that owns the proxy's connections.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl FaultProxy {
    /// Starts a proxy without a fault, in front of an address or of the path of a unix socket.
    ///
    /// What is random in its faults is so by a seed that is taken from the operating system and
    /// printed; [`start_with_seed`](Self::start_with_seed) takes it.
    ///
    /// # Panics
    ///
    /// If there is no free port, or outside of a tokio runtime.
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use tasker_cache_testkit::{proxy::FaultProxy, server::MemcachedServer};
    /// let server = MemcachedServer::start().await;
    /// let proxy = FaultProxy::start(server.address()).await;
    /// # }
    /// ```
    pub async fn start(upstream: impl Into<Upstream>) -> Self {
        let seed = fastrand::u64(..);
        eprintln!("fault proxy: seed {seed}");
        Self::start_with_seed(upstream, seed).await
    }

    /// Starts a proxy like [`start`](Self::start), with a seed for what is random in its faults.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    ///
    /// ```no_run
    /// # async fn example() {
    /// # use std::net::{Ipv4Addr, SocketAddr};
    /// # use tasker_cache_testkit::proxy::FaultProxy;
    /// let server = SocketAddr::from((Ipv4Addr::LOCALHOST, 6379));
    /// let proxy = FaultProxy::start_with_seed(server, 7).await;
    /// # }
    /// ```
    #[expect(clippy::unused_async, reason = "says that it needs a runtime, and may come to wait")]
    pub async fn start_with_seed(upstream: impl Into<Upstream>, seed: u64) -> Self {
        let shared = Arc::new(Shared::open(upstream.into(), seed));
        let task = tokio::spawn(connection::serve(Arc::clone(&shared)));
        Self { shared, _task: Arc::new(Task(task)) }
    }

    /// Returns the address it listens on, on the loopback interface.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.shared.address()
    }

    /// Lets this fault happen from here on, instead of any other.
    ///
    /// It meets what is on its way through the proxy, too: chunks that are not delivered yet.
    ///
    /// # Panics
    ///
    /// If the proxy refused connections until here, and its port was taken meanwhile.
    pub fn set(&self, fault: NetworkFault) {
        self.shared.set(Some(fault), false);
    }

    /// Lets this fault happen to one reply chunk only, the next one, instead of any other fault.
    ///
    /// [`NetworkFault::BlackHole`] and [`NetworkFault::Refuse`] don't happen to a chunk, and stay until they are
    /// replaced, as with [`set`](Self::set).
    ///
    /// # Panics
    ///
    /// As [`set`](Self::set).
    pub fn once(&self, fault: NetworkFault) {
        self.shared.set(Some(fault), true);
    }

    /// Ends the fault. What a black hole held back is delivered, in order.
    ///
    /// # Panics
    ///
    /// As [`set`](Self::set).
    pub fn clear(&self) {
        self.shared.set(None, false);
    }

    /// Returns the fault that is set, if any.
    #[must_use]
    pub fn fault(&self) -> Option<NetworkFault> {
        self.shared.fault()
    }

    /// Resets every connection that is open (RST, to both sides). New ones are accepted.
    pub fn drop_connections(&self) {
        self.shared.drop_connections();
    }

    /// Returns what has been counted since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.counts()
    }
}
