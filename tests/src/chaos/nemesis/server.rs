//! What all faults of a server are made of.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::chaos::Result;
use crate::server::Server;

/// How long it takes between two of what happens again and again.
const AGAIN: Duration = Duration::from_millis(150);

/// Does something again and again for a while, and adds up what it returns.
pub(super) async fn again(
    lasting: Duration,
    mut happen: impl AsyncFnMut() -> Result<u64>,
) -> Result<u64> {
    let begun = Instant::now();
    let mut sum = 0;
    while begun.elapsed() < lasting {
        sum += happen().await?;
        sleep(AGAIN).await;
    }
    Ok(sum)
}

/// Kills a server, and starts it again after a while, empty.
pub(super) async fn kill(server: &impl Server, lasting: Duration) -> Result<u64> {
    server.kill().await;
    sleep(lasting).await;
    server.restart().await;
    Ok(1)
}

/// Starts a server anew, again and again, for half of the while.
pub(super) async fn restart(server: &impl Server, lasting: Duration) -> Result<u64> {
    again(lasting / 2, async || {
        server.restart().await;
        Ok(1)
    })
    .await
}

/// Lets a server hang for a while.
pub(super) async fn pause(server: &impl Server, lasting: Duration) -> Result<u64> {
    server.pause();
    sleep(lasting).await;
    server.resume();
    Ok(1)
}
