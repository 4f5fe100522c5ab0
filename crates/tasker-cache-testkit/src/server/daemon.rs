//! What all servers have in common: start, signals, end, and start again at the same place.

use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep, timeout};

use crate::server::patience::{PATIENCE, PAUSE};
use crate::server::place::Place;
use crate::server::supervisor::Supervised;
use crate::server::{Ports, Program, StartError};

/// How long one attempt to ask it may take.
const ATTEMPT: Duration = Duration::from_secs(2);

/// How often a process that was told to stop is looked at: some seconds, where it takes microseconds.
const LOOKS: u32 = 100_000;

/// How many ports are tried, if others are quicker to take them.
const PORTS_TRIED: usize = 10;

/// What tells one kind of server from another.
pub(crate) trait Service: Send + Sync {
    fn program(&self) -> Program;

    /// Returns which ports it needs; `None` for a server that has no port.
    fn ports(&self) -> Option<Ports>;

    /// Returns the arguments with which the program is started.
    fn args(&self, program: &Path, place: &Place) -> Vec<OsString>;

    /// Writes what the program reads when it starts; nothing by default.
    fn prepare(&self, place: &Place) -> io::Result<()> {
        let _ = place;
        Ok(())
    }

    /// Makes a round trip and returns the pid of whoever answered, if it says it; then whatever
    /// else makes the server ready.
    fn ready(&self, place: &Place) -> impl Future<Output = io::Result<Option<u32>>> + Send;
}

/// A server process that can be ended and started again.
#[derive(Debug)]
pub(crate) struct Daemon<S> {
    service: S,
    path: PathBuf,
    place: Place,
    process: Mutex<Option<Supervised>>,
    /// Held by whoever ends or starts the process.
    turn: tokio::sync::Mutex<()>,
}

/// How a start went wrong.
enum Failure {
    PortTaken,
    Other(StartError),
}

impl<S: Service> Daemon<S> {
    /// Starts a server, on another port as long as somebody else was quicker to take one.
    pub(crate) async fn start(service: S) -> Result<Self, StartError> {
        let program = service.program();
        let io = |error| StartError::io(program, error);
        let path = std::path::absolute(program.find()?).map_err(io)?;
        let mut place = Place::find().map_err(io)?;
        for _ in 0..PORTS_TRIED {
            if let Some(ports) = service.ports() {
                place.move_on(ports).map_err(io)?;
            }
            match launch(&service, &path, &place).await {
                Ok(process) => {
                    let process = Mutex::new(Some(process));
                    let turn = tokio::sync::Mutex::default();
                    return Ok(Self { service, path, place, process, turn });
                }
                Err(Failure::Other(error)) => return Err(error),
                Err(Failure::PortTaken) => {}
            }
        }
        let how = format!("found {PORTS_TRIED} ports taken, one after the other");
        Err(StartError::failed(program, how, place.log_tail(0)))
    }

    pub(crate) fn service(&self) -> &S {
        &self.service
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Tells whether the server has a unix socket in place of a port.
    pub(crate) fn has_no_port(&self) -> bool {
        self.service.ports().is_none()
    }

    /// Returns the pid; panics if the server does not run.
    pub(crate) fn pid(&self) -> u32 {
        let pid = self.process().as_ref().map(Supervised::pid);
        pid.unwrap_or_else(|| self.give_up("has been stopped: it has no pid"))
    }

    pub(crate) fn is_running(&self) -> bool {
        self.process().as_mut().is_some_and(|process| matches!(process.exited(), Ok(None)))
    }

    /// Stops the process without ending it, and returns when the kernel has done so.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
        let pid = self.pid();
        for _ in 0..LOOKS {
            if !threads_run(pid) {
                break;
            }
            std::thread::yield_now();
        }
    }

    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let sent = match self.process().as_mut() {
            Some(process) => process.signal(signal),
            None => Err(io::Error::other("it has been stopped")),
        };
        if let Err(error) = sent {
            self.give_up(&format!("can't be sent a signal: {error}"));
        }
    }

    /// Kills the process, if it runs, and waits until it is gone.
    pub(crate) async fn kill(&self) {
        let _turn = self.turn.lock().await;
        self.end();
    }

    /// Asks the process to end, if it runs, and waits until it is gone.
    pub(crate) async fn stop(&self) {
        let _turn = self.turn.lock().await;
        if !self.is_running() {
            self.end();
            return;
        }
        self.signal(Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while self.is_running() {
            if Instant::now() > deadline {
                self.give_up("was asked to end, and did not");
            }
            sleep(PAUSE).await;
        }
        self.end();
    }

    /// Kills the process, if it runs, prepares the place, and starts it there again.
    pub(crate) async fn restart(&self, prepare: impl FnOnce(&Place) -> io::Result<()>) {
        let _turn = self.turn.lock().await;
        self.end();
        if let Err(error) = prepare(&self.place) {
            self.give_up(&format!("can't be started again: {error}"));
        }
        let deadline = Instant::now() + PATIENCE;
        let process = loop {
            match launch(&self.service, &self.path, &self.place).await {
                Ok(process) => break process,
                Err(Failure::PortTaken) if Instant::now() < deadline => sleep(PAUSE).await,
                Err(Failure::PortTaken) => self.give_up("can't have its port back"),
                Err(Failure::Other(error)) => panic!("{error}"),
            }
        };
        *self.process() = Some(process);
    }

    fn end(&self) {
        drop(self.process().take());
    }

    fn process(&self) -> MutexGuard<'_, Option<Supervised>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Panics in words.
    pub(crate) fn give_up(&self, how: &str) -> ! {
        panic!("{}", StartError::failed(self.service.program(), how, self.place.log_tail(0)))
    }
}

/// Starts the program once and waits until it answers.
async fn launch<S: Service>(
    service: &S,
    path: &Path,
    place: &Place,
) -> Result<Supervised, Failure> {
    let program = service.program();
    let logged = place.log_len();
    let failed =
        |how: String| Failure::Other(StartError::failed(program, how, place.log_tail(logged)));
    let started = service
        .prepare(place)
        .and_then(|()| Supervised::start(path, &service.args(path, place), place));
    let mut process = started.map_err(|error| Failure::Other(StartError::io(program, error)))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok(Some(status)) = process.exited() {
            return Err(lost_port(service, place, logged).unwrap_or_else(|| failed(ended(status))));
        }
        let why = match timeout(ATTEMPT, service.ready(place)).await {
            Ok(Ok(Some(pid))) if pid != process.pid() => format!("process {pid} has its port"),
            Ok(Ok(_)) => return Ok(process),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it accepts connections, but does not answer".to_owned(),
        };
        if Instant::now() > deadline {
            return Err(failed(format!("was not ready after {PATIENCE:?} ({why})")));
        }
        sleep(PAUSE).await;
    }
}

fn ended(status: ExitStatus) -> String {
    format!("ended when it was started ({status})")
}

/// Tells whether a server that ended had found its port taken.
fn lost_port<S: Service>(service: &S, place: &Place, logged: u64) -> Option<Failure> {
    service.ports()?;
    let log = place.log_tail(logged).to_lowercase();
    let is_lost = log.contains("address already in use") || place.port_is_taken();
    is_lost.then_some(Failure::PortTaken)
}

/// Tells whether a thread of a process runs, as far as the kernel says so in `/proc`.
fn threads_run(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.flatten().any(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The state is behind the program's name, which is in parentheses and may hold any.
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        state.is_some_and(|state| !"TtXZ".contains(state))
    })
}

#[cfg(test)]
mod tests;
