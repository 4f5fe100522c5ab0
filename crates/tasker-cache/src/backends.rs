//! The backends that a configuration can name: a row each.

/// Hands all backends to a macro. A row tells its variant of
/// [`BackendName`](crate::config::BackendName), its names, of which the first is its own, the
/// feature that compiles it in, and the function of [`connect`](crate::connect) that makes it.
macro_rules! with_backends {
    ($use:ident) => {
        $use! {
            /// `redis`.
            Redis: ["redis"], "redis", networked::redis;
            /// `dragonfly`.
            Dragonfly: ["dragonfly"], "redis", networked::redis;
            /// `memcached`.
            Memcached: ["memcached"], "memcached", networked::memcached;
            /// `moka`, `memory` or `in-memory`.
            Moka: ["moka", "memory", "in-memory"], "moka", moka;
        }
    };
}

pub(crate) use with_backends;
