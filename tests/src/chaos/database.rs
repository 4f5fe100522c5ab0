//! The database: a version for each row, asked for over a unix socket as another process's is.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};

use super::rows::{ROWS, Row};

/// Asks for the versions of rows.
const QUERY: u8 = 0;

/// Gives rows new versions, all at once, and asks for them.
const COMMIT: u8 = 1;

/// The rows, and the task that answers for them; it ends with this.
#[derive(Debug)]
pub(crate) struct Service {
    versions: Arc<Versions>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Versions(Mutex<Vec<u64>>);

impl Service {
    /// Listens on a socket, on the current runtime.
    pub(crate) fn start(socket: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(socket)?;
        let versions = Arc::new(Versions(Mutex::new(vec![0; usize::from(ROWS)])));
        let task = tokio::spawn(serve(listener, Arc::clone(&versions)));
        Ok(Self { versions, task })
    }

    /// Returns the version of each row.
    pub(crate) fn versions(&self) -> Vec<u64> {
        self.versions.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: UnixListener, versions: Arc<Versions>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(answer(stream, Arc::clone(&versions)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Answers one connection, until it is closed.
async fn answer(mut stream: UnixStream, versions: Arc<Versions>) -> io::Result<()> {
    let mut request = [0; 2];
    loop {
        stream.read_exact(&mut request).await?;
        let [kind, count] = request;
        let mut rows = vec![0; usize::from(count) * 2];
        stream.read_exact(&mut rows).await?;
        let (rows, _) = rows.as_chunks();
        let reply = versions.answer(kind, rows);
        stream.write_all(&reply).await?;
    }
}

impl Versions {
    fn answer(&self, kind: u8, rows: &[[u8; 2]]) -> Vec<u8> {
        let mut versions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = rows.iter().map(|row| {
            let row = usize::from(Row::from_le_bytes(*row));
            versions.get_mut(row).map_or(0, |version| {
                *version += u64::from(kind == COMMIT);
                *version
            })
        });
        answers.flat_map(u64::to_le_bytes).collect()
    }
}

/// A client's connections to the database: one for each query that runs, kept for the next.
#[derive(Debug)]
pub(crate) struct Database {
    socket: PathBuf,
    idle: Mutex<Vec<UnixStream>>,
}

impl Database {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self { socket, idle: Mutex::default() }
    }

    /// Returns the version of a row.
    pub(crate) async fn query(&self, row: Row) -> io::Result<u64> {
        let versions = self.ask(QUERY, &[row]).await?;
        versions.first().copied().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Gives rows new versions and returns those.
    pub(crate) async fn commit(&self, rows: &[Row]) -> io::Result<Vec<u64>> {
        self.ask(COMMIT, rows).await
    }

    async fn ask(&self, kind: u8, rows: &[Row]) -> io::Result<Vec<u64>> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut stream = match idle {
            Some(stream) => stream,
            None => UnixStream::connect(&self.socket).await?,
        };
        let count = u8::try_from(rows.len()).map_err(io::Error::other)?;
        let mut request = vec![kind, count];
        request.extend(rows.iter().flat_map(|row| row.to_le_bytes()));
        stream.write_all(&request).await?;
        let mut reply = vec![0; rows.len() * 8];
        stream.read_exact(&mut reply).await?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
        let (versions, _) = reply.as_chunks();
        Ok(versions.iter().copied().map(u64::from_le_bytes).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_query_sees_what_was_committed() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("socket");
        let service = Service::start(&socket).expect("a socket");
        let (one, other) = (Database::new(socket.clone()), Database::new(socket));
        assert_eq!(one.query(3).await.expect("it is there"), 0);
        assert_eq!(one.commit(&[3, 4]).await.expect("it is there"), [1, 1]);
        assert_eq!(other.commit(&[3]).await.expect("it is there"), [2]);
        assert_eq!(one.query(3).await.expect("it is there"), 2);
        assert_eq!(service.versions()[3..5], [2, 1]);
    }
}
