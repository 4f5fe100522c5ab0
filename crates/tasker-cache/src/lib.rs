//! A read-through cache in front of a database.
#![doc = include_str!("../README.md")]
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | making a cache | [`Cache::connect`], [`Cache::from_path`], [`Cache::builder`], [`Cache::noop`] |
//! | reading through it, and invalidating | [`Region`], [`Usage`], [`Consistency`], [`Invalidation`] |
//! | what can be given as a key | [`Segments`] |
//! | configuring it | [`Config`], and [`config`] for what it can get wrong |
//! | looking at it | [`Cache::status`], [`Status`], [`Counters`] |
//! | a store of your own | [`backend::Backend`] |
//! | Tasker's templates and analytics | [`tasker`] |

mod backends;
mod builder;
mod cache;
mod codec;
pub mod config;
mod connect;
mod counters;
mod deadline;
mod faults;
mod inner;
mod invalidation;
mod leading;
mod ledger;
mod mutants;
mod nesting;
mod recovery;
mod region;
mod segments;
mod status;
mod targets;
pub mod tasker;
#[cfg(feature = "metrics")]
pub mod telemetry;
#[cfg(not(feature = "metrics"))]
mod telemetry;
mod usage;

pub use bytes::Bytes;
pub use tasker_cache_breaker::{BreakerSettings, CircuitState};
pub use tasker_cache_core::Key;

/// What an implementation of a [`Backend`](backend::Backend) needs.
pub mod backend {
    pub use tasker_cache_core::*;
}

pub use self::builder::Builder;
pub use self::cache::Cache;
pub use self::codec::{Codec, CodecError, Json};
pub use self::config::{Config, ConfigError, ConfigErrorKind, Loader};
pub use self::counters::{Bypass, Counters};
pub use self::invalidation::Invalidation;
#[cfg(tasker_cache_mutants)]
#[doc(hidden)]
pub use self::mutants::{Mutant, plant};
pub use self::recovery::Leftover;
pub use self::region::Region;
pub use self::segments::Segments;
pub use self::status::{Pending, RegionStatus, Status};
pub use self::usage::{Consistency, Usage};
