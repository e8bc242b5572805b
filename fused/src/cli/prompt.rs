//! Asking whoever runs the program.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::{Context as _, ensure};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

/// A line that may be seen; it is asked for at a terminal only.
pub fn line(question: &str) -> anyhow::Result<String> {
    eprint!("{question}: ");
    io::stderr().flush()?;
    read()
}

/// A secret: typed at a terminal, which does not show it, or else the first line of standard input.
pub fn secret(question: &str) -> anyhow::Result<String> {
    if !io::stdin().is_terminal() {
        return read();
    }
    eprint!("{question}: ");
    io::stderr().flush()?;
    let hidden = Hidden::begin().context("the terminal cannot be kept from showing it")?;
    let secret = read();
    drop(hidden);
    eprintln!();
    secret
}

fn read() -> anyhow::Result<String> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let line = line.trim_end_matches(['\r', '\n']);
    ensure!(!line.is_empty(), "nothing was given");
    Ok(line.to_owned())
}

/// As long as this lives, the terminal shows nothing of what is typed.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> nix::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_flags.remove(LocalFlags::ECHO);
        // What was typed before the question is no answer to it.
        tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        let _ = tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &self.0);
    }
}
