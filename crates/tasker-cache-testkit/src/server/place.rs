//! Where one server lives: its port and its folder.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// How many lines of a log are shown.
const TAIL: usize = 20;

/// A port on the loopback interface and a folder, both for one server alone.
#[derive(Debug)]
pub(crate) struct Place {
    port: u16,
    folder: TempDir,
}

impl Place {
    /// Ports that a cluster's node can have: its other port is 10,000 above.
    pub(crate) const NODE_PORTS: RangeInclusive<u16> = 11_000..=21_999;

    /// Ports that the kernel gives to nobody's outgoing connection.
    ///
    /// While a server is down, a client that keeps connecting to a port out of the kernel's own
    /// range (from 32,768 on Linux) is at times given that very port, and is connected to itself.
    pub(crate) const PORTS: RangeInclusive<u16> = 11_000..=31_999;

    /// Makes a folder; there is no port yet.
    pub(crate) fn find() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("cache-").tempdir()?;
        fs::create_dir(folder.path().join("data"))?;
        Ok(Self { port: 0, folder })
    }

    /// Picks another port that is free at this moment.
    pub(crate) fn move_on(&mut self, ports: RangeInclusive<u16>) -> io::Result<()> {
        self.port = free_port_in(ports)?;
        Ok(())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub(crate) fn port_is_taken(&self) -> bool {
        !is_free(self.port)
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

/// Returns a port that is free at this moment.
pub(crate) fn free_port() -> io::Result<u16> {
    free_port_in(Place::PORTS)
}

fn free_port_in(ports: RangeInclusive<u16>) -> io::Result<u16> {
    const TRIES: usize = 1000;
    let free = (0..TRIES).map(|_| fastrand::u16(ports.clone())).find(|port| is_free(*port));
    free.ok_or_else(|| io::Error::other("no free port was found"))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
