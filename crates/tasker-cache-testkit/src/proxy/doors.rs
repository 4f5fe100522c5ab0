//! A port that can be closed and opened again.

use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

use crate::server::{Port, Ports};

/// How many ports are tried, if others are quicker to take them.
const PORTS_TRIED: usize = 10;

/// A loopback port on which connections are accepted while it is open.
#[derive(Debug)]
pub(crate) struct Doors {
    port: Port,
    runtime: Handle,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    listener: Option<TcpListener>,
    /// Who waits for a connection, and has to look at the next listener.
    waiting: Option<Waker>,
}

impl Doors {
    /// Opens a free port.
    pub(crate) fn open() -> io::Result<Self> {
        let mut tried = 0;
        let (port, listener) = loop {
            let port = Port::find(Ports::One)?;
            match listen((Ipv4Addr::LOCALHOST, port.number()).into()) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && tried < PORTS_TRIED => {
                    tried += 1;
                }
                other => break (port, other?),
            }
        };
        let state = Mutex::new(State { listener: Some(listener), waiting: None });
        Ok(Self { port, runtime: Handle::current(), state })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port.number()).into()
    }

    /// Refuses connections from here on, and those that nobody has accepted yet.
    pub(crate) fn close(&self) {
        self.state().listener = None;
    }

    /// Accepts connections from here on.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.listener.is_none() {
            let _runtime = self.runtime.enter();
            state.listener = Some(listen(self.address())?);
            if let Some(waiting) = state.waiting.take() {
                waiting.wake();
            }
        }
        Ok(())
    }

    /// Waits for the next connection, over times in which the port is closed.
    pub(crate) async fn accept(&self) -> io::Result<TcpStream> {
        poll_fn(|context| {
            let mut state = self.state();
            if let Some(listener) = &state.listener
                && let Poll::Ready(accepted) = listener.poll_accept(context)
            {
                return Poll::Ready(accepted.map(|(stream, _)| stream));
            }
            state.waiting = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}
