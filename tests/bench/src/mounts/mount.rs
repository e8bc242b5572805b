//! One mounted bucket: mounted, remounted with nothing cached, killed, unmounted when dropped.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::peer::{Peer, Place};
use crate::process::{family, memory_of};

/// For a program to mount, and to end once it is unmounted.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(10);

/// A mounted bucket.
pub struct Mount {
    /// What mounts it.
    pub peer: Peer,
    /// Where and what.
    pub place: Place,
    child: Child,
    /// The most memory of the processes of earlier mounts, in MiB.
    peak_before: f64,
}

impl Mount {
    /// Prepares the bucket and mounts it.
    pub fn start(peer: Peer, place: Place) -> anyhow::Result<Self> {
        fs::create_dir_all(&place.at)?;
        fs::create_dir_all(&place.state)?;
        if let Some(mut preparation) = peer.preparation(&place) {
            let status = logged(&mut preparation, &place)?.wait()?;
            ensure!(status.success(), "could not prepare: {}", log(&place));
        }
        let child = mount(peer, &place)?;
        Ok(Self {
            peer,
            place,
            child,
            peak_before: 0.0,
        })
    }

    /// A path below the mount.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.at.join(name)
    }

    /// Unmounts and mounts again, without what was cached in memory or on the disk.
    pub fn remount_cold(&mut self) -> anyhow::Result<()> {
        self.peak_before = self.peak_memory();
        self.stop();
        self.forget_and_mount()
    }

    /// Kills the processes, removes their caches and mounts again.
    pub fn crash(&mut self) -> anyhow::Result<()> {
        self.peak_before = self.peak_memory();
        kill_mount(&self.pids(), &self.place.at);
        self.stop();
        self.forget_and_mount()
    }

    fn forget_and_mount(&mut self) -> anyhow::Result<()> {
        let cache = self.place.cache();
        if cache.exists() {
            fs::remove_dir_all(cache)?;
        }
        drop_page_cache()?;
        self.child = mount(self.peer, &self.place)?;
        Ok(())
    }

    /// The most memory that the processes of one mount have held, in MiB.
    pub fn peak_memory(&self) -> f64 {
        let peaks = self.pids().into_iter();
        let now: f64 = peaks.filter_map(|pid| memory_of(pid, "VmHWM:").ok()).sum();
        now.max(self.peak_before)
    }

    /// Kills the mount unless what is returned is dropped in time: the kernel then answers calls
    /// that hang with an error.
    pub fn watch(&self, limit: Duration) -> mpsc::Sender<()> {
        let (in_time, waiting) = mpsc::channel();
        let (pids, at) = (self.pids(), self.place.at.clone());
        thread::spawn(move || {
            if waiting.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                kill_mount(&pids, &at);
            }
        });
        in_time
    }

    fn pids(&self) -> Vec<i32> {
        i32::try_from(self.child.id()).map_or(Vec::new(), family)
    }

    fn stop(&mut self) {
        let pids = self.pids();
        // A program may hold the mount busy for a moment.
        if umount2(&self.place.at, MntFlags::empty()) == Err(Errno::EBUSY) {
            thread::sleep(Duration::from_secs(1));
            let _ = umount2(&self.place.at, MntFlags::MNT_DETACH);
        }
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(PAUSE);
        }
        if matches!(self.child.try_wait(), Ok(None)) {
            kill_mount(&pids, &self.place.at);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Makes reads cold, those of the server too.
pub fn drop_page_cache() -> anyhow::Result<()> {
    nix::unistd::sync();
    fs::write("/proc/sys/vm/drop_caches", "3").context("only root can make reads cold")
}

/// Kills the processes of a mount. One that waits for the mount itself, as JuiceFS's first one
/// does, ends only when the kernel gives up on what it was asked: so the unmount is a forced one.
fn kill_mount(pids: &[i32], at: &Path) {
    for pid in pids {
        let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
    }
    let _ = umount2(at, MntFlags::MNT_FORCE | MntFlags::MNT_DETACH);
}

fn mount(peer: Peer, place: &Place) -> anyhow::Result<Child> {
    let device = || fs::metadata(&place.at).map(|it| it.dev());
    let before = device().context("the folder to mount at")?;
    let mut child = logged(&mut peer.mount(place), place)?;
    let deadline = Instant::now() + PATIENCE;
    while !device().is_ok_and(|now| now != before) {
        if let Some(status) = child.try_wait()? {
            bail!("could not mount: {status}: {}", log(place));
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            bail!("not mounted in {PATIENCE:?}: {}", log(place));
        }
        thread::sleep(PAUSE);
    }
    Ok(child)
}

/// Starts a command that writes to the log.
fn logged(command: &mut Command, place: &Place) -> anyhow::Result<Child> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(place.state.join("log"))?;
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("could not start {}", place.program.display()))
}

/// The end of the log.
fn log(place: &Place) -> String {
    let text = fs::read(place.state.join("log")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().rev().take(3).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
}
