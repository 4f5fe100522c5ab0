//! A way to a server on which it does not know NX with GET, as Redis before 7: its answer to that
//! is its own.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The last words of `SET key stub PX hold NX GET` on the wire.
const KNOWN: &[u8] = b"$2\r\nNX\r\n$3\r\nGET\r\n";
const UNKNOWN: &[u8] = b"$2\r\nNX\r\n$3\r\nG3T\r\n";

/// Changes one word on its way to the server.
pub(crate) struct OldRedis {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl OldRedis {
    pub(crate) async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(upstream).await.expect("the server is up");
                let (from_client, mut to_client) = client.into_split();
                let (mut from_server, to_server) = server.into_split();
                tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
                tokio::spawn(requests(from_client, to_server));
            }
        });
        Self { address, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for OldRedis {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut held = Vec::new();
    let mut chunk = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        held.extend_from_slice(&chunk[..read]);
        while let Some(at) = held.windows(KNOWN.len()).position(|some| some == KNOWN) {
            held[at..at + KNOWN.len()].copy_from_slice(UNKNOWN);
        }
        // The beginning of the words may be all that has come of them.
        let begun = (1..KNOWN.len()).rev().find(|length| held.ends_with(&KNOWN[..*length]));
        let rest = held.split_off(held.len() - begun.unwrap_or(0));
        if to.write_all(&held).await.is_err() {
            return;
        }
        held = rest;
    }
}
