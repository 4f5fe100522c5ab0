//! What all faults of a server are made of.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::chaos::Result;

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
