//! A way to a server on which what is said may change.

use std::io;
use std::net::SocketAddr;

use tokio::io::copy;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Accepts connections and makes each go on to the server; it ends with this.
pub(crate) struct Way {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Way {
    /// Starts one on which requests and replies are passed on by what these make of the two ends.
    pub(crate) async fn start<Q, P>(
        upstream: SocketAddr,
        requests: impl Fn(OwnedReadHalf, OwnedWriteHalf) -> Q + Send + 'static,
        replies: impl Fn(OwnedReadHalf, OwnedWriteHalf) -> P + Send + 'static,
    ) -> Self
    where
        Q: Future<Output = io::Result<()>> + Send + 'static,
        P: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(upstream).await.expect("the server is up");
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(requests(from_client, to_server));
                tokio::spawn(replies(from_server, to_client));
            }
        });
        Self { address, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes everything on as it is.
pub(crate) async fn unchanged(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
    copy(&mut from, &mut to).await.map(drop)
}
