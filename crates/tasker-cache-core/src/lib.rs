//! The backend contract: keys, leases, entries, the envelope and the `Backend` trait.
#![doc = include_str!("../README.md")]

mod backend;
mod entry;
pub mod envelope;
mod error;
mod key;
mod lease;
mod noop;
mod profile;
mod ttl;

/// Lets a trait with async methods, such as [`Backend`], be an object; an implementation needs it.
pub use async_trait::async_trait;
pub use bytes::Bytes;

pub use self::backend::Backend;
pub use self::entry::Entry;
pub use self::error::{Error, ErrorKind, Operation, Result};
pub use self::key::{Fingerprint, Key, KeyBuilder, Prefix};
pub use self::lease::{Fill, Lease, Lookup, Nonce, Refusal};
pub use self::noop::NoOp;
pub use self::profile::{Limits, Occupancy, Profile, Scope};
pub use self::ttl::Ttl;
