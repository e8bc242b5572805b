//! Mounting in the background: the program starts itself again, and ends when that one has mounted.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use super::MountCommand;

/// How much of the log is shown when the bucket could not be mounted.
const SHOWN: usize = 4000;

/// Mounts; returns when the bucket is mounted.
pub fn mount(command: &MountCommand) -> anyhow::Result<()> {
    let log = log_file(command)?;
    let before = std::fs::metadata(&log.0).map_or(0, |it| it.len());
    // It may be started somewhere else.
    let program = std::env::current_exe().context("this program cannot be found")?;
    let mut child = Command::new(program)
        .args(arguments())
        .arg("--foreground")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log.1)
        .process_group(0)
        .spawn()
        .context("the program that serves the mount cannot be started")?;
    let stdout = child.stdout.take().context("it has an output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    if line.is_empty() {
        let status = child.wait()?;
        let said = said_since(&log.0, before);
        let said = said.trim();
        if said.is_empty() {
            bail!("it could not be mounted ({status})");
        }
        bail!("{}", said.strip_prefix("fused: ").unwrap_or(said));
    }
    print!("{line}");
    Ok(())
}

/// The arguments that this program was given, as `fused` understands them.
fn arguments() -> Vec<std::ffi::OsString> {
    let given: Vec<_> = std::env::args_os().collect();
    let translated = super::helper::translate(&given).and_then(Result::ok);
    let arguments = translated.unwrap_or(given);
    arguments.into_iter().skip(1).collect()
}

fn log_file(command: &MountCommand) -> anyhow::Result<(PathBuf, File)> {
    let path = match &command.log {
        Some(path) => path.clone(),
        None => command
            .staging()?
            .join(format!("{}.log", command.bucket.bucket)),
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("the log {} cannot be written", path.display()))?;
    Ok((path, file))
}

fn said_since(log: &Path, before: u64) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let said = text.get(before as usize..).unwrap_or_default();
    let said = &said[said.len().saturating_sub(SHOWN)..];
    String::from_utf8_lossy(said).into_owned()
}
