//! Nodes of a cluster: the real daemon, each on a loopback address of its own.
#![allow(dead_code)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use volumed_client::admin::{AdminClient, AdminError, StoreMember};

use crate::daemon::{succeed, volumed};

/// Elections and three daemons on a busy machine take their time; no test waits for it unless it fails.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// They lie below those that the system gives to clients.
const PORTS: std::ops::Range<u32> = 10_000..32_000;

/// A port that nobody listens on, and that was not given before.
fn free_port(ip: IpAddr) -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(307);
    let free = (0..PORTS.len()).find_map(|_| {
        let next = first.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = (PORTS.start + next % PORTS.len() as u32) as u16;
        let free = TcpListener::bind(SocketAddr::new(ip, port)).is_ok();
        free.then_some(port)
    });
    free.expect("loopback has a free port")
}

/// Waits until something is so.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "not yet: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A machine at 127.0.0.`number`.
pub struct Node {
    folder: TempDir,
    place: Vec<String>,
    daemon: Option<Child>,
}

impl Node {
    pub fn new(number: u8) -> Self {
        let ip = IpAddr::V4(Ipv4Addr::new(127, 0, 0, number));
        let mut place = vec![format!("--name=node-{number}"), format!("--address={ip}")];
        for port in ["cluster", "links", "etcd-client", "etcd-peer"] {
            place.push(format!("--port-{port}={}", free_port(ip)));
        }
        Self {
            folder: tempfile::tempdir().unwrap(),
            place,
            daemon: None,
        }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn disk(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// `volumed …` with this node's settings.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = volumed();
        command.args(words).arg("--data").arg(self.data());
        command.arg("--disk").arg(self.disk());
        command.stdin(Stdio::null());
        command
    }

    /// `volumed cluster init`
    pub fn init(&self) -> Command {
        let mut command = self.command(&["cluster", "init"]);
        command.args(&self.place);
        command
    }

    /// `volumed cluster join`
    pub fn join(&self, token: &str) -> Command {
        let mut command = self.command(&["cluster", "join"]);
        command.args(["--token", token]).args(&self.place);
        command
    }

    /// A command that is answered by the daemon.
    pub fn ask(&self, words: &[&str]) -> Command {
        let mut command = volumed();
        command.args(words).arg("--socket").arg(self.socket());
        command
    }

    fn socket(&self) -> PathBuf {
        self.data().join("admin.sock")
    }

    pub fn admin(&self) -> AdminClient {
        AdminClient::new(self.socket())
    }

    /// Starts the daemon, which may have to wait for others.
    pub fn spawn(&mut self) {
        let mut appending = std::fs::OpenOptions::new();
        let log = appending.create(true).append(true);
        let log = log.open(self.folder.path().join("log")).unwrap();
        let mut command = self.command(&["serve"]);
        self.daemon = Some(command.stderr(log).spawn().unwrap());
    }

    pub async fn until_ready(&mut self) {
        let begun = Instant::now();
        while UnixStream::connect(self.socket()).is_err() {
            let ended = self.daemon.as_mut().unwrap().try_wait().unwrap();
            let late = begun.elapsed() > PATIENCE;
            assert!(
                ended.is_none() && !late,
                "{:?}:\n{}",
                self.place,
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn start(&mut self) {
        self.spawn();
        self.until_ready().await;
    }

    /// Ends the daemon, as a signal has it.
    pub fn end(&mut self, signal: Signal) -> Option<i32> {
        let mut daemon = self.daemon.take().unwrap();
        kill(Pid::from_raw(daemon.id().cast_signed()), signal).unwrap();
        let begun = Instant::now();
        loop {
            if let Some(status) = daemon.try_wait().unwrap() {
                return status.code();
            }
            if begun.elapsed() > PATIENCE {
                daemon.kill().unwrap();
                panic!("it does not stop");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn token(&self) -> String {
        succeed(&mut self.ask(&["cluster", "token"]))
            .trim()
            .to_owned()
    }

    pub async fn members(&self) -> Result<Vec<StoreMember>, AdminError> {
        Ok(self.admin().cluster().await?.members.unwrap_or_default())
    }

    /// Waits until as many nodes run etcd, vote and answer.
    pub async fn until_members(&self, count: usize) {
        until("the members of etcd", async || {
            let members = self.members().await.unwrap_or_default();
            let well = members.iter().filter(|it| it.votes && it.answers).count();
            well == count && members.len() == count
        })
        .await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        if std::thread::panicking() {
            println!("{:?}:\n{}", self.place, self.log());
        }
    }
}

/// The command was refused with that.
pub fn refused(output: &Output, sentence: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "it was not refused");
    assert!(error.contains(sentence), "{error}");
}
