//! The client processes: started, killed, stopped, and read from.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use super::Result;
use super::clock::Moment;
use super::history::History;
use super::log::Tail;
use super::options::Client;

/// How many clients run at a time.
pub(crate) const CLIENTS: usize = 4;

/// How long the clients may take to end by themselves.
const END: Duration = Duration::from_secs(60);

/// How long it takes between two looks at something.
const LOOK: Duration = Duration::from_millis(20);

/// All client processes that there were.
#[derive(Debug)]
pub(crate) struct Fleet {
    options: Client,
    folder: PathBuf,
    lives: Mutex<Vec<Life>>,
}

/// One client process, from its start to its end.
#[derive(Debug)]
pub(crate) struct Life {
    number: usize,
    pub(crate) history: History,
    child: Child,
    tail: Tail,
    is_over: bool,
}

/// What all clients together have done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) reads: u64,
    pub(crate) invalidations: u64,
    /// Calls that the cache did not answer: failed, bypassed or deferred.
    pub(crate) disturbed: u64,
}

impl Fleet {
    /// Starts the clients, as these options say but for number and log.
    pub(crate) fn start(options: Client, folder: &Path) -> Result<Self> {
        let fleet = Self { options, folder: folder.to_owned(), lives: Mutex::default() };
        for number in 0..CLIENTS {
            fleet.begin(number)?;
        }
        Ok(fleet)
    }

    fn begin(&self, number: usize) -> Result<()> {
        let mut lives = self.lives();
        let nth = lives.len();
        let log = self.folder.join(format!("client-{nth}"));
        let tail = Tail::create(&log)?;
        let seed = self.options.seed.wrapping_mul(1_000).wrapping_add(u64::try_from(nth)?);
        let options = Client { number, log, seed, ..self.options.clone() };
        let child = Command::new(std::env::current_exe()?)
            .args(options.words())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let history = History::default();
        lives.push(Life { number, history, child, tail, is_over: false });
        Ok(())
    }

    /// Takes what the clients have noted since the last time.
    pub(crate) fn look(&self) -> Result<()> {
        for life in self.lives().iter_mut() {
            life.history.records.extend(life.tail.take()?);
            let was_told_to = life.is_over || life.child.stdin.is_none();
            if !was_told_to && life.child.try_wait()?.is_some() {
                return Err(format!("client {} has ended by itself", life.number).into());
            }
        }
        Ok(())
    }

    /// Returns all processes, for as long as nobody else needs them.
    pub(crate) fn lives(&self) -> MutexGuard<'_, Vec<Life>> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for life in self.lives().iter() {
            for record in &life.history.records {
                totals.reads += u64::from(record.what.is_read());
                totals.invalidations += u64::from(record.what.is_promise() && record.is_first);
            }
            totals.disturbed += life.history.disturbed();
        }
        totals
    }

    /// Returns when the last client had its first hit after a moment, once all have had one.
    pub(crate) fn all_hit_since(&self, moment: Moment) -> Option<Moment> {
        let lives = self.lives();
        let hits =
            lives.iter().filter(|life| !life.is_over).map(|life| life.history.hit_since(moment));
        hits.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Kills a client, and starts another in its place some time later.
    pub(crate) async fn kill_one(&self, random: &mut Rng, lasting: Duration) -> Result<u64> {
        let number = random.usize(..CLIENTS);
        if let Some(life) = self.lives().iter_mut().find(|life| life.is(number)) {
            life.child.kill()?;
            life.child.wait()?;
            life.is_over = true;
        }
        sleep(lasting).await;
        self.begin(number)?;
        Ok(1)
    }

    /// Stops a client, and lets it go on some time later.
    pub(crate) async fn pause_one(&self, random: &mut Rng, lasting: Duration) -> Result<u64> {
        let number = random.usize(..CLIENTS);
        let begun = Moment::now();
        let signal = |signal| match self.lives().iter().find(|life| life.is(number)) {
            Some(life) => life.signal(signal),
            None => Ok(()),
        };
        signal(Signal::STOP)?;
        sleep(lasting).await;
        signal(Signal::CONT)?;
        if let Some(life) = self.lives().iter_mut().find(|life| life.is(number)) {
            life.history.pauses.push((begun, Moment::now()));
        }
        Ok(1)
    }

    /// Tells the clients to end, and waits until they have.
    pub(crate) async fn end(&self) -> Result<()> {
        for life in self.lives().iter_mut() {
            drop(life.child.stdin.take());
        }
        let begun = Instant::now();
        loop {
            let mut is_over = true;
            for life in self.lives().iter_mut().filter(|life| !life.is_over) {
                match life.child.try_wait()? {
                    Some(status) if status.success() => life.is_over = true,
                    Some(status) => return Err(format!("a client ended with {status}").into()),
                    None => is_over = false,
                }
            }
            if is_over {
                return self.look();
            }
            if begun.elapsed() > END {
                return Err("a client did not end".into());
            }
            sleep(LOOK).await;
        }
    }
}

impl Life {
    fn is(&self, number: usize) -> bool {
        !self.is_over && self.number == number
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        Ok(kill_process(pid.ok_or(io::ErrorKind::NotFound)?, signal)?)
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
