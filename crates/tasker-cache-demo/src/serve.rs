//! The command `serve`: the service by itself.

use std::error::Error;
use std::io;

use tasker_cache::Cache;
use tokio::net::TcpListener;

use crate::args::ServeArgs;
use crate::configured;
use crate::database::Database;
use crate::metrics;
use crate::server;
use crate::service::{self, Service};

/// Runs the service until Ctrl-C or SIGTERM, then tells what the cache could not finish.
///
/// # Errors
///
/// If the database or the address cannot be used. The cache never keeps the service from starting.
pub(crate) async fn serve(args: ServeArgs) -> Result<(), Box<dyn Error>> {
    let stop = stop_signal()?;
    let recorded = metrics::install()?;
    let path = args.database.path();
    let database = Database::open(&path, args.database.executions).await?;
    let cache = match &args.config {
        Some(path) => Cache::from_path(path).await,
        None => Cache::connect(&configured::config(None)?).await,
    };
    let listener = TcpListener::bind(args.listen).await?;
    println!("database {}", path.display());
    let address = listener.local_addr()?;
    println!("serving  http://{address}");
    println!("metrics  http://{address}/metrics");
    let service = Service { database: database.clone(), cache: cache.clone() };
    let router = service::router(service).merge(metrics::router(cache.clone(), recorded.clone()));
    tokio::select! {
        stopped = server::run(listener, router, stop) => stopped?,
        () = metrics::keep_up(recorded) => {}
    }
    println!("{}", cache.close().await);
    database.close().await;
    Ok(())
}

/// Returns a future that ends with the first Ctrl-C or SIGTERM from here on.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Returns a future that ends with the first Ctrl-C from here on.
#[cfg(windows)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}
