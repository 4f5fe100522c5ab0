//! One direction of one connection.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use crate::proxy::shared::Shared;
use crate::proxy::{Direction, NetworkFault};

/// The longest chunk, in bytes.
const CHUNK: usize = 16 * 1024;

/// How many chunks are on their way at the same time.
const ON_THE_WAY: usize = 256;

/// The most bytes of garbage in a chunk.
const GARBAGE: usize = 16;

/// A chunk, and when it is to be delivered.
struct Parcel {
    due: Instant,
    bytes: Vec<u8>,
}

/// Carries bytes from one side to the other until the end; an error says to reset both sides.
pub(crate) async fn pump<R, W>(
    direction: Direction,
    mut from: R,
    mut to: W,
    shared: &Shared,
    is_waiting: &AtomicBool,
) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut state = shared.state.subscribe();
    let mut parcels: VecDeque<Parcel> = VecDeque::new();
    let mut is_at_end = false;
    let mut buffer = vec![0; CHUNK];
    loop {
        let is_held = state.borrow_and_update().fault.is_some_and(|fault| fault.holds(direction));
        if is_at_end && parcels.is_empty() && !is_held {
            return to.shutdown().await;
        }
        let due = parcels.front().map(|parcel| parcel.due);
        tokio::select! {
            biased;
            changed = state.changed() => changed.map_err(io::Error::other)?,
            () = until(due), if !is_held => {
                if let Some(parcel) = parcels.pop_front() {
                    deliver(direction, &parcel.bytes, &mut to, shared).await?;
                }
            }
            read = from.read(&mut buffer),
                if !is_held && !is_at_end && parcels.len() < ON_THE_WAY =>
            {
                let bytes = buffer[..read?].to_vec();
                is_at_end = bytes.is_empty();
                if !is_at_end {
                    count(direction, bytes.len(), shared, is_waiting);
                    let last = parcels.back().map(|parcel| parcel.due);
                    let due = Instant::now() + shared.delay(direction);
                    parcels.push_back(Parcel { due: last.map_or(due, |last| last.max(due)), bytes });
                }
            }
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        // A timer has a granularity of a millisecond, even for what is due.
        Some(due) if due <= Instant::now() => {}
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

fn count(direction: Direction, len: usize, shared: &Shared, is_waiting: &AtomicBool) {
    let counters = &shared.counters;
    let len = u64::try_from(len).unwrap_or(u64::MAX);
    if direction == Direction::ToServer {
        is_waiting.store(true, Ordering::SeqCst);
        counters.requests.fetch_add(1, Ordering::SeqCst);
        counters.request_bytes.fetch_add(len, Ordering::SeqCst);
    } else {
        if is_waiting.swap(false, Ordering::SeqCst) {
            counters.round_trips.fetch_add(1, Ordering::SeqCst);
        }
        counters.replies.fetch_add(1, Ordering::SeqCst);
        counters.reply_bytes.fetch_add(len, Ordering::SeqCst);
    }
}

async fn deliver<W: AsyncWrite + Unpin>(
    direction: Direction,
    bytes: &[u8],
    to: &mut W,
    shared: &Shared,
) -> io::Result<()> {
    let mischief = if direction == Direction::ToClient { shared.mischief() } else { None };
    match mischief {
        Some(NetworkFault::ResetMidReply) => {
            to.write_all(&bytes[..bytes.len() / 2]).await?;
            Err(io::ErrorKind::ConnectionReset.into())
        }
        Some(NetworkFault::Slices) => {
            for byte in bytes {
                to.write_all(&[*byte]).await?;
                yield_now().await;
            }
            Ok(())
        }
        Some(NetworkFault::Garbage) => to.write_all(&garbled(bytes, shared)).await,
        Some(NetworkFault::DuplicateReplies) => {
            to.write_all(bytes).await?;
            to.write_all(bytes).await
        }
        _ => to.write_all(bytes).await,
    }
}

fn garbled(bytes: &[u8], shared: &Shared) -> Vec<u8> {
    shared.random(|random| {
        let garbage: Vec<u8> = (0..random.usize(1..=GARBAGE)).map(|_| random.u8(..)).collect();
        let (before, after) = bytes.split_at(random.usize(0..=bytes.len()));
        [before, &garbage, after].concat()
    })
}
