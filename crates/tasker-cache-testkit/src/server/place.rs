//! Where one server lives: its port and its folder.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::server::{Port, Ports};

/// How many lines of a log are shown.
const TAIL: usize = 20;

/// A port on the loopback interface and a folder, both for one server alone.
#[derive(Debug)]
pub(crate) struct Place {
    port: Option<Port>,
    folder: TempDir,
}

impl Place {
    /// Makes a folder; there is no port yet.
    pub(crate) fn find() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("cache-").tempdir()?;
        fs::create_dir(folder.path().join("data"))?;
        Ok(Self { port: None, folder })
    }

    /// Picks another port that is free at this moment.
    pub(crate) fn move_on(&mut self, ports: Ports) -> io::Result<()> {
        self.port = Some(Port::find(ports)?);
        Ok(())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port.as_ref().map_or(0, Port::number)).into()
    }

    pub(crate) fn port_is_taken(&self) -> bool {
        self.port.as_ref().is_some_and(|port| !port.is_free())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the folder in which the server works.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// Returns the file of its unix socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder().join("socket")
    }

    /// Returns the file of its log.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder().join("log")
    }

    /// Opens the log for what comes next.
    pub(crate) fn append_to_log(&self) -> io::Result<File> {
        OpenOptions::new().create(true).append(true).open(self.log())
    }

    /// Returns how long the log is now.
    pub(crate) fn log_len(&self) -> u64 {
        self.log().metadata().map_or(0, |meta| meta.len())
    }

    /// Returns the last lines of what was logged since it had the given length.
    pub(crate) fn log_tail(&self, since: u64) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        let since = usize::try_from(since).unwrap_or(usize::MAX);
        let text = String::from_utf8_lossy(log.get(since..).unwrap_or_default());
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }
}
