//! What the service stores and answers: templates and the two analyses.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use tasker_cache::tasker::TemplateKey;

/// Names one version of one template, as in `payments/refund/1.0.0`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct TemplateId {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) version: String,
}

impl TemplateId {
    /// Returns the key under which the cache knows this template.
    pub(crate) fn key(&self) -> TemplateKey {
        TemplateKey::new(&self.namespace, &self.name, &self.version)
    }
}

impl fmt::Display for TemplateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.name, self.version)
    }
}

/// A workflow as a worker registers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Template {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// Counts the registrations of this version; the database assigns it.
    #[serde(default)]
    pub(crate) revision: i64,
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) steps: Vec<Step>,
}

impl Template {
    /// Returns what names this template.
    pub(crate) fn id(&self) -> TemplateId {
        TemplateId {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            version: self.version.clone(),
        }
    }
}

/// One step of a workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) handler: Handler,
    #[serde(default)]
    pub(crate) depends_on: Vec<String>,
    pub(crate) retry: RetryPolicy,
    pub(crate) timeout_seconds: u32,
}

/// The worker's code that performs a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Handler {
    pub(crate) callable: String,
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, String>,
}

/// When a failed step is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RetryPolicy {
    pub(crate) max_attempts: u32,
    pub(crate) backoff: Backoff,
    pub(crate) initial_delay_ms: u32,
    pub(crate) max_delay_ms: u32,
    #[serde(default)]
    pub(crate) retry_on: Vec<String>,
}

/// How the delay between two attempts grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Backoff {
    Constant,
    Linear,
    Exponential,
}

/// How the steps of the last hours went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Performance {
    pub(crate) hours: u32,
    pub(crate) executions: i64,
    pub(crate) failed: i64,
    pub(crate) namespaces: Vec<NamespacePerformance>,
}

/// One namespace's share of [`Performance`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NamespacePerformance {
    pub(crate) namespace: String,
    pub(crate) executions: i64,
    pub(crate) failed: i64,
    pub(crate) average_ms: f64,
    pub(crate) p95_ms: i64,
}

/// The steps that cost the most time, the costliest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bottlenecks {
    pub(crate) min_executions: u32,
    pub(crate) steps: Vec<Bottleneck>,
}

/// One step of [`Bottlenecks`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bottleneck {
    pub(crate) namespace: String,
    pub(crate) template: String,
    pub(crate) step: String,
    pub(crate) executions: i64,
    pub(crate) failed: i64,
    pub(crate) average_ms: f64,
    pub(crate) slowest_ms: i64,
    pub(crate) total_ms: i64,
}
