//! Makes up the templates and step executions: the same ones every time.

use std::collections::BTreeMap;

use fastrand::Rng;

use crate::model::{Backoff, Handler, RetryPolicy, Step, Template, TemplateId};

/// How many step executions a database holds unless told otherwise.
pub(crate) const EXECUTIONS: u32 = 200_000;

/// How many hours the step executions cover.
pub(crate) const HISTORY_HOURS: u32 = 14 * 24;

/// When the last step execution started, in milliseconds since 1970: 2026-01-01.
const LATEST_MS: i64 = 1_767_225_600_000;

const NAMESPACES: [&str; 10] = [
    "payments", "billing", "shipping", "orders", "stock", "identity", "accounts", "support",
    "audit", "reports",
];

const NAMES: [&str; 25] = [
    "refund", "charge", "settle", "capture", "void", "verify", "notify", "archive", "import",
    "export", "reserve", "release", "schedule", "cancel", "approve", "reject", "review", "enrich",
    "route", "merge", "split", "renew", "suspend", "resume", "close",
];

const VERSIONS: [&str; 2] = ["1.0.0", "1.1.0"];

/// The steps that templates are put together from, and how many milliseconds each takes.
const STEPS: [(&str, u32); 12] = [
    ("validate_request", 4),
    ("load_account", 12),
    ("check_limits", 9),
    ("screen_for_fraud", 85),
    ("reserve_funds", 40),
    ("call_provider", 240),
    ("write_ledger", 22),
    ("update_stock", 30),
    ("render_document", 130),
    ("send_receipt", 60),
    ("emit_event", 7),
    ("close_case", 15),
];

/// How many templates there are.
pub(crate) const TEMPLATES: usize = NAMESPACES.len() * NAMES.len() * VERSIONS.len();

/// One step that a worker has performed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Execution {
    pub(crate) namespace: &'static str,
    pub(crate) template: &'static str,
    pub(crate) step: &'static str,
    pub(crate) worker: String,
    pub(crate) status: &'static str,
    pub(crate) started_at: i64,
    pub(crate) duration_ms: u32,
}

/// Draws a number below `count`: the lower, the likelier, as some templates are busier than others.
pub(crate) fn skewed(random: &mut Rng, count: usize) -> usize {
    random.usize(..count) * random.usize(..count) / count
}

/// Returns what names the template at `index`.
///
/// # Panics
///
/// Panics if `index` is not below [`TEMPLATES`].
pub(crate) fn template_id(index: usize) -> TemplateId {
    // Neighbours differ in their namespace, so the busy templates belong to all of them.
    let (rest, namespace) = (index / NAMESPACES.len(), index % NAMESPACES.len());
    let (version, name) = (rest / NAMES.len(), rest % NAMES.len());
    TemplateId {
        namespace: NAMESPACES[namespace].to_owned(),
        name: NAMES[name].to_owned(),
        version: VERSIONS[version].to_owned(),
    }
}

/// Returns the template at `index`, a document of a few kilobytes.
///
/// # Panics
///
/// Panics if `index` is not below [`TEMPLATES`].
pub(crate) fn template(index: usize) -> Template {
    let TemplateId { namespace, name, version } = template_id(index);
    let mut random = Rng::with_seed(index as u64);
    let mut steps: Vec<Step> = Vec::new();
    for (step, typical_ms) in steps_of(index) {
        let depends_on = steps.last().map(|before| before.name.clone()).into_iter().collect();
        steps.push(Step {
            name: step.to_owned(),
            handler: handler(&namespace, &name, step),
            depends_on,
            retry: retry_policy(&mut random),
            timeout_seconds: 5 + typical_ms / 4,
        });
    }
    Template {
        description: format!(
            "Handles a request to {name} in {namespace}: checks it, performs it and tells those \
             who asked for it. Each step may run more than once and must not mind."
        ),
        labels: BTreeMap::from([
            ("team".to_owned(), format!("{namespace}-core")),
            ("on_call".to_owned(), format!("{namespace}-rota")),
            ("tier".to_owned(), format!("{}", random.u8(1..=3))),
        ]),
        revision: 1,
        namespace,
        name,
        version,
        steps,
    }
}

