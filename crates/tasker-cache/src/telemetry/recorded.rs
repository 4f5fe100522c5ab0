//! The series of one cache: registered once, when the cache and each region is made.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata};
use tasker_cache_breaker::{CircuitState, Transitions};
use tasker_cache_core::{Backend, Profile, Scope};
use tokio::time::Instant;

use super::names::{
    ABANDONED, BYTES, CIRCUIT_STATE, CIRCUIT_TRANSITIONS, COMMON_LABELS, COUNTERS, ENTRIES, FAILED,
    Kind, LOAD_DURATION, MAX_REGIONS, METRICS, Metric, OK, OTHER, PENDING, RAW, Series, Unit,
};
use super::observed::Observed;
use crate::inner::Inner;

const METADATA: Metadata<'static> =
    Metadata::new("tasker_cache", Level::INFO, Some("tasker_cache"));

/// What a cache records beside the counts of its regions.
#[derive(Debug)]
pub(crate) struct Telemetry {
    labels: Labels,
    gauges: Mutex<Gauges>,
}

/// The gauges, each registered when there is first something to tell, and what was told.
#[derive(Debug, Default)]
struct Gauges {
    circuit: Option<(Gauge, [Counter; 3])>,
    transitions: Transitions,
    pending: Option<[Gauge; 2]>,
    entries: Option<Gauge>,
    bytes: Option<Gauge>,
}

impl Telemetry {
    /// Describes all metrics to the recorder that is installed.
    pub(crate) fn new(backend: &'static str, prefix: &str) -> Self {
        METRICS.iter().for_each(describe);
        let [backend_label, prefix_label] = COMMON_LABELS;
        let labels = vec![
            Label::from_static_parts(backend_label, backend),
            Label::new(prefix_label, prefix.to_owned()),
        ];
        Self { labels: Labels(labels), gauges: Mutex::default() }
    }

    /// Times the operations of a shared backend.
    pub(crate) fn observed(
        &self,
        backend: Arc<dyn Backend>,
        profile: &Profile,
    ) -> Arc<dyn Backend> {
        if profile.stores && profile.scope == Scope::Shared {
            Arc::new(Observed::new(backend, &self.labels))
        } else {
            backend
        }
    }

    /// Returns the series of the raw operations.
    pub(crate) fn raw(&self) -> RegionSeries {
        RegionSeries(self.labels.with("region", RAW))
    }

    /// Returns the series of the region at `path`, before which the cache had `known` others.
    pub(crate) fn region(&self, path: &str, known: usize) -> RegionSeries {
        let region = if known < MAX_REGIONS { path } else { OTHER };
        RegionSeries(self.labels.with("region", region.to_owned()))
    }

    /// Tells the circuit's state and what is pending. Whatever changes either calls it afterwards:
    /// it looks while nobody else does, so the last to tell is the last to have looked.
    pub(crate) fn publish(&self, cache: &Inner) {
        let mut gauges = self.gauges.lock().unwrap_or_else(PoisonError::into_inner);
        let gauges = &mut *gauges;
        let (keys, prefixes) = cache.ledger.pending();
        let [pending_keys, pending_prefixes] = gauges.pending.get_or_insert_with(|| {
            ["key", "prefix"].map(|target| self.labels.with("target", target).gauge(&PENDING))
        });
        pending_keys.set(to_f64(keys as u64));
        pending_prefixes.set(to_f64(prefixes as u64));

        let Some(breaker) = &cache.breaker else {
            return;
        };
        let (state, counts) = gauges.circuit.get_or_insert_with(|| {
            let into = |state: CircuitState| {
                self.labels.with("state", state.as_str()).counter(&CIRCUIT_TRANSITIONS)
            };
            let states = [CircuitState::Closed, CircuitState::HalfOpen, CircuitState::Open];
            (self.labels.gauge(&CIRCUIT_STATE), states.map(into))
        });
        state.set(match breaker.state() {
            CircuitState::Closed => 0.0,
            CircuitState::HalfOpen => 1.0,
            CircuitState::Open => 2.0,
        });
        let (now, told) = (breaker.transitions(), gauges.transitions);
        counts[0].increment(now.closed - told.closed);
        counts[1].increment(now.half_opened - told.half_opened);
        counts[2].increment(now.opened - told.opened);
        gauges.transitions = now;
    }

    /// Tells that, and how much a local backend holds.
    pub(crate) fn publish_all(&self, cache: &Inner) {
        self.publish(cache);
        let Some(occupancy) = cache.bare.occupancy() else {
            return;
        };
        let mut gauges = self.gauges.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = gauges.entries.get_or_insert_with(|| self.labels.gauge(&ENTRIES));
        entries.set(to_f64(occupancy.entries));
        if let Some(bytes) = occupancy.bytes {
            gauges.bytes.get_or_insert_with(|| self.labels.gauge(&BYTES)).set(to_f64(bytes));
        }
    }
}

/// The series of one region.
#[derive(Debug)]
pub(crate) struct RegionSeries(Labels);

