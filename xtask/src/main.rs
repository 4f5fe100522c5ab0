//! The workspace's chores, from its tests to its publication.

mod api;
mod bench;
mod chaos;
mod check;
mod command;
mod demo;
mod docs;
mod features;
mod fuzz;
mod install;
mod licences;
mod oldest;
mod process;
mod publish;
mod servers;
mod test;
mod tidy;
mod workflows;
mod workspace;

use std::env;
use std::process::ExitCode;

use command::Command;
use process::Result;
use workspace::Workspace;

/// What a wrong command line ends with, by custom.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let command = match Command::parse(&arguments) {
        Ok(command) => command,
        Err(complaint) => {
            eprintln!("error: {complaint}\n\n{}", command::HELP);
            return ExitCode::from(USAGE);
        }
    };
    match run(command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a command, and tells whether all was well; what was not has been printed.
fn run(command: Command) -> Result<bool> {
    match command {
        Command::Help => {
            println!("{}", command::HELP);
            Ok(true)
        }
        Command::Test { lanes, package } => test::run(&lanes, package.as_deref()),
        Command::Matrix(options) => test::matrix::run(options),
        Command::Check { steps } => check::run(&steps),
        Command::Features(depth) => features::run(depth),
        Command::Tidy => tidy::run(),
        Command::Docs => docs::run(&Workspace::load()?),
        Command::Bench { name } => bench::run(name.as_deref()),
        Command::Demo => demo::run(),
        Command::Chaos { words } => chaos::run(&words),
        Command::Fuzz { seconds } => fuzz::run(seconds),
        Command::Publish(mode) => publish::run(&mode),
    }
}
