//! How long the harness waits, and how.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long a server may take to be ready, or to end when it is asked to.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The pause between two looks.
pub(crate) const PAUSE: Duration = Duration::from_millis(5);

/// Waits until something is so; an error says what it was last, if it is not so in time.
pub(crate) async fn until(look: impl AsyncFnMut() -> Result<(), String>) -> Result<(), String> {
    until_within(PATIENCE, look).await
}

/// Waits until something is so, for as long as this.
pub(crate) async fn until_within(
    patience: Duration,
    mut look: impl AsyncFnMut() -> Result<(), String>,
) -> Result<(), String> {
    let deadline = Instant::now() + patience;
    loop {
        match look().await {
            Err(_) if Instant::now() < deadline => sleep(PAUSE).await,
            looked => return looked,
        }
    }
}
