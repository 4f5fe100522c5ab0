//! A workflow service over SQLite that shows what tasker-cache does.

mod args;
mod client;
mod compare;
mod configured;
mod database;
mod drive;
mod error;
mod exchange;
mod latencies;
mod logging;
mod metrics;
mod model;
mod report;
mod seed;
mod serve;
mod server;
mod service;

use std::error::Error;
use std::iter::successors;
use std::process::ExitCode;

use clap::Parser;
use indicatif::MultiProgress;

use args::{Args, Command, ComparisonArgs};

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let bars = MultiProgress::new();
    let done = match args.command {
        Some(Command::Serve(args)) => {
            logging::init("info", &bars);
            serve::serve(args).await.map(|()| ExitCode::SUCCESS)
        }
        None => {
            logging::init("warn,sqlx=error", &bars);
            compare_and_print(&args.comparison, &bars).await
        }
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            let causes: Vec<String> = successors(Some(&*error), |&error| error.source())
                .map(ToString::to_string)
                .collect();
            eprintln!("error: {}", causes.join(": "));
            ExitCode::FAILURE
        }
    }
}

async fn compare_and_print(
    args: &ComparisonArgs,
    bars: &MultiProgress,
) -> Result<ExitCode, Box<dyn Error>> {
    let report = compare::compare(args, bars).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
