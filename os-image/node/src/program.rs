//! Programs of the system.

use std::ffi::OsStr;
use std::io;
use std::process::{Command, Output};

/// Why a program did not do what it was run for.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It could not be started.
    #[error("cannot run {program}: {source}")]
    Start {
        /// Its name.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// It failed.
    #[error("{program} failed ({status}): {said}")]
    Failed {
        /// Its name.
        program: String,
        /// How it ended.
        status: String,
        /// What it said last.
        said: String,
    },
}

/// Runs a program to its end; an exit code other than 0 is an error.
pub fn run<A: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = A>,
) -> Result<String, ProgramError> {
    finish(program, Command::new(program).args(arguments))
}

/// Runs what was prepared.
pub fn finish(program: &str, command: &mut Command) -> Result<String, ProgramError> {
    let output = output(program, command)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(ProgramError::Failed {
        program: program.to_owned(),
        status: output.status.to_string(),
        said: last_words(&output),
    })
}

/// Runs what was prepared, whatever its exit code.
pub fn output(program: &str, command: &mut Command) -> Result<Output, ProgramError> {
    command.output().map_err(|source| ProgramError::Start {
        program: program.to_owned(),
        source,
    })
}

fn last_words(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says_is_passed_on() {
        assert_eq!(run("echo", ["a"]).unwrap(), "a\n");
        let error = run("sh", ["-c", "echo no >&2; exit 3"]).unwrap_err();
        assert_eq!(error.to_string(), "sh failed (exit status: 3): no");
        let error = run("/no/such/program", [""; 0]).unwrap_err();
        assert!(matches!(error, ProgramError::Start { .. }));
    }
}
