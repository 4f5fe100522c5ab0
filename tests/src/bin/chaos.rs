//! The history checker over real processes and real servers; `cargo xtask chaos` runs it.

use std::process::ExitCode;

fn main() -> ExitCode {
    tasker_cache_tests::chaos::main()
}
