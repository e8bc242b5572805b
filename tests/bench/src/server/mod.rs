//! A server under test: started for the run, measured, killed and started again, stopped after it.

mod launch;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::ask::ask;
use crate::process::memory_of;
use crate::sign::Target;
use launch::Launched;

pub use launch::Launch;

const START_LIMIT: Duration = Duration::from_mins(1);
/// Between questions to a server that starts.
const PAUSE: Duration = Duration::from_millis(5);

/// A running server; it is stopped when dropped.
pub struct Server {
    launch: Launch,
    running: Launched,
    /// The most memory of the processes before a restart, in MiB.
    peak_before: f64,
}

impl Server {
    /// Starts it and sees to it that its bucket is there.
    pub fn start(launch: Launch) -> anyhow::Result<Self> {
        let mut server = Self {
            running: launch.start()?,
            launch,
            peak_before: 0.0,
        };
        if server.running.creates_bucket {
            let request = server.target().presign("PUT", "", "")?;
            server.ask_until("PUT", &request, &[200, 409])?;
        }
        Ok(server)
    }

    /// Its name in the table.
    pub fn name(&self) -> &'static str {
        self.launch.name()
    }

    /// Where to send requests.
    pub fn target(&self) -> &Target {
        &self.running.target
    }

    /// Whether it stores what it is sent.
    pub fn stores(&self) -> bool {
        self.launch.stores()
    }

    /// Kills it and starts it on the same data. How long it takes from there until `key` is
    /// answered for.
    pub fn restart(&mut self, key: &str) -> anyhow::Result<Duration> {
        self.peak_before = self.peak_memory()?;
        // The first one may look after the others.
        for pid in std::iter::once(self.child_pid()?).chain(self.running.pids.iter().copied()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        self.running.child.wait()?;
        for pid in &self.running.pids {
            while fs::exists(format!("/proc/{pid}"))? {
                thread::sleep(PAUSE);
            }
        }
        let started = Instant::now();
        self.running = self.launch.start()?;
        let request = self.target().presign("HEAD", key, "")?;
        self.ask_until("HEAD", &request, &[200])?;
        Ok(started.elapsed())
    }

    /// Sends a request again and again until the answer is one of these.
    fn ask_until(&mut self, method: &str, target: &str, good: &[u16]) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let outcome = ask(self.target(), method, target, None);
            if outcome.as_ref().is_ok_and(|it| good.contains(&it.status)) {
                return Ok(());
            }
            if let Some(status) = self.running.child.try_wait()? {
                bail!("{} ended at its start: {status}", self.name());
            }
            let outcome = outcome.map(|response| response.status);
            let late = Instant::now() > deadline;
            ensure!(!late, "{} is not ready: {outcome:?}", self.name());
            thread::sleep(PAUSE);
        }
    }

    /// The most memory that its processes have held, in MiB (VmHWM of `proc/PID/status`).
    pub fn peak_memory(&self) -> anyhow::Result<f64> {
        Ok(self.memory("VmHWM:")?.max(self.peak_before))
    }

    /// The memory that its processes hold now, in MiB (VmRSS).
    pub fn held_memory(&self) -> anyhow::Result<f64> {
        self.memory("VmRSS:")
    }

    fn memory(&self, field: &str) -> anyhow::Result<f64> {
        let pids = self.running.pids.iter();
        pids.map(|pid| memory_of(*pid, field)).sum()
    }

    fn child_pid(&self) -> anyhow::Result<i32> {
        Ok(i32::try_from(self.running.child.id())?)
    }
}

/// A program of Hayrack: the one that was named, or the one beside this program.
pub fn program(named: Option<&Path>, name: &str) -> anyhow::Result<PathBuf> {
    match named {
        Some(path) => Ok(path.to_owned()),
        None => Ok(std::env::current_exe()?.with_file_name(name)),
    }
}

/// A new folder for the data of a run; it is removed when dropped.
pub fn folder(parent: &Path) -> anyhow::Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix("hayrack-bench-")
        .tempdir_in(parent)
        .with_context(|| format!("could not make a folder in {}", parent.display()))
}

impl Drop for Launched {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

fn stop(child: &mut Child) {
    if matches!(child.try_wait(), Ok(None))
        && let Ok(pid) = i32::try_from(child.id())
    {
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    let _ = child.wait();
}
