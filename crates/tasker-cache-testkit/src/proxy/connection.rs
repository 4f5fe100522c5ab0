//! The proxy's connections, each a pair of pumps between a client and the server.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;

use crate::proxy::pump::pump;
use crate::proxy::shared::Shared;
use crate::proxy::{Direction, Upstream};

/// Serves connections until it is dropped, and they with it.
pub(crate) async fn serve(shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = shared.doors.accept() => {
                if let Ok(client) = accepted {
                    shared.counters.connections.fetch_add(1, Ordering::SeqCst);
                    connections.spawn(connect(client, Arc::clone(&shared)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A stream that can be closed so that the peer sees a reset, where there is such a thing.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {
    fn reset(self);
}

impl Stream for TcpStream {
    fn reset(self) {
        // If it fails, the connection is gone already.
        let _ = self.set_zero_linger();
    }
}

impl Stream for UnixStream {
    fn reset(self) {}
}

/// Connects a client to the server; resets it if the server can't be reached.
async fn connect(client: TcpStream, shared: Arc<Shared>) {
    match &shared.upstream {
        Upstream::Tcp(address) => relay(client, TcpStream::connect(address).await, &shared).await,
        Upstream::Unix(socket) => relay(client, UnixStream::connect(socket).await, &shared).await,
    }
}

async fn relay<S: Stream>(mut client: TcpStream, server: io::Result<S>, shared: &Shared) {
    let Ok(mut server) = server else { return client.reset() };
    let mut state = shared.state.subscribe();
    let drops = state.borrow().drops;
    // If it fails, the connection is gone already.
    let _ = client.set_nodelay(true);
    let is_waiting = AtomicBool::new(false);
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = tokio::io::split(&mut server);
        let requests = pump(Direction::ToServer, from_client, to_server, shared, &is_waiting);
        let replies = pump(Direction::ToClient, from_server, to_client, shared, &is_waiting);
        tokio::select! {
            ended = async { tokio::try_join!(requests, replies) } => ended.is_ok(),
            _ = state.wait_for(|state| state.drops != drops) => false,
        }
    };
    if !ended {
        client.reset();
        server.reset();
    }
}
