//! Where a proxy's server is.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The server behind a proxy.
///
/// ```
/// use std::path::Path;
/// use tasker_cache_testkit::proxy::Upstream;
///
/// let upstream = Upstream::from(Path::new("folder/socket"));
/// assert_eq!(upstream, Upstream::Unix("folder/socket".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Upstream {
    /// An address.
    Tcp(SocketAddr),
    /// The file of a unix socket.
    Unix(PathBuf),
}

impl From<SocketAddr> for Upstream {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl From<PathBuf> for Upstream {
    fn from(socket: PathBuf) -> Self {
        Self::Unix(socket)
    }
}

impl From<&Path> for Upstream {
    fn from(socket: &Path) -> Self {
        Self::Unix(socket.to_owned())
    }
}
