//! Runs programs that have to succeed.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, bail};

/// Runs a command, and answers what it printed.
///
/// # Errors
/// When it cannot be started, or fails: with what it said.
pub fn output(command: &mut Command, input: &str) -> anyhow::Result<String> {
    let said = run(command, input).with_context(|| format!("could not run {command:?}"))?;
    if !said.status.success() {
        let (status, why) = (said.status, String::from_utf8_lossy(&said.stderr));
        bail!("{command:?} failed ({status}): {}", why.trim());
    }
    Ok(String::from_utf8_lossy(&said.stdout).into_owned())
}

fn run(command: &mut Command, input: &str) -> std::io::Result<Output> {
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading says why by itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output()
}
