//! The history checker over real processes and real servers: the rule under real faults.
//!
//! One process is the referee. It runs the server, a proxy in front of it that breaks connections,
//! and the database: rows that are nothing but versions. Other processes are the clients: this
//! program once more, each with a cache, that read and write the rows and note what they saw in
//! logs that survive them. The referee lets one fault after the other happen, and judges what was
//! noted by the rule: *a read returns nothing older than what was invalidated before it began*.
//!
//! The clock of all of it is the machine's monotonic one. A read begins before the call, an
//! invalidation is acknowledged after it has returned, so the judge never demands too much.

mod arena;
mod client;
mod clock;
mod database;
mod fleet;
mod history;
mod judge;
mod log;
mod nemesis;
mod options;
mod record;
mod referee;
mod report;
mod rounds;
mod rows;

use std::error::Error;
use std::process::ExitCode;

use self::options::Command;

/// What goes wrong around the test is read by a human at once, so a text is enough.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// What a wrong command line ends with, by custom.
const USAGE: u8 = 2;

/// Runs the program: the referee, or a client if the command line says so.
#[must_use]
pub fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match Command::parse(&words) {
        Ok(Command::Help) => {
            println!("{}", options::help());
            Ok(true)
        }
        Ok(Command::Client(options)) => client::run(&options).map(|()| true),
        Ok(Command::Referee(options)) => referee::run(&options),
        Err(complaint) => {
            eprintln!("error: {complaint}\n\n{}", options::help());
            return ExitCode::from(USAGE);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
