//! The Memcached backend, over async-memcached.
#![doc = include_str!("../README.md")]

mod address;
mod backend;
mod commands;
mod config;
mod connection;
mod error;
mod lane;
mod lease;
mod pool;
mod prober;
mod request;
#[cfg(test)]
mod restart_tests;
mod ring;

pub use self::address::ConfigError;
pub use self::backend::Memcached;
pub use self::config::MemcachedConfig;
pub use self::error::ConnectError;
pub use self::ring::Ring;
