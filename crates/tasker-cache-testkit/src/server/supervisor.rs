//! One server process, on a leash: it can't outlive the process that holds the other end.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Starts the server, says its pid, and kills it when the pipe on its own input is closed.
///
/// The kernel closes that pipe when the process that wrote this line ends, however it ends. The
/// pid is never one that was given to somebody else meanwhile: the watch is killed as soon as the
/// server has been waited for.
const SCRIPT: &str = r#"
exec 3<&0
"$@" </dev/null >&2 3<&- &
server=$!
echo "$server"
exec >/dev/null
{ read -r line <&3; kill -9 "$server"; } 2>/dev/null &
watch=$!
wait "$server"
status=$?
{ kill -9 "$watch"; wait "$watch"; } 2>/dev/null
exit "$status"
"#;

/// A running server and the shell that watches over it.
#[derive(Debug)]
pub(crate) struct Supervised {
    supervisor: Child,
    leash: Option<ChildStdin>,
    pid: u32,
}

impl Supervised {
    /// Starts a program in a folder; what it says goes to `log`.
    pub(crate) fn start(
        program: &Path,
        args: &[OsString],
        folder: &Path,
        log: File,
    ) -> io::Result<Self> {
        let mut supervisor = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "supervisor"])
            .arg(program)
            .args(args)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            // An interrupt from the keyboard is for the tests; the servers follow by the pipe.
            .process_group(0)
            .spawn()?;
        let leash = supervisor.stdin.take();
        let mut said = String::new();
        if let Some(stdout) = supervisor.stdout.take() {
            BufReader::new(stdout).read_line(&mut said)?;
        }
        let pid = said.trim().parse().map_err(|_| {
            io::Error::other(format!("/bin/sh said {said:?} where a pid was expected"))
        })?;
        Ok(Self { supervisor, leash, pid })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Tells whether the server has ended, and how.
    pub(crate) fn exited(&mut self) -> io::Result<Option<ExitStatus>> {
        self.supervisor.try_wait()
    }

    /// Sends a signal to the server, if it still runs.
    pub(crate) fn signal(&mut self, signal: Signal) -> io::Result<()> {
        if self.exited()?.is_some() {
            return Err(io::Error::other("the server has ended"));
        }
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("the server has no valid pid"))?;
        Ok(kill_process(pid, signal)?)
    }

    /// Kills the server, unless it has ended, and waits until it is gone: a few milliseconds.
    pub(crate) fn kill(&mut self) -> io::Result<ExitStatus> {
        drop(self.leash.take());
        self.supervisor.wait()
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.kill());
    }
}
