//! A server that echoes, and a client's view of it.
#![expect(clippy::expect_used, reason = "a test ends where its assumption is wrong")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tasker_cache_testkit::proxy::FaultProxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Far longer than anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Long enough for a few bytes to get anywhere.
pub(crate) const SHORT: Duration = Duration::from_millis(200);

/// A server that answers every byte with itself; it ends with this handle.
pub(crate) struct Echo {
    address: SocketAddr,
    received: Arc<AtomicUsize>,
    hang_up: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Echo {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let received = Arc::<AtomicUsize>::default();
        let hang_up = Arc::<Notify>::default();
        let task = tokio::spawn(serve(listener, Arc::clone(&received), Arc::clone(&hang_up)));
        Self { address, received, hang_up, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns how many bytes have arrived.
    pub(crate) fn received(&self) -> usize {
        self.received.load(Ordering::SeqCst)
    }

    /// Closes the connections from its side.
    pub(crate) fn hang_up(&self) {
        self.hang_up.notify_waiters();
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, received: Arc<AtomicUsize>, hang_up: Arc<Notify>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let (received, hang_up) = (Arc::clone(&received), Arc::clone(&hang_up));
        tokio::spawn(async move {
            let echo = async {
                let mut bytes = vec![0; 4096];
                while let Ok(len @ 1..) = stream.read(&mut bytes).await {
                    received.fetch_add(len, Ordering::SeqCst);
                    if stream.write_all(&bytes[..len]).await.is_err() {
                        break;
                    }
                }
            };
            tokio::select! {
                () = echo => {}
                () = hang_up.notified() => {}
            }
        });
    }
}

/// Opens a connection to the proxy.
pub(crate) async fn connect(proxy: &FaultProxy) -> TcpStream {
    let client = TcpStream::connect(proxy.address()).await.expect("the proxy accepts");
    client.set_nodelay(true).expect("it is open");
    client
}

/// Waits for so many bytes.
pub(crate) async fn receive(client: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut received = vec![0; len];
    let read = timeout(LONG, client.read_exact(&mut received)).await;
    read.expect("bytes in time").expect("an open connection");
    received
}

/// Sends bytes and waits for as many.
pub(crate) async fn exchange(client: &mut TcpStream, sent: &[u8]) -> Vec<u8> {
    let (mut reader, mut writer) = client.split();
    let mut received = vec![0; sent.len()];
    let both = async { tokio::try_join!(writer.write_all(sent), reader.read_exact(&mut received)) };
    timeout(LONG, both).await.expect("bytes in time").expect("an open connection");
    received
}
