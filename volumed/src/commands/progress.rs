//! One line on a terminal that says how far something is.

use std::io::{self, IsTerminal as _, Stderr, Write as _};
use std::time::Duration;

/// How often the daemon is asked how far it is.
const LOOK: Duration = Duration::from_millis(500);

/// What is not a terminal is told nothing.
pub struct Progress {
    out: Stderr,
    shows: bool,
}

impl Progress {
    pub fn begin() -> Self {
        let out = io::stderr();
        let shows = out.is_terminal();
        Self { out, shows }
    }

    /// In place of the line before.
    pub fn show(&mut self, line: &str) -> io::Result<()> {
        if self.shows {
            write!(self.out, "\r\x1b[K{line}")?;
        }
        Ok(())
    }

    /// Until it is worth to ask again.
    pub async fn pause(&self) {
        tokio::time::sleep(LOOK).await;
    }

    /// What is printed next is on a line of its own.
    pub fn end(mut self) -> io::Result<()> {
        if self.shows {
            writeln!(self.out)?;
        }
        Ok(())
    }
}
