//! The comparison: the same load without and then with the cache.

use std::error::Error;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::{Instant, interval};

use tasker_cache::{Cache, tasker};

use crate::args::ComparisonArgs;
use crate::configured;
use crate::database::Database;
use crate::drive::{Acknowledged, Load, Plan, drive};
use crate::report::{Report, Run, Setting};
use crate::seed;
use crate::server;
use crate::service::{self, Service};

/// Drives the service twice and returns what was measured.
///
/// # Errors
///
/// If the configuration is not valid, or the database or a port cannot be used.
pub(crate) async fn compare(
    args: &ComparisonArgs,
    bars: &MultiProgress,
) -> Result<Report, Box<dyn Error>> {
    let config = configured::config(args.config.as_deref())?;
    let path = args.database.path();
    let database = Database::open(&path, args.database.executions).await?;
    // The run that comes first would otherwise pay for reading the file.
    database.performance(seed::HISTORY_HOURS).await?;
    database.bottlenecks(1, 1).await?;

    let comparison = Comparison {
        database: &database,
        clients: args.concurrency.into(),
        duration: Duration::from_secs(args.seconds) / 2,
        acknowledged: Acknowledged::new(),
        bars,
    };
    let without = comparison.run("without cache", &Cache::noop()).await?;
    let cache = Cache::connect(&config).await;
    empty(&cache).await;
    let with = comparison.run("with cache", &cache).await?;

    let (templates, step_executions) = database.size().await?;
    let setting = Setting { database: path, templates, step_executions, clients: args.concurrency };
    let report = Report::new(setting, without, with, cache.status());
    let left = cache.close().await;
    if !left.is_empty() {
        tracing::warn!("{left}");
    }
    database.close().await;
    Ok(report)
}

/// Removes what an earlier run left: it may be older than what the first half wrote past the cache.
async fn empty(cache: &Cache) {
    let templates = tasker::templates::<()>(cache);
    // One by one, because not every backend can delete all of them at once.
    for index in 0..seed::TEMPLATES {
        templates.invalidate(&seed::template_id(index).key()).await;
    }
    tasker::performance_metrics::<()>(cache).region().invalidate_all().await;
    tasker::bottlenecks::<()>(cache).region().invalidate_all().await;
}

struct Comparison<'a> {
    database: &'a Database,
    clients: usize,
    duration: Duration,
    acknowledged: Arc<Acknowledged>,
    bars: &'a MultiProgress,
}

impl Comparison<'_> {
    /// Starts the service with this cache, drives it for one half of the time and stops it.
    async fn run(&self, name: &'static str, cache: &Cache) -> Result<Run, Box<dyn Error>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let service = Service { database: self.database.clone(), cache: cache.clone() };
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(server::run(listener, service::router(service), async {
            drop(stopped.await);
        }));
        let queries_before = self.database.queries();
        let plan = Plan { address, clients: self.clients, duration: self.duration };
        let load = self.watch(name, drive(plan, &self.acknowledged)).await;
        let queries = self.database.queries() - queries_before;
        drop(stop);
        server.await??;
        Ok(Run::new(&load, queries, &cache.status()))
    }

    /// Moves a bar on stderr for as long as the load runs; draws none where that is no terminal.
    async fn watch(&self, name: &'static str, load: impl Future<Output = Load>) -> Load {
        let length = u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX);
        let bar = self.bars.add(ProgressBar::new(length).with_prefix(name));
        if let Ok(style) = ProgressStyle::with_template("{prefix:>13} [{wide_bar}] {percent:>3} %")
        {
            bar.set_style(style.progress_chars("=> "));
        }
        let started = Instant::now();
        let mut ticks = interval(Duration::from_millis(100));
        let mut load = pin!(load);
        let load = loop {
            tokio::select! {
                load = &mut load => break load,
                _ = ticks.tick() => {
                    bar.set_position(u64::try_from(started.elapsed().as_millis()).unwrap_or(length));
                }
            }
        };
        bar.finish_and_clear();
        load
    }
}
