//! One server process, on a leash: it can't outlive the process that holds the other end.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::server::place::Place;

/// Starts the server, says its pid, and kills it when it reads a line or the end of its input.
///
/// Its input is a pipe, which the kernel closes when the process at the other end is gone, however
/// it went; nobody is left then to remove the folder, so that is done here. The pid is never one
/// that was given to somebody else meanwhile: the watch is killed as soon as the server has been
/// waited for.
///
/// Hang-ups are ignored because the kernel sends one to a process group that is left alone with a
/// stopped process in it (POSIX, `_exit`): a paused server.
const SCRIPT: &str = r#"
trap '' HUP
folder=$1
shift
exec 3<&0
"$@" </dev/null >&2 3<&- &
server=$!
echo "$server"
exec >/dev/null
{ read -r line <&3 || : >"$folder/orphan"; kill -9 "$server"; } 2>/dev/null &
watch=$!
wait "$server"
status=$?
{ kill -9 "$watch"; wait "$watch"; } 2>/dev/null
if [ -e "$folder/orphan" ]; then rm -rf -- "$folder"; fi
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
    /// Starts a program at a place, and adds what it says to the log there.
    pub(crate) fn start(program: &Path, args: &[OsString], place: &Place) -> io::Result<Self> {
        let mut supervisor = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "supervisor"])
            .arg(place.folder())
            .arg(program)
            .args(args)
            .current_dir(place.data())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(place.append_to_log()?)
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
        if let Some(mut leash) = self.leash.take() {
            // It fails if the supervisor is gone, and then so is the server.
            let _ = leash.write_all(b"end\n");
        }
        self.supervisor.wait()
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.kill());
    }
}
