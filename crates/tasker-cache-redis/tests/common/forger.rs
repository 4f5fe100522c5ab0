//! A way to a server on which a reply is not what the server said, once.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is to be replaced, and by what; nothing once it has been.
type Forgery = Arc<Mutex<Option<(Vec<u8>, Vec<u8>)>>>;

pub(crate) struct Forger {
    address: SocketAddr,
    forgery: Forgery,
    task: JoinHandle<()>,
}

impl Forger {
    pub(crate) async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let forgery = Forgery::default();
        let ours = Arc::clone(&forgery);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(upstream).await.expect("the server is up");
                let (mut from_client, to_client) = client.into_split();
                let (from_server, mut to_server) = server.into_split();
                tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
                tokio::spawn(replies(from_server, to_client, Arc::clone(&ours)));
            }
        });
        Self { address, forgery, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces some bytes of a reply, which are small enough to arrive together.
    pub(crate) fn once(&self, bytes: impl Into<Vec<u8>>, by: impl Into<Vec<u8>>) {
        *lock(&self.forgery) = Some((bytes.into(), by.into()));
    }

    /// Tells whether that has happened.
    pub(crate) fn is_done(&self) -> bool {
        lock(&self.forgery).is_none()
    }
}

impl Drop for Forger {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(forgery: &Forgery) -> std::sync::MutexGuard<'_, Option<(Vec<u8>, Vec<u8>)>> {
    forgery.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn replies(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, forgery: Forgery) {
    let mut chunk = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        let mut bytes = chunk[..read].to_vec();
        let wanted = lock(&forgery).take();
        if let Some((old, new)) = wanted {
            match bytes.windows(old.len()).position(|some| some == old) {
                Some(at) => drop(bytes.splice(at..at + old.len(), new)),
                None => *lock(&forgery) = Some((old, new)),
            }
        }
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
