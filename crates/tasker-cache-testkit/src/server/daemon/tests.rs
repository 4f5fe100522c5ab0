//! What happens when others are quicker to take a port, and when a start fails.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::server::MemcachedServer;

/// A memcached that finds its first port taken by another one, which answers in its place.
struct Unlucky {
    other: MemcachedServer,
    is_tried: AtomicBool,
}

impl Service for Unlucky {
    fn program(&self) -> Program {
        Program::Memcached
    }

    fn ports(&self) -> Option<RangeInclusive<u16>> {
        Some(Place::PORTS)
    }

    fn args(&self, _: &Path, place: &Place) -> Vec<OsString> {
        let is_first = !self.is_tried.swap(true, Ordering::SeqCst);
        let port = if is_first { self.other.port() } else { place.address().port() };
        ["-u", "root", "-l", "127.0.0.1", "-U", "0", "-p", &port.to_string()].map(Into::into).into()
    }

    async fn ready(&self, place: &Place) -> io::Result<Option<u32>> {
        let pid = tokio::net::TcpStream::connect(place.address()).await.map(|_| None);
        // The other server answers whoever asks; only its pid tells that it is another.
        pid.or_else(|_| Ok(Some(self.other.pid())))
    }
}

#[tokio::test]
async fn a_server_that_loses_its_port_is_started_on_another() {
    let other = MemcachedServer::start().await;
    let daemon = Daemon::start(Unlucky { other, is_tried: AtomicBool::default() }).await;
    let daemon = daemon.unwrap_or_else(|error| panic!("{error}"));
    assert!(daemon.service().is_tried.load(Ordering::SeqCst));
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
    assert_eq!(server.command("mn").await, "MN\r\n");
}
