//! A daemon on a node.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::name::RackName;

/// The variable by which a rack's processes are found.
const MARK: &str = "HAYRACK_RACK";
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A daemon that was started.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
}

impl Process {
    /// Starts a daemon of a rack, which appends what it says to `log`. It has a process group of its own, so that
    /// Ctrl-C leaves its end to the rack.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        name: &'static str,
        rack: RackName,
        command: &mut Command,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let started = open_log(log).and_then(|log| {
            let command = command.env(MARK, rack.to_string()).process_group(0);
            command.stdin(Stdio::null()).stdout(log.try_clone()?);
            command.stderr(log).spawn()
        });
        let child = started.with_context(|| format!("could not start {name}"))?;
        Ok(Self { name, child })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended yet.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it as kill -9 does.
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// When it does not end in time, or not well.
    pub fn until_ended(&mut self, patience: Duration) -> anyhow::Result<()> {
        let status = self.wait(patience)?;
        if !status.success() {
            bail!("{} did not end well: {status}", self.name);
        }
        Ok(())
    }

    fn wait(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(LOOK_AGAIN);
        }
        bail!("{} did not end within {patience:?}", self.name)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        send(self.id(), signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn open_log(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

/// Sends a signal to a process; one that is gone needs none.
pub fn send(process: u32, signal: Signal) {
    if let Ok(process) = i32::try_from(process) {
        let _ = kill(Pid::from_raw(process), signal);
    }
}

/// The processes that run, with the racks whose daemons they are.
///
/// # Errors
/// When /proc cannot be read.
pub fn of_racks() -> io::Result<Vec<(u32, RackName)>> {
    let processes = fs::read_dir("/proc")?.flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(numbers.filter_map(|id| Some((id, rack_of(id)?))).collect())
}

/// None of one that ended, or is somebody else's.
fn rack_of(process: u32) -> Option<RackName> {
    let variables = fs::read(format!("/proc/{process}/environ")).ok()?;
    let mut variables = variables.split(|byte| *byte == 0);
    let rack = variables.find_map(|it| it.strip_prefix(format!("{MARK}=").as_bytes()))?;
    std::str::from_utf8(rack).ok()?.parse().ok()
}

/// The processes that a process started.
pub fn children(process: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|id| parent(*id) == Some(process)).collect()
}

fn parent(process: u32) -> Option<u32> {
    stat(process)?.split(' ').nth(1)?.parse().ok()
}

/// Whether a process was stopped where it is.
pub fn is_paused(process: u32) -> bool {
    stat(process).is_some_and(|stat| stat.starts_with('T'))
}

/// What the system says of a process from its state on: its parent is next.
fn stat(process: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // A name may hold spaces and parentheses.
    let (_, behind_name) = stat.rsplit_once(") ")?;
    Some(behind_name.to_owned())
}
