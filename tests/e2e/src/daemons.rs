//! Both daemons started by hand, for settings that quickstart does not offer.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;
use tempfile::TempDir;

use crate::api::Api;
use crate::binaries::{binary, free_address};
use crate::http::{Request, exchange};
use crate::rack::kill_process;
use crate::s3::S3;

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
        let s3d = start_s3d(folder.path(), s3, api, &[]);
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

    /// Starts s3d anew, so that it serves over TLS with these files. Clients come by as `localhost`.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn serve_tls(&mut self, certificate: &Path, key: &Path) {
        kill_process(self.s3d.id(), Signal::SIGTERM);
        self.s3d.wait().expect("a child can be waited for");
        let files = [
            OsStr::new("--tls-certificate"),
            certificate.as_os_str(),
            OsStr::new("--tls-key"),
            key.as_os_str(),
        ];
        self.s3d = start_s3d(self.folder.path(), self.s3, self.api, &files);
        until("s3d", || TcpStream::connect(self.s3).is_ok());
    }

    /// Has s3d read its TLS files again.
    pub fn reload(&self) {
        kill_process(self.s3d.id(), Signal::SIGHUP);
    }

    /// Signs somebody up, makes these buckets, and answers a key to them.
    ///
    /// # Panics
    /// When something of it is refused.
    pub fn tenant(&self, buckets: &[&str]) -> (Api, S3) {
        let api = self
            .api()
            .sign_up("you@example.com", "a long password", "home");
        for bucket in buckets {
            let (status, answer) = api.send("POST", "/buckets", Some(json!({ "name": bucket })));
            assert!((200..300).contains(&status), "{status} {answer}");
        }
        let (status, key) = api.send("POST", "/api/v1/keys", Some(json!({ "namespace": "home" })));
        assert!((200..300).contains(&status), "{status} {key}");
        let text = |field: &str| key[field].as_str().expect("a key has both halves");
        let s3 = S3::new(self.s3, text("accessKeyID"), text("secretAccessKey"));
        (api, s3)
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

fn start_s3d(folder: &Path, s3: SocketAddr, api: SocketAddr, more: &[&OsStr]) -> Child {
    Command::new(binary("s3d"))
        .args(["serve", "--data"])
        .arg(folder.join("s3d"))
        .arg("--volumed")
        .arg(folder.join("volumed/admin.sock"))
        .arg("--store")
        .arg(folder.join("volumed/meta.db"))
        .args(["--s3-listen", &s3.to_string()])
        .args(["--api-listen", &api.to_string()])
        .args(["--domain", "localhost", "--region", "us-east-1"])
        .args(more)
        .stdin(Stdio::null())
        .stderr(log(folder))
        .spawn()
        .expect("s3d can be started")
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
