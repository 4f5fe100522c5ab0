//! What happens when others are quicker to take a port, and when a start fails.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::net::TcpStream;

use super::*;
use crate::server::MemcachedServer;

/// A memcached that finds its first port taken by another one, which answers in its place.
struct Unlucky {
    other: MemcachedServer,
    starts: AtomicU32,
}

impl Service for Unlucky {
    fn program(&self) -> Program {
        Program::Memcached
    }

    fn ports(&self) -> Option<Ports> {
        Some(Ports::One)
    }

    fn args(&self, _: &Path, place: &Place) -> Vec<OsString> {
        let is_first = self.starts.fetch_add(1, Ordering::SeqCst) == 0;
        let port = if is_first { self.other.port() } else { place.address().port() };
        ["-u", "root", "-l", "127.0.0.1", "-U", "0", "-p", &port.to_string()].map(Into::into).into()
    }

    async fn ready(&self, place: &Place) -> io::Result<Option<u32>> {
        if self.starts.load(Ordering::SeqCst) == 1 {
            return Ok(Some(self.other.pid()));
        }
        TcpStream::connect(place.address()).await.map(|_| None)
    }
}

#[tokio::test]
async fn a_server_that_loses_its_port_is_started_on_another() {
    let other = MemcachedServer::start().await;
    let daemon = Daemon::start(Unlucky { other, starts: AtomicU32::default() }).await;
    let daemon = daemon.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(daemon.service().starts.load(Ordering::SeqCst), 2);
    assert_ne!(daemon.place().address(), daemon.service().other.address());
    assert!(daemon.is_running());
}

#[tokio::test]
async fn a_restart_waits_for_the_port_to_be_given_back() {
    let server = MemcachedServer::start().await;
    let address = server.address();
    server.kill().await;
    let thief = std::net::TcpListener::bind(address).expect("the port is free");
    let give_back = async {
        sleep(Duration::from_millis(300)).await;
        drop(thief);
    };
    tokio::join!(server.restart(), give_back);
    assert!(server.command("version").await.starts_with(b"VERSION "));
}
