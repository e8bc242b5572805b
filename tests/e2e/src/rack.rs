//! Hayrack as `make run` starts it: `s3d quickstart`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::api::Api;
use crate::binaries::{binary, free_address};
use crate::s3::S3;

/// What the last line that quickstart prints begins with.
const READY: &str = "Hayrack is ready";
const START_LIMIT: Duration = Duration::from_mins(1);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A place for a rack: its folder, which outlives each start, and its addresses.
#[derive(Debug)]
pub struct Site {
    folder: TempDir,
    /// Where S3 is served.
    pub s3: SocketAddr,
    /// Where the REST API is served.
    pub api: SocketAddr,
    /// Environment variables of both daemons.
    pub variables: Vec<(&'static str, String)>,
}

impl Site {
    /// A new, empty one.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("hayrack-").tempdir();
        let folder = folder.expect("a temporary folder can be made");
        Self {
            folder,
            s3: free_address(),
            api: free_address(),
            variables: Vec::new(),
        }
    }

    /// `HAYRACK_DATA`.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What both daemons and quickstart have written to stderr so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Starts quickstart, ready or not.
    pub fn spawn(&self) -> Started {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path());
        let mut child = Command::new(binary("s3d"))
            .arg("quickstart")
            .env("HAYRACK_DATA", self.data())
            .env("HAYRACK_S3_LISTEN", self.s3.to_string())
            .env("HAYRACK_API_LISTEN", self.api.to_string())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.expect("the log can be opened"))
            .spawn()
            .expect("s3d can be started");
        let lines = read_lines(child.stdout.take().expect("stdout is piped"));
        Started {
            child,
            lines,
            printed: String::new(),
        }
    }

    /// Starts quickstart and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn start(&self) -> Rack<'_> {
        let mut started = self.spawn();
        if !started.until_ready() {
            let status = started.wait();
            panic!(
                "quickstart ended before it was ready ({status}):\n{}",
                self.log()
            );
        }
        Rack {
            site: self,
            started,
        }
    }
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

/// A quickstart that was started.
#[derive(Debug)]
pub struct Started {
    child: Child,
    lines: Receiver<String>,
    /// What it has printed.
    pub printed: String,
}

impl Started {
    /// Waits for the ready line; false if it ended first.
    ///
    /// # Panics
    /// When it takes too long.
    pub fn until_ready(&mut self) -> bool {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    self.printed += &line;
                    self.printed.push('\n');
                    if line.starts_with(READY) {
                        return true;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => panic!("quickstart is neither ready nor ended"),
            }
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.child.id(), signal);
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + STOP_LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(Instant::now() < deadline, "quickstart does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::SIGTERM);
            let deadline = Instant::now() + STOP_LIMIT;
            while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
                thread::sleep(Duration::from_millis(5));
            }
            // It may just have ended.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A rack that is ready.
#[derive(Debug)]
pub struct Rack<'a> {
    /// Where it is.
    pub site: &'a Site,
    /// The process.
    pub started: Started,
}

impl Rack<'_> {
    /// The variables of `data/env`, as they are now, read by a shell.
    pub fn env(&self) -> BTreeMap<String, String> {
        read_env(&self.site.data().join("env"))
    }

    /// One of them.
    pub fn var(&self, key: &str) -> String {
        self.env()
            .remove(key)
            .unwrap_or_else(|| panic!("data/env has no {key}"))
    }

    /// The process id of `volumed` or `s3d`.
    pub fn pid(&self, daemon: &str) -> u32 {
        let key = format!("HAYRACK_{}_PID", daemon.to_uppercase());
        self.var(&key).parse().expect("a process id is a number")
    }

    /// S3 with the keys of the first start.
    pub fn s3(&self) -> S3 {
        let env = self.env();
        S3::new(
            self.site.s3,
            &env["AWS_ACCESS_KEY_ID"],
            &env["AWS_SECRET_ACCESS_KEY"],
        )
    }

    /// The REST API, signed in as the user of the first start.
    pub fn api(&self) -> Api {
        let env = self.env();
        Api::new(self.site.api).sign_in(&env["HAYRACK_EMAIL"], &env["HAYRACK_PASSWORD"])
    }

    /// The path of the first bucket.
    pub fn bucket(&self) -> String {
        format!("/{}", self.var("HAYRACK_BUCKET"))
    }

    /// Bytes of the pool in use, by `volumed pool show --json`.
    pub fn used(&self) -> u64 {
        let output = Command::new(binary("volumed"))
            .args(["pool", "show", "--json", "--socket"])
            .arg(self.site.data().join("volumed/admin.sock"))
            .output()
            .expect("volumed can be started");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let pool: serde_json::Value =
            serde_json::from_slice(&output.stdout).expect("--json prints JSON");
        pool["used"]
            .as_u64()
            .unwrap_or_else(|| panic!("the pool has no `used`: {pool}"))
    }

    /// Stops it as Ctrl-C does.
    pub fn stop(mut self) -> ExitStatus {
        self.started.signal(Signal::SIGINT);
        self.started.wait()
    }
}

/// Sends a signal to a process; one that is gone needs none.
pub fn kill_process(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).expect("a process id fits");
    let _ = kill(Pid::from_raw(pid), signal);
}

/// Whether a process runs; a dead one that nobody waited for does not. One that was killed still does
/// while a thread of it waits for the disk, and holds its locks and ports.
pub fn runs(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    threads.is_ok_and(|threads| {
        let stats = threads.flatten().map(|it| it.path().join("stat"));
        stats
            .flat_map(fs::read_to_string)
            .any(|stat| !is_zombie(&stat))
    })
}

fn is_zombie(stat: &str) -> bool {
    let behind_name = stat.rsplit(')').next();
    behind_name.is_some_and(|rest| rest.starts_with(" Z") || rest.starts_with(" X"))
}

fn read_env(path: &Path) -> BTreeMap<String, String> {
    let script = format!(". '{}' && env -0", path.display());
    let output = Command::new("sh")
        .args(["-c", &script])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .expect("there is a shell");
    assert!(
        output.status.success(),
        "{} cannot be sourced",
        path.display()
    );
    String::from_utf8(output.stdout)
        .expect("the variables are UTF-8")
        .split('\0')
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn read_lines(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(stdout);
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|count| count > 0) {
            if sender.send(line.trim_end().to_owned()).is_err() {
                break;
            }
            line.clear();
        }
        // A full pipe would stop the daemons.
        let _ = reader.read_to_end(&mut Vec::new());
    });
    receiver
}
