//! Log lines on stderr that leave the progress bar whole.

use std::io::{self, Write};

use indicatif::MultiProgress;
use tracing_subscriber::EnvFilter;

/// Logs to stderr what `RUST_LOG` asks for, or else the default; a bar is moved out of the way.
pub(crate) fn init(default: &str, bars: &MultiProgress) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let bars = bars.clone();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(move || BesideBars(bars.clone()))
        .init();
}

struct BesideBars(MultiProgress);

impl Write for BesideBars {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
