//! The command line of memcached, and the way to ask it for something.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::server::daemon::Service;
use crate::server::place::Place;
use crate::server::{Ports, Program};

/// What a server is started with.
#[derive(Clone, Debug, Default)]
pub(super) struct MemcachedService {
    pub(super) is_unix: bool,
    pub(super) max_item_bytes: Option<u32>,
    pub(super) max_connections: Option<u32>,
    pub(super) memory_mib: Option<u32>,
    pub(super) extra: Vec<String>,
}

impl MemcachedService {
    /// Sends a request on a connection of its own and returns the answer.
    pub(super) async fn exchange(&self, place: &Place, request: &[u8]) -> io::Result<Bytes> {
        if self.is_unix {
            exchange_on(UnixStream::connect(place.socket()).await?, request).await
        } else {
            exchange_on(TcpStream::connect(place.address()).await?, request).await
        }
    }
}

/// How many file descriptors memcached has for itself, with one worker thread.
const OWN_DESCRIPTORS: u32 = 12;

/// The size of the chunks into which memcached cuts large items, unless it is told another.
const CHUNK: u32 = 512 * 1024;

/// Rounds a limit up to one that memcached accepts, with the chunk that goes with it: the chunk has
/// to divide both the limit and the page of 1 MiB.
fn item_and_chunk(bytes: u32) -> (u32, u32) {
    let item = if bytes <= CHUNK {
        bytes.max(1024).next_power_of_two()
    } else {
        bytes.checked_next_multiple_of(CHUNK).unwrap_or(bytes)
    };
    (item, item.min(CHUNK))
}

/// What memcached answers to `mn`, the meta no-op.
const FENCE: &[u8] = b"MN\r\n";

async fn exchange_on<S>(mut stream: S, request: &[u8]) -> io::Result<Bytes>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(&[request, b"\r\nmn\r\n"].concat()).await?;
    let mut answer = Vec::new();
    while !ends_in_fence(&answer) {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    answer.truncate(answer.len() - FENCE.len());
    Ok(answer.into())
}

fn ends_in_fence(answer: &[u8]) -> bool {
    answer.strip_suffix(FENCE).is_some_and(|rest| rest.is_empty() || rest.ends_with(b"\r\n"))
}

impl Service for MemcachedService {
    fn program(&self) -> Program {
        Program::Memcached
    }

    fn ports(&self) -> Option<Ports> {
        (!self.is_unix).then_some(Ports::One)
    }

    fn args(&self, _: &Path, place: &Place) -> Vec<OsString> {
        let mut args: Vec<OsString> = Vec::new();
        let mut option = |name: &str, value: OsString| args.extend([name.into(), value]);
        if self.is_unix {
            option("-s", place.socket().into());
        } else {
            option("-l", "127.0.0.1".into());
            option("-p", place.address().port().to_string().into());
            option("-U", "0".into());
        }
        // It refuses to run as root unless it is told so.
        if rustix::process::geteuid().is_root() {
            option("-u", "root".into());
        }
        if let Some(memory) = self.memory_mib {
            option("-m", memory.to_string().into());
        }
        if let Some(clients) = self.max_connections {
            option("-t", "1".into());
            option("-c", clients.max(2).saturating_add(OWN_DESCRIPTORS).to_string().into());
        }
        if let Some(bytes) = self.max_item_bytes {
            let (item, chunk) = item_and_chunk(bytes);
            option("-I", item.to_string().into());
            option("-o", format!("slab_chunk_max={chunk}").into());
        }
        args.extend(self.extra.iter().map(OsString::from));
        args
    }

    async fn ready(&self, place: &Place) -> io::Result<Option<u32>> {
        let stats = self.exchange(place, b"stats").await?;
        let stats = String::from_utf8_lossy(&stats);
        let pid = stats.lines().find_map(|line| line.strip_prefix("STAT pid ")?.parse().ok());
        pid.map(Some).ok_or_else(|| io::Error::other(format!("it answered {stats:?} to `stats`")))
    }
}
