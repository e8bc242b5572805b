//! Both daemons started by hand, for settings that quickstart does not offer.

use std::ffi::OsStr;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::api::Api;
use crate::binaries::{binary, free_address};
use crate::http::{Request, exchange};
use crate::rack::kill_process;
use crate::s3::S3;
use crate::volumed::Volumed;

const START_LIMIT: Duration = Duration::from_mins(1);

/// volumed with one disk of a given capacity, and s3d.
#[derive(Debug)]
pub struct Daemons {
    volumed: Volumed,
    /// What s3d is told of the metadata store.
    store: String,
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
        let volumed = Volumed::start(capacity);
        let store = volumed.path("volumed/meta.db").display().to_string();
        Self::start_on(volumed, store)
    }

    /// Starts both on a metadata store of this location, which is no file.
    ///
    /// # Panics
    /// When they do not answer.
    pub fn start_with_store(capacity: &str, store: &str) -> Self {
        let volumed = Volumed::start_with(capacity, &format!("store = \"{store}\"\n"));
        Self::start_on(volumed, store.to_owned())
    }

    fn start_on(volumed: Volumed, store: String) -> Self {
        let (s3, api) = (free_address(), free_address());
        let s3d = start_s3d(&volumed, &store, s3, api, &[]);
        let daemons = Self {
            volumed,
            store,
            s3d,
            s3,
            api,
        };
        daemons.until_served();
        daemons
    }

    fn until_served(&self) {
        let root = Request::new("GET", "/").header("host", self.s3.to_string());
        until("s3d", || {
            exchange(self.s3, &root).is_ok() && exchange(self.api, &root).is_ok()
        });
    }

    /// Ends s3d as a crash would, and starts it again.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn restart_s3d(&mut self) {
        kill_process(self.s3d.id(), Signal::SIGKILL);
        self.s3d.wait().expect("a child can be waited for");
        self.s3d = start_s3d(&self.volumed, &self.store, self.s3, self.api, &[]);
        self.until_served();
    }

    /// Starts s3d anew, so that it serves over TLS with these files. Clients come by as `localhost`.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn serve_tls(&mut self, certificate: &Path, key: &Path) {
        let files = [
            OsStr::new("--tls-certificate"),
            certificate.as_os_str(),
            OsStr::new("--tls-key"),
            key.as_os_str(),
        ];
        self.serve_with(&files);
    }

    /// Starts s3d anew, with more flags.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn serve_with(&mut self, flags: &[&OsStr]) {
        kill_process(self.s3d.id(), Signal::SIGTERM);
        self.s3d.wait().expect("a child can be waited for");
        self.s3d = start_s3d(&self.volumed, &self.store, self.s3, self.api, flags);
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
        self.volumed.kill();
        thread::sleep(pause);
        self.volumed.spawn_again();
    }

    /// The REST API.
    pub fn api(&self) -> Api {
        Api::new(self.api)
    }

    /// What both have written to stderr.
    pub fn log(&self) -> String {
        self.volumed.log()
    }

    /// volumed's admin socket.
    pub fn admin_socket(&self) -> PathBuf {
        self.volumed.admin_socket()
    }
}

impl Drop for Daemons {
    fn drop(&mut self) {
        let child = &mut self.s3d;
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

fn start_s3d(
    volumed: &Volumed,
    store: &str,
    s3: SocketAddr,
    api: SocketAddr,
    more: &[&OsStr],
) -> Child {
    Command::new(binary("s3d"))
        .args(["serve", "--data"])
        .arg(volumed.path("s3d"))
        .arg("--volumed")
        .arg(volumed.admin_socket())
        .args(["--store", store])
        .args(["--s3-listen", &s3.to_string()])
        .args(["--api-listen", &api.to_string()])
        .args(["--domain", "localhost", "--region", "us-east-1"])
        .args(more)
        .stdin(Stdio::null())
        .stderr(volumed.appended_log())
        .spawn()
        .expect("s3d can be started")
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + START_LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come");
        thread::sleep(Duration::from_millis(20));
    }
}
