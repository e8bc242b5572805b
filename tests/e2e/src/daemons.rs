//! Both daemons started by hand, for settings that quickstart does not offer.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::api::Api;
use crate::binaries::{binary, free_address};
use crate::http::{Request, exchange};
use crate::rack::kill_process;

const START_LIMIT: Duration = Duration::from_mins(1);

/// volumed with one disk of a given capacity, and s3d.
#[derive(Debug)]
pub struct Daemons {
    folder: TempDir,
    volumed: Child,
    s3d: Child,
    /// Where S3 is served.
    pub s3: SocketAddr,
    api: SocketAddr,
}

impl Daemons {
    /// Starts both.
    ///
    /// # Panics
    /// When they do not answer.
    pub fn start(capacity: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("hayrack-").tempdir();
        let folder = folder.expect("a temporary folder can be made");
        let at = |name: &str| folder.path().join(name);
        let disk = at("disk0");
        fs::create_dir(&disk).expect("a folder can be made");
        let config = format!(
            "disks = [{{ path = \"{}\", capacity = \"{capacity}\", reserve = \"0\" }}]\n",
            disk.display()
        );
        fs::write(at("volumed.toml"), config).expect("a file can be written");
        let volumed = start_volumed(folder.path());
        let socket = at("volumed/admin.sock");
        until("volumed's socket", || socket.exists());
        let (s3, api) = (free_address(), free_address());
        let s3d = Command::new(binary("s3d"))
            .args(["serve", "--data"])
            .arg(at("s3d"))
            .arg("--volumed")
            .arg(&socket)
            .arg("--store")
            .arg(at("volumed/meta.db"))
            .args([
                "--s3-listen",
                &s3.to_string(),
                "--api-listen",
                &api.to_string(),
            ])
            .args(["--domain", "localhost", "--region", "us-east-1"])
            .stdin(Stdio::null())
            .stderr(log(folder.path()))
            .spawn()
            .expect("s3d can be started");
        let daemons = Self {
            folder,
            volumed,
            s3d,
            s3,
            api,
        };
        let root = Request::new("GET", "/").header("host", s3.to_string());
        until("s3d", || {
            exchange(s3, &root).is_ok() && exchange(api, &root).is_ok()
        });
        daemons
    }

    /// Ends volumed as a crash would, and starts it again after `pause`; s3d goes on.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn restart_volumed(&mut self, pause: Duration) {
        kill_process(self.volumed.id(), Signal::SIGKILL);
        self.volumed.wait().expect("a child can be waited for");
        thread::sleep(pause);
        self.volumed = start_volumed(self.folder.path());
    }

    /// The REST API.
    pub fn api(&self) -> Api {
        Api::new(self.api)
    }

    /// What both have written to stderr.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// volumed's admin socket.
    pub fn admin_socket(&self) -> PathBuf {
        self.folder.path().join("volumed/admin.sock")
    }
}

impl Drop for Daemons {
    fn drop(&mut self) {
        for child in [&mut self.s3d, &mut self.volumed] {
            kill_process(child.id(), Signal::SIGTERM);
            let deadline = Instant::now() + Duration::from_secs(10);
            while Instant::now() < deadline && matches!(child.try_wait(), Ok(None)) {
                thread::sleep(Duration::from_millis(10));
            }
            // It may just have ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn start_volumed(folder: &Path) -> Child {
    Command::new(binary("volumed"))
        .args(["serve", "--data"])
        .arg(folder.join("volumed"))
        .arg("--config")
        .arg(folder.join("volumed.toml"))
        .stdin(Stdio::null())
        .stderr(log(folder))
        .spawn()
        .expect("volumed can be started")
}

fn log(folder: &Path) -> File {
    let mut appending = File::options();
    appending.create(true).append(true);
    appending.open(folder.join("log")).expect("a log")
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + START_LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come");
        thread::sleep(Duration::from_millis(20));
    }
}
