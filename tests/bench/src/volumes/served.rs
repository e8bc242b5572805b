//! What serves the bytes over NBD: a volume, or nbdkit with a file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::process::processor_time;
use crate::size::ByteSize;

const VOLUME: &str = "bench";
const START: Duration = Duration::from_mins(1);

/// Who serves.
#[derive(Clone, Copy, PartialEq)]
pub enum Side {
    /// Hayrack.
    Volumed,
    /// nbdkit's file plugin.
    Nbdkit,
}

impl Side {
    /// Its name in tables and folders.
    pub fn name(self) -> &'static str {
        match self {
            Self::Volumed => "volumed",
            Self::Nbdkit => "nbdkit",
        }
    }
}

/// A server that runs, with its export.
pub struct Served {
    /// What an NBD client connects to.
    pub uri: String,
    socket: PathBuf,
    child: Child,
}

fn uri(export: &str, socket: &Path) -> String {
    format!("nbd+unix:///{export}?socket={}", socket.display())
}

impl Served {
    /// Starts a server and makes what it exports, of this size.
    pub fn start(side: Side, volumed: &Path, data: &Path, size: ByteSize) -> anyhow::Result<Self> {
        fs::create_dir_all(data)?;
        match side {
            Side::Volumed => {
                let served = Self::volumed(volumed, data)?;
                create_volume(volumed, data, VOLUME, size)?;
                Ok(served)
            }
            Side::Nbdkit => Self::nbdkit(data, size),
        }
    }

    /// Starts volumed on what may lie in a folder already, and waits until it is ready.
    pub fn volumed(volumed: &Path, data: &Path) -> anyhow::Result<Self> {
        let state = data.join("state");
        let mut command = Command::new(volumed);
        command.arg("serve").arg("--data").arg(&state);
        command.arg("--disk").arg(data.join("disk"));
        let child = spawn(command, data)?;
        let socket = state.join("nbd.sock");
        let uri = uri(VOLUME, &socket);
        let mut served = Self { uri, socket, child };
        let socket = served.socket.clone();
        // A socket of a daemon that was killed is still there.
        served.wait_until(|| std::os::unix::net::UnixStream::connect(&socket).is_ok())?;
        Ok(served)
    }

    fn nbdkit(data: &Path, size: ByteSize) -> anyhow::Result<Self> {
        let file = data.join("file");
        File::create(&file)?.set_len(size.0)?;
        let socket = data.join("nbd.sock");
        let mut command = Command::new("nbdkit");
        command.arg("--foreground").arg("--unix").arg(&socket);
        command.arg("file").arg(&file);
        let child = spawn(command, data)?;
        let uri = uri("", &socket);
        let mut served = Self { uri, socket, child };
        let socket = served.socket.clone();
        served.wait_until(|| socket.exists())?;
        Ok(served)
    }

    fn wait_until(&mut self, ready: impl Fn() -> bool) -> anyhow::Result<()> {
        let end = Instant::now() + START;
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended at once: {status}");
            }
            ensure!(Instant::now() < end, "the server is not ready in {START:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// What a client connects to for another volume.
    pub fn uri_of(&self, volume: &str) -> String {
        uri(volume, &self.socket)
    }

    /// Flushes as a client, then has everything written to the disk that others wrote to its file system.
    pub fn write_back(&self) -> anyhow::Result<()> {
        io(&self.uri, "flush")?;
        let folder = self.socket.parent().context("a socket in a folder")?;
        nix::unistd::syncfs(File::open(folder)?)?;
        Ok(())
    }

    /// The process that serves.
    pub fn pid(&self) -> anyhow::Result<i32> {
        Ok(i32::try_from(self.child.id())?)
    }

    /// Processor time that it has used so far, in seconds.
    pub fn processor_time(&self) -> anyhow::Result<f64> {
        processor_time(self.pid()?)
    }

    /// Kills it, so that it can do nothing about it.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let (Ok(None), Ok(pid)) = (self.child.try_wait(), self.pid()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _ = self.child.wait();
    }
}

fn spawn(mut command: Command, data: &Path) -> anyhow::Result<Child> {
    let log = File::create(data.join("log"))?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?);
    let program = PathBuf::from(command.get_program());
    command
        .stderr(log)
        .spawn()
        .with_context(|| format!("could not start {}", program.display()))
}

/// Makes a volume with the daemon's own command.
pub fn create_volume(
    volumed: &Path,
    data: &Path,
    name: &str,
    size: ByteSize,
) -> anyhow::Result<()> {
    let mut command = Command::new(volumed);
    command.args(["volume", "create", name, "--size"]);
    command.arg(size.0.to_string());
    command.arg("--socket").arg(data.join("state/admin.sock"));
    let made = command.output()?;
    let said = String::from_utf8_lossy(&made.stderr);
    ensure!(made.status.success(), "could not create the volume: {said}");
    Ok(())
}

/// Runs a command of qemu-io.
pub(super) fn io(uri: &str, command: &str) -> anyhow::Result<()> {
    let mut qemu = Command::new("qemu-io");
    qemu.args(["-f", "raw", "-c", command, uri]);
    let output = qemu.output().context("could not start qemu-io")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "qemu-io {command}: {said}");
    Ok(())
}
