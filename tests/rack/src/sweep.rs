//! Removes what a rack made on this machine, however it ended: processes, namespaces, interfaces.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use nix::sys::signal::Signal;

use crate::name::RackName;
use crate::network::{namespaces, remove_namespace};
use crate::process::{of_racks, send};

/// A process that was killed may still wait for its disk.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Waits beside the process that has a rack, and sweeps when that ends or drops it.
#[derive(Debug)]
pub struct Sweeper {
    child: Child,
    /// It closes with the process, in whatever way that ends.
    until: Option<ChildStdin>,
}

impl Sweeper {
    /// Starts it: `program` is this crate's. It removes the folder `remove` as well, if there is one.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(program: &Path, rack: RackName, remove: Option<&Path>) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.args(["sweep", &rack.to_string()]).args(remove);
        // Ctrl-C is for the process that it waits for.
        command.stdin(Stdio::piped()).process_group(0);
        let child = command.spawn();
        let mut child = child.with_context(|| format!("could not start {}", program.display()))?;
        let until = child.stdin.take();
        Ok(Self { child, until })
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.until = None;
        // What it could not sweep, it said.
        let _ = self.child.wait();
    }
}

/// Sweeps after `rack` once the standard input ends, and removes a folder, if one is given.
///
/// # Errors
/// When something cannot be removed.
pub fn sweep_at_end_of_input(rack: RackName, remove: Option<&Path>) -> anyhow::Result<()> {
    io::copy(&mut io::stdin(), &mut io::sink())?;
    sweep(|name| name == rack)?;
    match remove {
        Some(folder) => fs::remove_dir_all(folder)
            .with_context(|| format!("could not remove {}", folder.display())),
        None => Ok(()),
    }
}

/// Sweeps after the racks whose processes are gone.
///
/// # Errors
/// When something cannot be removed.
pub fn sweep_left_behind() -> anyhow::Result<()> {
    sweep(RackName::is_left_behind)
}

fn sweep(wanted: impl Fn(RackName) -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let processes = of_racks()?;
        let mut left = processes
            .iter()
            .filter(|(_, rack)| wanted(*rack))
            .peekable();
        if left.peek().is_none() {
            break;
        }
        ensure!(Instant::now() < deadline, "{left:?} cannot be killed");
        left.for_each(|(process, _)| send(*process, Signal::SIGKILL));
        thread::sleep(LOOK_AGAIN);
    }
    remove_namespaces(wanted)
}

/// Somebody else may sweep at the same time: what counts is that they are gone.
fn remove_namespaces(wanted: impl Fn(RackName) -> bool) -> anyhow::Result<()> {
    let left = || {
        // Where there are no namespaces, `ip` may be missing, too.
        let mut names = namespaces().unwrap_or_default();
        names.retain(|name| RackName::of_namespace(name).is_some_and(&wanted));
        names
    };
    let removed: Vec<_> = left().iter().map(|name| remove_namespace(name)).collect();
    match left().first() {
        None => Ok(()),
        Some(_) => removed.into_iter().collect(),
    }
}
