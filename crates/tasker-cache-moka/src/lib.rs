//! The in-memory backend, over moka.
#![doc = include_str!("../README.md")]

mod backend;
mod config;
mod leases;
mod maintenance;

pub use self::backend::Moka;
pub use self::config::MokaConfig;
