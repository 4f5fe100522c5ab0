//! The name, type, unit, labels and meaning of every metric: the only place where they stand.

/// What is recorded under one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// Its name, as Prometheus wants it: the unit in the name, and `_total` after what is counted.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its unit.
    pub unit: Unit,
    /// The names of its labels beside [`COMMON_LABELS`].
    pub labels: &'static [&'static str],
    /// What it tells, in one sentence without a full stop.
    pub help: &'static str,
}

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It is a distribution of what was measured.
    Histogram,
}

impl Kind {
    /// Returns Prometheus' word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The unit of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// A number of things.
    Count,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// A state by its number.
    State,
}

impl Unit {
    /// Returns the unit in a word, as it stands in the book's table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::State => "state",
        }
    }
}

/// Declares each metric as a constant, and the list of all.
macro_rules! metrics {
    ($($constant:ident = $kind:ident $name:literal in $unit:ident by [$($label:literal)*]: $help:literal;)+) => {
        $(
            #[doc = concat!("`", $name, "`: ", $help, ".")]
            pub const $constant: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                unit: Unit::$unit,
                labels: &[$($label),*],
                help: $help,
            };
        )+

        /// Every metric.
        pub const METRICS: &[Metric] = &[$($constant),+];
    };
}

metrics! {
    REQUESTS = Counter "tasker_cache_requests_total" in Count by ["region" "outcome" "reason"]:
        "reads, each once, by what became of them; of a bypass the reason is told";
    COALESCED = Counter "tasker_cache_coalesced_reads_total" in Count by ["region"]:
        "reads that took the value of another reader's load in this process";
    LOAD_DURATION = Histogram "tasker_cache_load_duration_seconds" in Seconds by ["region" "result"]:
        "how long loaders ran, from their turn to their result";
    FILLS = Counter "tasker_cache_fills_total" in Count by ["region" "result"]:
        "values that were to be stored, by what became of them";
    UNDECODABLE = Counter "tasker_cache_undecodable_entries_total" in Count by ["region"]:
        "entries that did not decode, and were read as a miss";
    INVALIDATIONS = Counter "tasker_cache_invalidations_total" in Count by ["region"]:
        "invalidations of keys and prefixes, raw deletes included";
    DEFERRED = Counter "tasker_cache_invalidations_deferred_total" in Count by ["region"]:
        "invalidations that the backend did not acknowledge, and that the cache applies later";
    PENDING = Gauge "tasker_cache_pending_invalidations" in Count by ["target"]:
        "invalidations that are not yet applied; what they cover is bypassed";
    OPERATION_DURATION = Histogram "tasker_cache_backend_operation_duration_seconds" in Seconds by ["operation" "result"]:
        "how long operations of a shared backend took, recovery's included";
    CIRCUIT_STATE = Gauge "tasker_cache_circuit_state" in State by []:
        "the circuit breaker: 0 closed, 1 half-open, 2 open";
    CIRCUIT_TRANSITIONS = Counter "tasker_cache_circuit_transitions_total" in Count by ["state"]:
        "how often the circuit went into a state";
    ENTRIES = Gauge "tasker_cache_entries" in Count by []:
        "live entries of a local backend, as of the last status or health check";
    BYTES = Gauge "tasker_cache_payload_bytes" in Bytes by []:
        "encoded payload in a local backend with a limit in bytes, as of the last status or health check";
}

/// The labels that every series has.
pub const COMMON_LABELS: [&str; 2] = ["backend", "prefix"];

/// The value of the label `region` that raw operations count under.
pub const RAW: &str = "(raw)";

/// The value of the label `region` that all regions beyond [`MAX_REGIONS`] count under.
pub const OTHER: &str = "(other)";

/// How many regions of one cache have series of their own.
pub const MAX_REGIONS: usize = 100;

/// The label of a read that is no bypass.
pub(super) const NO_REASON: &str = "none";

/// The result of what ended well.
pub(super) const OK: &str = "ok";

/// The result of a load that failed; that of a backend's operation is the kind of its error.
pub(super) const FAILED: &str = "failed";

/// The result of what was dropped before it ended.
pub(super) const ABANDONED: &str = "abandoned";

/// The values of each label that has only these. Of `result` they differ from metric to metric:
/// an operation that failed has the kind of its error.
pub const LABELS: &[(&str, &[&str])] = &[
    ("outcome", &["hit", "miss", FAILED, "bypass"]),
    ("reason", &[NO_REASON, "disabled", "usage", "operator", "circuit", "pending"]),
    (
        "result",
        &[
            OK,
            FAILED,
            ABANDONED,
            "stored",
            "refused",
            "too_large",
            "unavailable",
            "timed_out",
            "protocol_error",
            "authentication_refused",
            "not_ready",
            "overloaded",
            "circuit_open",
            "unsupported",
            "wrong_type",
            "out_of_memory",
            "permission_denied",
        ],
    ),
    ("target", &["key", "prefix"]),
    (
        "operation",
        &[
            "get",
            "get_many",
            "get_or_lease",
            "fill",
            "release",
            "set",
            "delete",
            "delete_many",
            "delete_prefix",
            "ping",
        ],
    ),
    ("state", &["closed", "half-open", "open"]),
];

/// Bounds for the buckets of the two histograms, in seconds: from a hit on the same machine to a
/// loader that its caller has long given up.
pub const DURATION_BUCKETS: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Which series one of the [`Counters`](crate::Counters) is.
pub(super) struct Series {
    pub(super) counter: &'static str,
    pub(super) metric: Metric,
    /// Its labels beside the common ones and `region`.
    pub(super) labels: &'static [(&'static str, &'static str)],
}

const fn read(counter: &'static str, labels: &'static [(&'static str, &'static str)]) -> Series {
    Series { counter, metric: REQUESTS, labels }
}

const fn fill(counter: &'static str, labels: &'static [(&'static str, &'static str)]) -> Series {
    Series { counter, metric: FILLS, labels }
}

const fn plain(counter: &'static str, metric: Metric) -> Series {
    Series { counter, metric, labels: &[] }
}

/// The series of all counters but one: loads are told by their durations.
pub(super) const COUNTERS: &[Series] = &[
    read("hits", &[("outcome", "hit"), ("reason", NO_REASON)]),
    read("misses", &[("outcome", "miss"), ("reason", NO_REASON)]),
    read("failed_reads", &[("outcome", FAILED), ("reason", NO_REASON)]),
    read("bypassed_disabled", &[("outcome", "bypass"), ("reason", "disabled")]),
    read("bypassed_usage", &[("outcome", "bypass"), ("reason", "usage")]),
    read("bypassed_operator", &[("outcome", "bypass"), ("reason", "operator")]),
    read("bypassed_circuit", &[("outcome", "bypass"), ("reason", "circuit")]),
    read("bypassed_pending", &[("outcome", "bypass"), ("reason", "pending")]),
    plain("coalesced", COALESCED),
    fill("fills", &[("result", "stored")]),
    fill("fills_refused", &[("result", "refused")]),
    fill("too_large", &[("result", "too_large")]),
    fill("failed_fills", &[("result", FAILED)]),
    plain("undecodable", UNDECODABLE),
    plain("invalidations", INVALIDATIONS),
    plain("deferred", DEFERRED),
];
