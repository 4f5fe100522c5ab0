//! Drives the service with many clients at once, and watches its answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::client::{Answer, Client};
use crate::latencies::Latencies;
use crate::model::TemplateId;
use crate::seed;

/// How long a client waits after a failure, as a service that is down fails at once.
const AFTER_FAILURE: Duration = Duration::from_millis(20);

/// What is asked of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Template,
    Performance,
    Bottlenecks,
    Register,
}

impl Route {
    /// All of them, each at the place of its number.
    pub(crate) const ALL: [Route; 4] =
        [Route::Template, Route::Performance, Route::Bottlenecks, Route::Register];

    /// Returns what a table calls it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Route::Template => "GET templates",
            Route::Performance => "GET analytics/performance",
            Route::Bottlenecks => "GET analytics/bottlenecks",
            Route::Register => "PUT templates",
        }
    }

    /// Draws a route: 70 % read a template, 28 % ask for an analysis, 2 % register a template.
    fn draw(random: &mut Rng) -> Self {
        match random.u8(..100) {
            0..70 => Route::Template,
            70..84 => Route::Performance,
            84..98 => Route::Bottlenecks,
            _ => Route::Register,
        }
    }
}

/// How the service is driven.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) clients: usize,
    pub(crate) duration: Duration,
}

/// What the clients saw.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// How long the good answers took, by [`Route`].
    pub(crate) latencies: [Latencies; Route::ALL.len()],
    /// Requests without a good answer.
    pub(crate) errors: u64,
    /// What the first of the errors was.
    pub(crate) first_error: Option<String>,
    /// Templates that were older than a registration acknowledged before they were asked for.
    pub(crate) stale: u64,
}

/// The highest revision of each template whose registration was acknowledged.
#[derive(Debug)]
pub(crate) struct Acknowledged(Vec<AtomicI64>);

impl Acknowledged {
    /// Makes the record of no registrations.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self((0..seed::TEMPLATES).map(|_| AtomicI64::new(0)).collect()))
    }

    fn get(&self, template: usize) -> i64 {
        self.0[template].load(Ordering::SeqCst)
    }

    fn raise(&self, template: usize, revision: i64) {
        self.0[template].fetch_max(revision, Ordering::SeqCst);
    }
}

/// Sends requests of all routes until the time is over, then waits for the answers.
pub(crate) async fn drive(plan: Plan, acknowledged: &Arc<Acknowledged>) -> Load {
    let started = Instant::now();
    let mut clients = JoinSet::new();
    for number in 0..plan.clients {
        let worker = Worker {
            client: Client::new(plan.address),
            random: Rng::with_seed(number as u64),
            acknowledged: Arc::clone(acknowledged),
            load: Load::default(),
        };
        clients.spawn(worker.run(started + plan.duration));
    }
    let mut load = Load::default();
    while let Some(seen) = clients.join_next().await {
        match seen {
            Ok(seen) => load.add(seen),
            Err(panicked) => load.failed(panicked.to_string()),
        }
    }
    load.elapsed = started.elapsed();
    load
}

impl Load {
    fn failed(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }

    fn add(&mut self, other: Load) {
        for (mine, others) in self.latencies.iter_mut().zip(other.latencies) {
            mine.append(others);
        }
        self.errors += other.errors;
        self.stale += other.stale;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

/// One client: asks, waits for the answer, asks again.
struct Worker {
    client: Client,
    random: Rng,
    acknowledged: Arc<Acknowledged>,
    load: Load,
}

impl Worker {
    async fn run(mut self, deadline: Instant) -> Load {
        loop {
            let route = Route::draw(&mut self.random);
            let started = Instant::now();
            if started >= deadline {
                return self.load;
            }
            let outcome = match route {
                Route::Template => self.template().await,
                Route::Performance => self.performance().await,
                Route::Bottlenecks => self.bottlenecks().await,
                Route::Register => self.register().await,
            };
            match outcome {
                Ok(()) => self.load.latencies[route as usize].record(started.elapsed()),
                Err(error) => {
                    self.load.failed(error);
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
        }
    }

    async fn template(&mut self) -> Result<(), String> {
        #[derive(Deserialize)]
        struct Seen {
            namespace: String,
            name: String,
            version: String,
            revision: i64,
        }

        let index = seed::skewed(&mut self.random, seed::TEMPLATES);
        let id = seed::template_id(index);
        let expected = self.acknowledged.get(index);
        let answer = self.get(&format!("/v1/templates/{id}")).await?;
        let Seen { namespace, name, version, revision } = parse(&answer)?;
        let seen = TemplateId { namespace, name, version };
        if seen != id {
            return Err(format!("asked for {id}, was given {seen}"));
        }
        if revision < expected {
            self.load.stale += 1;
        }
        Ok(())
    }

    async fn register(&mut self) -> Result<(), String> {
        #[derive(Deserialize)]
        struct Registered {
            revision: i64,
        }

        let index = seed::skewed(&mut self.random, seed::TEMPLATES);
        let template = seed::template(index);
        let path = format!("/v1/templates/{}", template.id());
        let document = serde_json::to_vec(&template).map_err(|error| error.to_string())?;
        let answer = self.client.put(&path, document).await.map_err(|error| error.to_string())?;
        let registered: Registered = parse(&expect_ok(answer)?)?;
        self.acknowledged.raise(index, registered.revision);
        Ok(())
    }

    async fn performance(&mut self) -> Result<(), String> {
        let hours = self.random.choice([1, 6, 24, 24, 24]).unwrap_or(24);
        self.get(&format!("/v1/analytics/performance?hours={hours}")).await?;
        Ok(())
    }

    async fn bottlenecks(&mut self) -> Result<(), String> {
        let (limit, min) =
            self.random.choice([(10, 5), (10, 5), (20, 5), (10, 50)]).unwrap_or((10, 5));
        self.get(&format!("/v1/analytics/bottlenecks?limit={limit}&min_executions={min}")).await?;
        Ok(())
    }

    async fn get(&mut self, path: &str) -> Result<Answer, String> {
        expect_ok(self.client.get(path).await.map_err(|error| error.to_string())?)
    }
}

fn expect_ok(answer: Answer) -> Result<Answer, String> {
    if answer.status.is_success() {
        return Ok(answer);
    }
    Err(format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)))
}

fn parse<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T, String> {
    serde_json::from_slice(&answer.body).map_err(|error| format!("unreadable answer: {error}"))
}

#[cfg(test)]
mod tests;
