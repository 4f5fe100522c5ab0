//! The cases, by group.

pub mod bytes;
pub mod futures;
pub mod keys;
pub mod leases;
pub mod prefixes;
pub mod profile;
pub mod reads;
pub mod ttl;
pub mod writes;