/// Returns `count` step executions, the oldest first, evenly spread over the history.
pub(crate) fn executions(count: u32) -> impl Iterator<Item = Execution> {
    let mut random = Rng::with_seed(0);
    let steps: Vec<_> = (0..TEMPLATES).map(steps_of).collect();
    let history_ms = i64::from(HISTORY_HOURS) * 3_600_000;
    (0..count).map(move |nth| {
        let index = skewed(&mut random, TEMPLATES);
        let rest = index / NAMESPACES.len();
        let (step, typical_ms) = steps[index][random.usize(..steps[index].len())];
        let slowness = if random.u8(..100) < 3 { random.u32(5..30) } else { 1 };
        Execution {
            namespace: NAMESPACES[index % NAMESPACES.len()],
            template: NAMES[rest % NAMES.len()],
            step,
            worker: format!("worker-{:02}", random.u8(..40)),
            status: if random.u8(..100) < 4 { "failed" } else { "succeeded" },
            started_at: LATEST_MS - history_ms * i64::from(count - 1 - nth) / i64::from(count),
            duration_ms: 1 + typical_ms * random.u32(50..150) / 100 * slowness,
        }
    })
}

/// Chooses the steps of the template at `index`; the first one is in all of them.
fn steps_of(index: usize) -> Vec<(&'static str, u32)> {
    let mut random = Rng::with_seed(index as u64);
    let (first, others) = STEPS.split_at(1);
    let chosen = others.iter().filter(|_| random.bool());
    first.iter().chain(chosen).copied().collect()
}

fn handler(namespace: &str, name: &str, step: &str) -> Handler {
    let class: String = step.split('_').map(capitalised).collect();
    Handler {
        callable: format!("{}::{}::{class}Handler", capitalised(namespace), capitalised(name)),
        settings: BTreeMap::from([
            ("endpoint".to_owned(), format!("https://{namespace}.internal/v2/{name}/{step}")),
            ("queue".to_owned(), format!("{namespace}_{name}_queue")),
            ("idempotency_key".to_owned(), format!("{{task_uuid}}:{namespace}:{name}:{step}")),
        ]),
    }
}

fn retry_policy(random: &mut Rng) -> RetryPolicy {
    RetryPolicy {
        max_attempts: random.u32(1..=8),
        backoff: match random.u8(..3) {
            0 => Backoff::Constant,
            1 => Backoff::Linear,
            _ => Backoff::Exponential,
        },
        initial_delay_ms: 100 * random.u32(1..=10),
        max_delay_ms: 10_000 * random.u32(1..=6),
        retry_on: ["timeout", "connection_reset", "rate_limited"].map(str::to_owned).to_vec(),
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn two_seedings_are_the_same() {
        assert!(executions(2_000).eq(executions(2_000)));
        assert_eq!(template(123), template(123));
    }

    #[test]
    fn every_template_has_a_name_of_its_own() {
        let names: HashSet<_> =
            (0..TEMPLATES).map(|index| template_id(index).to_string()).collect();
        assert_eq!(names.len(), TEMPLATES);
        assert!(names.contains("payments/refund/1.0.0"));
    }

    #[test]
    fn a_template_is_a_document_of_a_few_kilobytes() {
        let sizes = (0..TEMPLATES)
            .map(|index| serde_json::to_vec(&template(index)).expect("a template is JSON").len());
        let average = sizes.sum::<usize>() / TEMPLATES;
        assert!((2_000..5_000).contains(&average), "{average} bytes");
    }

    #[test]
    fn executions_fill_the_history_up_to_its_last_moment() {
        let all: Vec<_> = executions(1_000).collect();
        let hours = (all[999].started_at - all[0].started_at) / 3_600_000;
        assert_eq!(all[999].started_at, LATEST_MS);
        assert_eq!(hours, i64::from(HISTORY_HOURS) - 1);
    }

    #[test]
    fn a_skewed_choice_prefers_the_first() {
        let mut random = Rng::with_seed(7);
        let draws: Vec<_> = (0..10_000).map(|_| skewed(&mut random, 100)).collect();
        let low = draws.iter().filter(|draw| **draw < 10).count();
        assert!(draws.iter().all(|draw| *draw < 100));
        assert!(low > 2_000, "{low} of 10,000 fell on the first tenth");
    }
}
