//! A process that goes on when its terminal is gone.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::process::{Command, ExitCode, Stdio};

use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, setsid};

/// Runs this very command once more, as a process that stays; ends when that has answered or failed.
pub fn run() -> io::Result<ExitCode> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .args(["--foreground", "--background"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut answer = Vec::new();
    if let Some(mut output) = child.stdout.take() {
        // Ends when the child leaves the terminal, or ends.
        output.read_to_end(&mut answer)?;
    }
    io::stdout().write_all(&answer)?;
    if !answer.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let code = child
        .wait()?
        .code()
        .and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The other half: after the answer, nothing is left of the terminal. The log goes to the kernel's, which has
/// what the device says, too.
pub fn leave_terminal() -> io::Result<()> {
    let nothing = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    let log = OpenOptions::new().write(true).open("/dev/kmsg");
    setsid()?;
    dup2_stdin(&nothing)?;
    dup2_stderr(log.as_ref().unwrap_or(&nothing))?;
    dup2_stdout(&nothing)?;
    std::env::set_current_dir("/")
}
