//! What is recorded for an operator's dashboards, by the feature `metrics`.
//!
//! Every count, duration and gauge goes to the recorder of the [`metrics`] crate that the process
//! has installed when a cache is made: install it first. Without one nothing is recorded, and
//! without the feature nothing of this is compiled.
//!
//! [`METRICS`] lists everything by name, with its labels. Each series also has the labels
//! `backend` and `prefix`, which tell the caches of one process apart; two caches that have both
//! in common add up what they count, and a gauge then tells of the one that changed last.
//!
//! # How many series there are
//!
//! No label is made from a key or a value, and the text of an error is none either: `region` is
//! the path of a region, [`RAW`] for the raw operations, and [`OTHER`] for each region beyond the
//! first [`MAX_REGIONS`] of a cache. All other labels have the values in [`LABELS`] only.
//!
//! # How current a gauge is
//!
//! The circuit's state and what is pending are kept current by whatever changes them. How much a
//! local backend holds has to be counted, so it is as of the last call of
//! [`Cache::status`](crate::Cache::status) or [`Cache::health_check`](crate::Cache::health_check):
//! make one of them before the metrics are collected.
//!
//! # What it costs
//!
//! A hit in memory is one more atomic addition: the operations of a local backend are not timed,
//! for a look at the clock takes as long as they do.

#[cfg(feature = "metrics")]
mod names;
#[cfg(feature = "metrics")]
mod observed;
#[cfg(feature = "metrics")]
mod recorded;
#[cfg(not(feature = "metrics"))]
mod silent;

#[cfg(feature = "metrics")]
pub use self::names::*;
#[cfg(feature = "metrics")]
pub(crate) use self::recorded::{Count, Loads, RegionSeries, Telemetry};
#[cfg(not(feature = "metrics"))]
pub(crate) use self::silent::{Count, Loads, RegionSeries, Telemetry};
