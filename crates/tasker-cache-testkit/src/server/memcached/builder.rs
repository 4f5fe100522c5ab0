//! How a `memcached` is to be started.

use crate::server::memcached::service::MemcachedService;
use crate::server::{MemcachedServer, StartError};

/// Says how a [`MemcachedServer`] is to be started.
///
/// ```no_run
/// # async fn example() {
/// use tasker_cache_testkit::server::MemcachedServer;
///
/// let server = MemcachedServer::builder().max_item_bytes(2048).memory_mib(8).start().await;
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder starts nothing by itself"]
pub struct MemcachedBuilder {
    service: MemcachedService,
}

impl MemcachedBuilder {
    /// Listens on a unix socket instead of a port.
    pub fn unix_socket(mut self) -> Self {
        self.service.is_unix = true;
        self
    }

    /// Limits the size of an item, key and overhead included (`-I`). Default: 1 MiB.
    ///
    /// From 1 KiB to 1 GiB and at most half of the memory; rounded up to what memcached accepts: a
    /// power of two, above 512 KiB a multiple of 512 KiB.
    pub fn max_item_bytes(mut self, bytes: u32) -> Self {
        self.service.max_item_bytes = Some(bytes);
        self
    }

    /// Limits how many clients can be connected at a time; further ones are told `ERROR Too many
    /// open connections` and closed. At least 2; default: about 1,000.
    ///
    /// What memcached limits (`-c`) is file descriptors, its own included: the harness adds those
    /// and starts a single worker thread, so that the number is that of clients with memcached
    /// 1.6.18, and nearly so with others. The harness itself needs one for each command, and while
    /// it starts the server.
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.service.max_connections = Some(connections);
        self
    }

    /// Limits the memory for items (`-m`), in MiB. Default: 64.
    pub fn memory_mib(mut self, mib: u32) -> Self {
        self.service.memory_mib = Some(mib);
        self
    }

    /// Adds an argument to the command line, behind those of the harness.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.service.extra.push(arg.into());
        self
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Panics
    ///
    /// If it can't be had within 20 s, with the end of its log.
    pub async fn start(self) -> MemcachedServer {
        self.try_start().await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts the server and waits until it answers, at most 20 s.
    ///
    /// # Errors
    ///
    /// [`StartError`], in words.
    pub async fn try_start(self) -> Result<MemcachedServer, StartError> {
        MemcachedServer::launch(self.service).await
    }
}
