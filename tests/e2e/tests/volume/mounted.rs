//! A volume as a block device of this machine, without the kernel's NBD client: nbdfuse shows it as a
//! file, and a loop device makes that a block device. Needs root.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hayrack_e2e::clients::{debian, run};
use hayrack_e2e::volumed::Volumed;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_mins(5);

/// The block device.
pub struct Device {
    folder: TempDir,
    nbdfuse: Child,
    name: String,
}

impl Device {
    pub fn attach(volumed: &Volumed, volume: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join("volume");
        File::create(&file).expect("a file can be made");
        let nbdfuse = Command::new(debian("nbdfuse"))
            .arg(&file)
            .arg(volumed.uri(volume))
            .stdin(Stdio::null())
            .spawn()
            .expect("nbdfuse can be started");
        until("nbdfuse shows the volume", || {
            fs::metadata(&file).is_ok_and(|file| file.len() > 0)
        });
        let mut losetup = Command::new("losetup");
        let device = run(losetup.args(["--find", "--show"]).arg(&file));
        Self {
            folder,
            nbdfuse,
            name: device.trim().to_owned(),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs a program on it.
    pub fn run(&self, words: &[&str]) -> String {
        run(Command::new(words[0]).args(&words[1..]).arg(&self.name))
    }

    pub fn mount(&self, options: &str) -> Mounted<'_> {
        let at = tempfile::tempdir().expect("a temporary folder can be made");
        let mut mount = Command::new("mount");
        run(mount.args(["-o", options, &self.name]).arg(at.path()));
        Mounted { at, device: self }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // The server may be gone, and a test may have failed halfway.
        let _ = Command::new("losetup").args(["-d", &self.name]).status();
        let file = self.folder.path().join("volume");
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline && !unmounted(&file) {
            thread::sleep(Duration::from_millis(50));
        }
        let _ = self.nbdfuse.kill();
        let _ = self.nbdfuse.wait();
    }
}

/// A file system on it that is mounted.
pub struct Mounted<'a> {
    at: TempDir,
    device: &'a Device,
}

impl Mounted<'_> {
    pub fn path(&self) -> &Path {
        self.at.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub fn trim(&self) {
        run(Command::new("fstrim").arg(self.path()));
    }

    /// Unmounts it, once nobody uses it any more.
    pub fn unmount(self) {
        until("it is unmounted", || unmounted(self.path()));
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        if mounts().any(|line| line.starts_with(&format!("{} ", self.device.name))) {
            let mut umount = Command::new("umount");
            let _ = umount.arg("--lazy").arg(self.path()).status();
        }
    }
}

/// Unmounts what is mounted there, and answers whether nothing is.
fn unmounted(path: &Path) -> bool {
    let mut umount = Command::new("umount");
    // It tells of its failure by what is mounted still.
    let _ = umount.arg(path).stderr(Stdio::null()).status();
    let path = path.display().to_string();
    !mounts().any(|line| line.split(' ').nth(1) == Some(&path))
}

fn mounts() -> impl Iterator<Item = String> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let lines: Vec<_> = mounts.lines().map(str::to_owned).collect();
    lines.into_iter()
}

pub fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
