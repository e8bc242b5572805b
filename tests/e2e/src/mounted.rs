//! A bucket mounted by `fused`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, umount2};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::binaries::binary;
use crate::rack::{Rack, kill_process};

const LIMIT: Duration = Duration::from_secs(30);

/// A place to mount at, which outlives each mount.
#[derive(Debug)]
pub struct MountPoint {
    folder: TempDir,
}

impl Default for MountPoint {
    fn default() -> Self {
        Self::new()
    }
}

impl MountPoint {
    /// A new, empty one.
    ///
    /// # Panics
    /// When there is no room for it.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("hayrack-").tempdir();
        let folder = folder.expect("a temporary folder can be made");
        fs::create_dir(folder.path().join("mnt")).expect("a folder can be made");
        Self { folder }
    }

    /// Where the bucket is mounted.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("mnt")
    }

    /// Where changes are staged.
    pub fn staging(&self) -> PathBuf {
        self.folder.path().join("staging")
    }

    /// What `fused` has written to stderr so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Starts `fused mount`, ready or not.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn(&self, rack: &Rack<'_>, bucket: &str, arguments: &[&str]) -> Child {
        self.spawn_with(&rack.env(), bucket, arguments)
    }

    fn spawn_with(
        &self,
        variables: &BTreeMap<String, String>,
        bucket: &str,
        arguments: &[&str],
    ) -> Child {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"));
        Command::new(binary("fused"))
            .arg("mount")
            .arg(format!("s3://{bucket}"))
            .arg(self.path())
            .arg("--foreground")
            .arg("--staging")
            .arg(self.staging())
            .args(arguments)
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("the log can be opened"))
            .spawn()
            .expect("fused can be started")
    }

    /// Mounts the first bucket of a rack.
    ///
    /// # Panics
    /// When it is not mounted in time.
    pub fn mount(&self, rack: &Rack<'_>, arguments: &[&str]) -> Mounted<'_> {
        self.mount_with(&rack.env(), &rack.var("HAYRACK_BUCKET"), arguments)
    }

    /// Mounts a bucket, knowing no more of the rack than these variables and arguments say.
    ///
    /// # Panics
    /// When it is not mounted in time.
    pub fn mount_with(
        &self,
        variables: &BTreeMap<String, String>,
        bucket: &str,
        arguments: &[&str],
    ) -> Mounted<'_> {
        let child = self.spawn_with(variables, bucket, arguments);
        let mut mounted = Mounted { at: self, child };
        let deadline = Instant::now() + LIMIT;
        while !is_mount_point(&self.path()) {
            let ended = mounted.child.try_wait().expect("a child can be waited for");
            assert!(ended.is_none(), "fused ended: {}", self.log());
            assert!(Instant::now() < deadline, "nothing is mounted in time");
            thread::sleep(Duration::from_millis(10));
        }
        mounted
    }
}

/// A bucket that is mounted.
#[derive(Debug)]
pub struct Mounted<'a> {
    at: &'a MountPoint,
    child: Child,
}

impl Mounted<'_> {
    /// Where.
    pub fn path(&self) -> PathBuf {
        self.at.path()
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks `fused` to unmount, as Ctrl-C does.
    pub fn interrupt(&self) {
        kill_process(self.child.id(), Signal::SIGINT);
    }

    /// Unmounts as Ctrl-C does.
    ///
    /// # Panics
    /// When `fused` does not end well.
    pub fn unmount(self) {
        self.interrupt();
        self.wait();
    }

    /// Waits for the end of `fused`.
    ///
    /// # Panics
    /// When it does not end well.
    pub fn wait(self) {
        let at = self.at;
        let status = self.ended();
        assert!(status.success(), "{status}: {}", at.log());
    }

    /// Unmounts as Ctrl-C does; answers how it ended.
    ///
    /// # Panics
    /// When it does not end.
    pub fn interrupted(self) -> ExitStatus {
        self.interrupt();
        self.ended()
    }

    fn ended(mut self) -> ExitStatus {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                assert!(!is_mount_point(&self.at.path()), "it is still mounted");
                return status;
            }
            assert!(Instant::now() < deadline, "fused does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends `fused` as a crash would, and takes the dead mount away.
    ///
    /// # Panics
    /// When it cannot be waited for.
    pub fn kill(mut self) {
        kill_process(self.child.id(), Signal::SIGKILL);
        self.child.wait().expect("a child can be waited for");
        // `drop` takes the mount away.
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        // Both may have happened.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if is_mount_point(&self.at.path()) {
            let _ = umount2(&self.at.path(), MntFlags::MNT_DETACH);
        }
    }
}

fn is_mount_point(path: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let path = path.to_string_lossy();
    mounts
        .lines()
        .any(|line| line.split(' ').nth(1) == Some(&*path))
}
