//! Real servers for tests: each in a folder of its own, on a free port, gone with its test.
//!
//! ```no_run
//! # async fn example() {
//! use tasker_cache_testkit::server::RedisServer;
//!
//! let server = RedisServer::start().await;
//! let url = server.url();                    // redis://127.0.0.1:PORT
//! server.pause();                            // it hangs: its connections stay open
//! server.resume();
//! server.restart().await;                    // the same port, and nothing in it
//! # }
//! ```
//!
//! - The programs are found as [`Program`] says; no configuration of the machine is read.
//! - Servers listen on the loopback interface only, and keep all their files in a temporary folder
//!   that is removed with them.
//! - A server ends when its handle is dropped, and also when the process that started it ends in
//!   whatever way: a small `sh` that holds the other end of a pipe from that process then kills it.
//! - What can't be had is a panic in words, with the end of the server's log: a test that needs a
//!   server must not pass without one.
//!
//! Waiting needs a running clock: start servers before a test pauses tokio's.

mod cluster;
mod control;
mod daemon;
mod error;
mod memcached;
mod patience;
mod place;
mod port;
mod program;
mod redis;
mod replicas;
mod resp;
mod sentinel;
mod supervisor;
mod tls;

pub use self::cluster::RedisCluster;
pub use self::error::StartError;
pub use self::memcached::{MemcachedBuilder, MemcachedServer};
pub(crate) use self::port::{Port, Ports};
pub use self::program::{Missing, Program};
pub use self::redis::{RedisBuilder, RedisServer};
pub use self::replicas::RedisReplicas;
pub use self::resp::Reply;
pub use self::sentinel::RedisSentinel;
pub use self::tls::TlsFiles;
