//! volumed alone, with one disk.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::binaries::binary;
use crate::clients::run;
use crate::rack::{kill_process, runs};

const START_LIMIT: Duration = Duration::from_mins(1);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// The daemon, and the folder in which its disk is.
#[derive(Debug)]
pub struct Volumed {
    folder: TempDir,
    child: Child,
}

impl Volumed {
    /// Starts it on an empty disk of this capacity.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn start(capacity: &str) -> Self {
        Self::start_with(capacity, "")
    }

    /// As [`start`](Self::start), with more settings.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn start_with(capacity: &str, more: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("hayrack-").tempdir();
        let folder = folder.expect("a temporary folder can be made");
        let disk = folder.path().join("disk0");
        fs::create_dir(&disk).expect("a folder can be made");
        let config = format!(
            "disks = [{{ path = \"{}\", capacity = \"{capacity}\", reserve = \"0\" }}]\n{more}",
            disk.display()
        );
        fs::write(folder.path().join("volumed.toml"), config).expect("a file can be written");
        let child = spawn(folder.path());
        let volumed = Self { folder, child };
        volumed.until_ready();
        volumed
    }

    /// Ends it as a crash would.
    ///
    /// # Panics
    /// When it does not end.
    pub fn kill(&mut self) {
        kill_process(self.child.id(), Signal::SIGKILL);
        self.child.wait().expect("a child can be waited for");
    }

    /// Stops it as a service manager does.
    ///
    /// # Panics
    /// When it does not end well.
    pub fn stop(&mut self) {
        kill_process(self.child.id(), Signal::SIGTERM);
        let status = self.child.wait().expect("a child can be waited for");
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// Starts it again, once it has ended.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn start_again(&mut self) {
        self.spawn_again();
        self.until_ready();
    }

    /// Starts it again, ready or not.
    pub fn spawn_again(&mut self) {
        self.child = spawn(self.folder.path());
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A path in its folder, beside what is its own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What it has written to stderr.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// The log, for others to write to as well.
    pub(crate) fn appended_log(&self) -> File {
        appended_log(self.folder.path())
    }

    /// The NBD socket.
    pub fn nbd_socket(&self) -> PathBuf {
        self.path("volumed/nbd.sock")
    }

    /// A volume as NBD's clients name it.
    pub fn uri(&self, volume: &str) -> String {
        format!(
            "nbd+unix:///{volume}?socket={}",
            self.nbd_socket().display()
        )
    }

    /// Runs a command of `volumed`, and answers what it printed as JSON.
    ///
    /// # Panics
    /// When it is refused.
    pub fn command(&self, words: &[&str]) -> Value {
        let mut command = Command::new(binary("volumed"));
        command.args(words).args(["--json", "--socket"]);
        let printed = run(command.arg(self.admin_socket()));
        serde_json::from_str(&printed).expect("--json prints JSON")
    }

    /// Creates a volume.
    ///
    /// # Panics
    /// When it is refused.
    pub fn create(&self, volume: &str, size: &str) {
        self.command(&["volume", "create", volume, "--size", size]);
    }

    /// Bytes of the pool in use.
    ///
    /// # Panics
    /// When it is not told.
    pub fn used(&self) -> u64 {
        let pool = self.command(&["pool", "show"]);
        pool["used"].as_u64().expect("the pool tells what is used")
    }

    /// The admin socket.
    pub fn admin_socket(&self) -> PathBuf {
        self.path("volumed/admin.sock")
    }

    fn until_ready(&self) {
        let deadline = Instant::now() + START_LIMIT;
        while std::os::unix::net::UnixStream::connect(self.admin_socket()).is_err() {
            assert!(runs(self.child.id()), "it ended: {}", self.log());
            assert!(Instant::now() < deadline, "silent: {}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Volumed {
    fn drop(&mut self) {
        kill_process(self.child.id(), Signal::SIGTERM);
        let deadline = Instant::now() + STOP_LIMIT;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(10));
        }
        // It may just have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(folder: &Path) -> Child {
    Command::new(binary("volumed"))
        .args(["serve", "--data"])
        .arg(folder.join("volumed"))
        .arg("--config")
        .arg(folder.join("volumed.toml"))
        .stdin(Stdio::null())
        .stderr(appended_log(folder))
        .spawn()
        .expect("volumed can be started")
}

fn appended_log(folder: &Path) -> File {
    let mut appending = File::options();
    appending.create(true).append(true);
    appending.open(folder.join("log")).expect("a log")
}
