//! One run of etcd: begun so that it cannot outlive the daemon, and the one that outlived an earlier daemon all the
//! same.

#![expect(
    unsafe_code,
    reason = "what runs between fork and exec is unsafe to choose"
)]

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};

/// How long etcd may take to stop when it is asked.
pub const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(50);

/// Starts etcd. It dies with the thread that calls this, which must therefore live as long as the daemon;
/// at once, since whatever it answered is durable.
pub fn spawn(etcd: &Path, arguments: &[String]) -> io::Result<Child> {
    let daemon = Pid::this();
    let mut command = Command::new(etcd);
    command
        .args(arguments)
        // etcd refuses to start where a variable says the same as a flag.
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some(name) = go_name_of_this_machine() {
        // Without it, etcd 3.4 refuses to start on what its authors did not test.
        command.env("ETCD_UNSUPPORTED_ARCH", name);
    }
    // SAFETY: between fork and exec this makes two system calls and touches no memory that is shared.
    unsafe {
        command.pre_exec(move || {
            set_pdeathsig(Signal::SIGKILL)?;
            if getppid() == daemon {
                Ok(())
            } else {
                Err(io::ErrorKind::Interrupted.into())
            }
        });
    }
    command.spawn()
}

fn go_name_of_this_machine() -> Option<&'static str> {
    match std::env::consts::ARCH {
        "aarch64" => Some("arm64"),
        "arm" => Some("arm"),
        "riscv64" => Some("riscv64"),
        _ => None,
    }
}

/// Asks a process to stop.
pub fn ask_to_stop(process: u32) {
    signal(process, Signal::SIGTERM);
}

/// Stops a process.
pub fn force_to_stop(process: u32) {
    signal(process, Signal::SIGKILL);
}

fn signal(process: u32, signal: Signal) {
    if let Ok(process) = i32::try_from(process) {
        // It may be gone.
        let _ = kill(Pid::from_raw(process), signal);
    }
}

/// Stops every etcd that has its data in `data`; there is one if it outlived a daemon.
pub fn stop_left_over(data: &Path) {
    for process in left_over(data) {
        tracing::warn!(
            process,
            "an etcd of an earlier volumed still runs: it is stopped"
        );
        ask_to_stop(process);
        let begun = Instant::now();
        while left_over(data).contains(&process) {
            if begun.elapsed() > PATIENCE {
                force_to_stop(process);
            }
            sleep(LOOK);
        }
    }
}

/// The processes that were started with this folder, and are no zombies.
pub fn left_over(data: &Path) -> Vec<u32> {
    let wanted = format!("--data-dir={}", data.display());
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let processes = processes.flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers
        .filter(|process| has_argument(*process, wanted.as_bytes()))
        .collect()
}

fn has_argument(process: u32, wanted: &[u8]) -> bool {
    let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let mut words = line.split(|byte| *byte == 0);
    let program = words.next().unwrap_or_default();
    let program = Path::new(OsStr::from_bytes(program)).file_name();
    program == Some(OsStr::new("etcd")) && words.any(|word| word == wanted)
}

/// Where etcd is: as the settings say, or in `PATH`.
pub fn find(setting: Option<&Path>) -> Option<PathBuf> {
    if let Some(path) = setting {
        return path.is_file().then(|| path.to_owned());
    }
    let path = std::env::var_os("PATH")?;
    let places = std::env::split_paths(&path);
    places
        .map(|place| place.join("etcd"))
        .find(|file| file.is_file())
}
