//! A way to a server on which a reply is not what the server said, once.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::way::{Way, unchanged};

pub(crate) struct Forger {
    way: Way,
    forgery: Arc<Forgery>,
}

/// What is to be replaced, and by what; nothing once it has been.
#[derive(Default)]
struct Forgery(Mutex<Option<(Vec<u8>, Vec<u8>)>>);

impl Forger {
    pub(crate) async fn start(upstream: SocketAddr) -> Self {
        let forgery = Arc::<Forgery>::default();
        let ours = Arc::clone(&forgery);
        let forged = move |from, to| replies(from, to, Arc::clone(&ours));
        Self { way: Way::start(upstream, unchanged, forged).await, forgery }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.way.address()
    }

    /// Replaces some bytes of a reply, which are so few that they arrive together.
    pub(crate) fn once(&self, bytes: impl Into<Vec<u8>>, by: impl Into<Vec<u8>>) {
        *self.forgery.lock() = Some((bytes.into(), by.into()));
    }

    /// Tells whether that has happened.
    pub(crate) fn is_done(&self) -> bool {
        self.forgery.lock().is_none()
    }
}

impl Forgery {
    fn lock(&self) -> MutexGuard<'_, Option<(Vec<u8>, Vec<u8>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does it to a reply that has the bytes.
    fn apply(&self, reply: &mut Vec<u8>) {
        let mut forgery = self.lock();
        let place = forgery.as_ref().and_then(|(bytes, _)| {
            reply.windows(bytes.len()).position(|some| some == bytes.as_slice())
        });
        if let Some(at) = place
            && let Some((bytes, by)) = forgery.take()
        {
            reply.splice(at..at + bytes.len(), by);
        }
    }
}

async fn replies(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    forgery: Arc<Forgery>,
) -> io::Result<()> {
    let mut chunk = [0; 16 * 1024];
    while let read @ 1.. = from.read(&mut chunk).await? {
        let mut reply = chunk[..read].to_vec();
        forgery.apply(&mut reply);
        to.write_all(&reply).await?;
    }
    Ok(())
}
