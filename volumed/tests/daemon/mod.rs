//! A `volumed serve` in a folder of its own.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use volumed_client::admin::{AdminClient, CreateVolume};

/// Long enough for the slowest machine; no test waits for it unless it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Daemon {
    child: Child,
    folder: TempDir,
    config: Option<String>,
}

pub fn volumed() -> Command {
    Command::new(env!("CARGO_BIN_EXE_volumed"))
}

impl Daemon {
    pub fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), None)
    }

    /// With at most so many open files.
    pub fn start_limited(descriptors: u64) -> Self {
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("ulimit -n {descriptors} && exec \"$0\" \"$@\""))
            .arg(env!("CARGO_BIN_EXE_volumed"));
        Self::start_as(command, tempfile::tempdir().unwrap(), None)
    }

    /// With a configuration file and environment variables.
    pub fn start_under(config: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = volumed();
        command.envs(environment.iter().copied());
        Self::start_as(
            command,
            tempfile::tempdir().unwrap(),
            Some(config.to_owned()),
        )
    }

    /// With a configuration file.
    pub fn start_with(config: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), Some(config.to_owned()))
    }

    /// In a folder that may hold data already.
    pub fn start_in(folder: TempDir, config: Option<String>) -> Self {
        Self::start_as(volumed(), folder, config)
    }

    fn start_as(mut command: Command, folder: TempDir, config: Option<String>) -> Self {
        command
            .arg("serve")
            .arg("--data")
            .arg(folder.path().join("data"));
        if let Some(config) = &config {
            let path = folder.path().join("volumed.toml");
            std::fs::write(&path, config).unwrap();
            command.arg("--config").arg(path);
        }
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.path().join("log"))
            .unwrap();
        let child = command.stderr(log).stdin(Stdio::null()).spawn().unwrap();
        let mut daemon = Self {
            child,
            folder,
            config,
        };
        daemon.wait_until_ready();
        daemon
    }

    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while std::os::unix::net::UnixStream::connect(self.admin_socket()).is_err() {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Replaces the configuration file.
    pub fn configure(&self, config: &str) {
        std::fs::write(self.folder.path().join("volumed.toml"), config).unwrap();
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn admin_socket(&self) -> PathBuf {
        self.data().join("admin.sock")
    }

    pub fn nbd_socket(&self) -> PathBuf {
        self.data().join("nbd.sock")
    }

    pub fn uri(&self, export: &str) -> String {
        format!(
            "nbd+unix:///{export}?socket={}",
            self.nbd_socket().display()
        )
    }

    pub fn admin(&self) -> AdminClient {
        AdminClient::new(self.admin_socket())
    }

    /// Runs a command of `volumed` against this daemon.
    pub fn run(&self, arguments: &[&str]) -> Output {
        volumed()
            .args(arguments)
            .arg("--socket")
            .arg(self.admin_socket())
            .output()
            .unwrap()
    }

    pub async fn create(&self, name: &str, size: u64) {
        let volume = CreateVolume {
            name: name.to_owned(),
            size,
            replicas: 1,
            auto_grow: None,
            quota: None,
        };
        self.admin().create_volume(&volume).await.unwrap();
    }

    /// How many files the daemon has open.
    pub fn open_descriptors(&self) -> u64 {
        let folder = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(folder).unwrap().count() as u64
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    pub fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "did not stop:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Stops the daemon with `signal` and starts it again on the same data.
    pub fn restart(mut self, signal: Signal) -> Self {
        self.signal(signal);
        self.wait();
        self.restart_stopped()
    }

    /// Starts the daemon, which has ended, again with another configuration file.
    pub fn restart_stopped_with(mut self, config: &str) -> Self {
        self.config = Some(config.to_owned());
        self.restart_stopped()
    }

    /// Starts the daemon, which has ended, again on the same data.
    pub fn restart_stopped(mut self) -> Self {
        let (spare, config) = (tempfile::tempdir().unwrap(), self.config.take());
        let folder = std::mem::replace(&mut self.folder, spare);
        drop(self);
        Self::start_in(folder, config)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program printed; it must have succeeded.
pub fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{command:?}:\n{out}{err}");
    out.into_owned()
}

/// Bytes that differ from place to place, and from seed to seed.
pub fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next)
        .flatten()
        .take(length)
        .collect()
}
