//! Runs the service on a listener until it is told to stop.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// How long requests that are running when the service is told to stop may go on.
const GRACE: Duration = Duration::from_secs(10);

/// Answers requests until `stop` ends, then finishes those that are running.
///
/// # Errors
///
/// If the listener fails.
pub(crate) async fn run(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    // An answer is complete when it is written: there is nothing to wait for.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    let (told, stopping) = oneshot::channel();
    let server = axum::serve(listener, router)
        .with_graceful_shutdown(async {
            stop.await;
            // Nobody listens if the server has failed meanwhile.
            let _ = told.send(());
        })
        .into_future();
    let overdue = async {
        match stopping.await {
            Ok(()) => tokio::time::sleep(GRACE).await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        result = server => result,
        () = overdue => {
            tracing::warn!("Stopped while requests were still running");
            Ok(())
        }
    }
}
