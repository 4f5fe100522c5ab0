//! A way to a server on which it does not know NX with GET, as Redis before 7: its answer to that
//! is its own.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::way::{Way, unchanged};

/// The last words of `SET key stub PX hold NX GET` on the wire.
const KNOWN: &[u8] = b"$2\r\nNX\r\n$3\r\nGET\r\n";
const UNKNOWN: &[u8] = b"$2\r\nNX\r\n$3\r\nG3T\r\n";

/// Changes one word on its way to the server.
pub(crate) struct OldRedis(Way);

impl OldRedis {
    pub(crate) async fn start(upstream: SocketAddr) -> Self {
        Self(Way::start(upstream, requests, unchanged).await)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address()
    }
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
    let mut held = Vec::new();
    let mut chunk = [0; 16 * 1024];
    while let read @ 1.. = from.read(&mut chunk).await? {
        held.extend_from_slice(&chunk[..read]);
        while let Some(at) = held.windows(KNOWN.len()).position(|some| some == KNOWN) {
            held[at..at + KNOWN.len()].copy_from_slice(UNKNOWN);
        }
        // The beginning of the words may be all that has come of them.
        let begun = (1..KNOWN.len()).rev().find(|length| held.ends_with(&KNOWN[..*length]));
        let rest = held.split_off(held.len() - begun.unwrap_or(0));
        to.write_all(&held).await?;
        held = rest;
    }
    Ok(())
}
