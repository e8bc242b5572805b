//! Printing answers.

use std::io::{self, Write as _};

use serde::Serialize;

/// Prints text for people, with a newline at its end.
pub fn text(text: &str) -> io::Result<()> {
    let line = format!("{}\n", text.trim_end());
    match io::stdout().write_all(line.as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Prints JSON, or else the text for people.
pub fn answer(
    json: bool,
    answer: &impl Serialize,
    human: impl FnOnce() -> String,
) -> io::Result<()> {
    if json {
        let json = serde_json::to_string_pretty(answer).map_err(io::Error::other)?;
        text(&json)
    } else {
        text(&human())
    }
}
