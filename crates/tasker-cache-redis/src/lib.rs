//! The Redis, Dragonfly and Valkey backend, over fred.
#![doc = include_str!("../README.md")]

mod answers;
mod backend;
mod batch;
mod cause;
mod coalesce;
mod config;
mod connect;
mod error;
mod gate;
mod lease;
mod link;
mod owned;
mod prefix;
mod primaries;
mod queue;
mod scripts;
mod session;
#[cfg(feature = "rustls")]
mod tls;
mod url;

pub use self::backend::Redis;
pub use self::config::RedisConfig;
pub use self::error::{ConfigError, ConnectError};