impl RegionSeries {
    /// Registers the series of one of the [`Counters`](crate::Counters).
    pub(crate) fn count(&self, counter: &'static str) -> Count {
        let series = COUNTERS.iter().find(|series| series.counter == counter);
        Count(series.map_or_else(Counter::noop, |Series { metric, labels, .. }| {
            let with = |all: Labels, &(name, value): &(_, _)| all.with(name, value);
            labels.iter().fold(self.0.clone(), with).counter(metric)
        }))
    }

    pub(crate) fn loads(&self) -> Loads {
        Loads(Durations::new(LOAD_DURATION, self.0.clone()))
    }
}

/// One series that only grows.
#[derive(Debug)]
pub(crate) struct Count(Counter);

impl Count {
    pub(crate) fn add(&self, count: u64) {
        self.0.increment(count);
    }
}

/// The durations of one region's loads.
#[derive(Debug)]
pub(crate) struct Loads(Durations);

impl Loads {
    pub(crate) fn begin(&self) -> Load<'_> {
        Load(self.0.begin())
    }
}

/// One load that is running; dropped, it was abandoned.
pub(crate) struct Load<'a>(Running<'a>);

impl Load<'_> {
    pub(crate) fn end(self, is_ok: bool) {
        self.0.end(if is_ok { OK } else { FAILED });
    }
}

/// Durations by their result.
#[derive(Debug)]
pub(super) struct Durations {
    metric: Metric,
    labels: Labels,
    /// The usual case is registered once; the others cost a look-up each.
    ok: OnceLock<Histogram>,
}

impl Durations {
    pub(super) const fn new(metric: Metric, labels: Labels) -> Self {
        Self { metric, labels, ok: OnceLock::new() }
    }

    pub(super) fn begin(&self) -> Running<'_> {
        Running { durations: self, begun: Instant::now(), ended: false }
    }

    fn record(&self, begun: Instant, result: &'static str) {
        let seconds = begun.elapsed().as_secs_f64();
        let register = || self.labels.with("result", result).histogram(&self.metric);
        if result == OK {
            self.ok.get_or_init(register).record(seconds);
        } else {
            register().record(seconds);
        }
    }
}

/// Something that is being timed; dropped, it was abandoned.
pub(super) struct Running<'a> {
    durations: &'a Durations,
    begun: Instant,
    ended: bool,
}

impl Running<'_> {
    pub(super) fn end(mut self, result: &'static str) {
        self.ended = true;
        self.durations.record(self.begun, result);
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.durations.record(self.begun, ABANDONED);
        }
    }
}

/// The labels of a series, and how it is registered.
#[derive(Clone, Debug)]
pub(super) struct Labels(Vec<Label>);

impl Labels {
    pub(super) fn with(&self, name: &'static str, value: impl Into<metrics::SharedString>) -> Self {
        let more = Label::new(name, value);
        Self(self.0.iter().cloned().chain([more]).collect())
    }

    fn key(&self, metric: &Metric) -> Key {
        Key::from_parts(metric.name, self.0.clone())
    }

    fn counter(&self, metric: &Metric) -> Counter {
        metrics::with_recorder(|to| to.register_counter(&self.key(metric), &METADATA))
    }

    fn gauge(&self, metric: &Metric) -> Gauge {
        metrics::with_recorder(|to| to.register_gauge(&self.key(metric), &METADATA))
    }

    fn histogram(&self, metric: &Metric) -> Histogram {
        metrics::with_recorder(|to| to.register_histogram(&self.key(metric), &METADATA))
    }
}

fn describe(metric: &Metric) {
    let unit = Some(match metric.unit {
        Unit::Count | Unit::State => metrics::Unit::Count,
        Unit::Seconds => metrics::Unit::Seconds,
        Unit::Bytes => metrics::Unit::Bytes,
    });
    let (name, help) = (metric.name.into(), metric.help.into());
    metrics::with_recorder(|to| match metric.kind {
        Kind::Counter => to.describe_counter(name, unit, help),
        Kind::Gauge => to.describe_gauge(name, unit, help),
        Kind::Histogram => to.describe_histogram(name, unit, help),
    });
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a floating-point number")]
fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Counters;

    #[test]
    fn every_counter_but_the_loads_has_a_series() {
        let counters = serde_json::to_value(Counters::default()).expect("it has no odd keys");
        let mut counted: Vec<&str> =
            counters.as_object().expect("it has fields").keys().map(String::as_str).collect();
        counted.retain(|name| *name != "loads");
        let mut named: Vec<&str> = COUNTERS.iter().map(|series| series.counter).collect();
        counted.sort_unstable();
        named.sort_unstable();

        assert_eq!(named, counted);
    }

    #[test]
    fn every_series_has_the_labels_of_its_metric() {
        for Series { counter, metric, labels } in COUNTERS {
            let labels = labels.iter().map(|(label, _)| *label);
            let all: Vec<&str> = ["region"].into_iter().chain(labels).collect();
            assert_eq!(all, metric.labels, "{counter}");
        }
    }
}
