//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::seed;

/// Shows what tasker-cache does for a service over a database.
///
/// Without a command: drives the service over HTTP, first without and then with the cache, and
/// prints what the difference was.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) comparison: ComparisonArgs,
}

/// What can be done instead of comparing.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the service until Ctrl-C or SIGTERM.
    Serve(ServeArgs),
}

/// How the comparison is done.
#[derive(Debug, ClapArgs)]
pub(crate) struct ComparisonArgs {
    /// The cache's configuration, with a `key_prefix` of its own [default: in memory, by Moka].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Prints one JSON object instead of the table.
    #[arg(long)]
    pub(crate) json: bool,
    /// How long to drive the service: one half without, one half with the cache.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// How many clients ask at the same time, each over a connection of its own.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) concurrency: u16,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

/// How the service is run.
#[derive(Debug, ClapArgs)]
pub(crate) struct ServeArgs {
    /// The cache's configuration [default: in memory, by Moka].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where to listen; port 0 takes any free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

/// Which database is used.
#[derive(Debug, ClapArgs)]
pub(crate) struct DatabaseArgs {
    /// The SQLite file, made and filled if it is not there [default: tasker-cache-demo.sqlite
    /// among the temporary files].
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// How many step executions a new database is filled with.
    #[arg(long, value_name = "N", default_value_t = seed::EXECUTIONS, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) executions: u32,
}

impl DatabaseArgs {
    /// Returns the path of the SQLite file.
    pub(crate) fn path(&self) -> PathBuf {
        self.database
            .clone()
            .unwrap_or_else(|| std::env::temp_dir().join("tasker-cache-demo.sqlite"))
    }
}
