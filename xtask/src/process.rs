//! Runs other programs, and shows what it runs.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What can go wrong here is read by a human at once, so a text is enough.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Where a chore tells how it goes: beside its result, or away from one that a program reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    Stdout,
    Stderr,
}

impl Voice {
    /// Prints a line.
    pub(crate) fn say(self, line: &str) {
        match self {
            Self::Stdout => println!("{line}"),
            Self::Stderr => eprintln!("{line}"),
        }
    }

    /// Prints the line that stands above the output of one step.
    pub(crate) fn heading(self, text: &str) {
        self.say(&format!("\n== {text}"));
    }

    /// Passes bytes on as they are.
    ///
    /// # Errors
    ///
    /// When nobody takes them.
    pub(crate) fn pass_on(self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => io::stdout().write_all(bytes),
            Self::Stderr => io::stderr().write_all(bytes),
        }
    }

    fn stdio(self) -> Stdio {
        match self {
            Self::Stdout => Stdio::inherit(),
            Self::Stderr => io::stderr().into(),
        }
    }
}

/// Prints the line that stands above the output of one step.
pub(crate) fn heading(text: &str) {
    Voice::Stdout.heading(text);
}

/// Prints a command as it can be typed, runs it, and tells, in words too, whether it succeeded.
///
/// # Errors
///
/// When the command can't be started.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    succeeds_with(command, Voice::Stdout)
}

/// Does the same, but lets the command print, and prints, to where a chore tells how it goes.
///
/// # Errors
///
/// When the command can't be started.
pub(crate) fn succeeds_with(command: &mut Command, voice: Voice) -> Result<bool> {
    voice.say(&format!("$ {}", typed(command)));
    let status = command
        .stdout(voice.stdio())
        .status()
        .map_err(|error| format!("can't start {}: {error}", typed(command)))?;
    if !status.success() {
        voice.say(&format!("error: `{}` failed ({status})", typed(command)));
    }
    Ok(status.success())
}

/// Runs a command and returns what it printed to its standard output.
///
/// # Errors
///
/// When the command can't be started, fails, or prints something other than UTF-8.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("can't start {}: {error}", typed(command)))?;
    if !output.status.success() {
        return Err(format!("{} failed ({})", typed(command), output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Returns the command as one would type it, with the variables that are set for it alone.
pub(crate) fn typed(command: &Command) -> String {
    let mut line = String::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            let value = value.to_string_lossy();
            let name = name.to_string_lossy();
            let _ = write!(line, "{name}={} ", quoted(&value));
        }
    }
    let program = command.get_program().to_string_lossy();
    let program = program.rsplit(['/', '\\']).next().unwrap_or(&program);
    line.push_str(program);
    for argument in command.get_args() {
        let _ = write!(line, " {}", quoted(&argument.to_string_lossy()));
    }
    line
}

fn quoted(word: &str) -> String {
    if word.contains([' ', '"', '{']) { format!("'{word}'") } else { word.to_owned() }
}

/// Measures how long something takes on the wall clock.
#[derive(Debug)]
pub(crate) struct Stopwatch(std::time::Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is about a human's waiting time; no test pauses it"
    )]
    pub(crate) fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// Returns the time since the start in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }

    /// Returns the time since the start, as `3 min 20 s`.
    pub(crate) fn read(&self) -> String {
        elapsed(self.0.elapsed())
    }
}

fn elapsed(time: Duration) -> String {
    match (time.as_secs() / 60, time.as_secs() % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_is_typed() {
        let mut command = Command::new("/somewhere/bin/cargo");
        command.args(["tree", "--format", "{p}"]);
        command.env("RUSTFLAGS", "--cfg loom");
        assert_eq!(typed(&command), "RUSTFLAGS='--cfg loom' cargo tree --format '{p}'");
    }

    /// Fails without a word.
    fn failing() -> Command {
        let mut command = Command::new("git");
        command.args(["rev-parse", "--quiet", "--verify", "refs/heads/no such branch"]);
        command
    }

    #[test]
    fn a_failing_command_is_an_error_where_its_output_is_needed() {
        assert!(output_of(&mut failing()).is_err());
        assert!(output_of(Command::new("git").arg("version")).is_ok());
    }

    #[test]
    fn a_failing_command_is_a_no_where_its_success_is_asked_for() {
        assert!(!succeeds(&mut failing()).unwrap());
        assert!(succeeds(Command::new("cargo").args(["--version", "--quiet"])).unwrap());
        assert!(succeeds(&mut Command::new("no-such-program-here")).is_err());
    }

    #[test]
    fn times_are_told_in_minutes_and_seconds() {
        assert_eq!(elapsed(Duration::from_millis(59_900)), "59 s");
        assert_eq!(elapsed(Duration::from_secs(200)), "3 min 20 s");
    }
}
