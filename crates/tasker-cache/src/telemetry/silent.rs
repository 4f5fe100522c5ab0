//! The same without the feature `metrics`: nothing is recorded, and nothing is left in the code.

#![expect(clippy::unused_self, reason = "the same interface as with the feature")]

use std::sync::Arc;

use tasker_cache_core::{Backend, Profile};

use crate::inner::Inner;

#[derive(Debug)]
pub(crate) struct Telemetry;

impl Telemetry {
    pub(crate) const fn new(_: &'static str, _: &str) -> Self {
        Self
    }

    pub(crate) fn observed(&self, backend: Arc<dyn Backend>, _: &Profile) -> Arc<dyn Backend> {
        backend
    }

    pub(crate) const fn raw(&self) -> RegionSeries {
        RegionSeries
    }

    pub(crate) const fn region(&self, _: &str, _: usize) -> RegionSeries {
        RegionSeries
    }

    pub(crate) const fn publish(&self, _: &Inner) {}

    pub(crate) const fn publish_all(&self, _: &Inner) {}
}

#[derive(Debug)]
pub(crate) struct RegionSeries;

impl RegionSeries {
    pub(crate) const fn count(&self, _: &'static str) -> Count {
        Count
    }

    pub(crate) const fn loads(&self) -> Loads {
        Loads
    }
}

#[derive(Debug)]
pub(crate) struct Count;

impl Count {
    pub(crate) const fn add(&self, _: u64) {}
}

#[derive(Debug)]
pub(crate) struct Loads;

impl Loads {
    pub(crate) const fn begin(&self) -> Load {
        Load
    }
}

pub(crate) struct Load;

impl Load {
    pub(crate) const fn end(self, _: bool) {}
}
