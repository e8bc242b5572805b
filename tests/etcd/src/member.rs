//! One process of etcd.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::ports::free_address;
use crate::tls::Certificates;

/// A member that is paused does not answer at all.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// Where a member listens.
#[derive(Debug)]
pub struct Addresses {
    client: SocketAddr,
    peer: SocketAddr,
    /// Its health and metrics, over plain HTTP.
    metrics: SocketAddr,
}

impl Addresses {
    pub fn free() -> Self {
        Self {
            client: free_address(),
            peer: free_address(),
            metrics: free_address(),
        }
    }
}

/// What every member is told of all.
pub fn initial_cluster(members: &[Addresses], tls: bool) -> String {
    let peers = members
        .iter()
        .enumerate()
        .map(|(number, addresses)| format!("m{number}={}://{}", scheme(tls), addresses.peer));
    peers.collect::<Vec<_>>().join(",")
}

fn scheme(tls: bool) -> &'static str {
    if tls { "https" } else { "http" }
}

#[derive(Debug)]
pub struct Member {
    addresses: Addresses,
    arguments: Vec<String>,
    log: PathBuf,
    child: Child,
}

impl Member {
    pub fn start(
        number: usize,
        addresses: Addresses,
        initial_cluster: &str,
        more: &[&str],
        folder: &Path,
        certificates: Option<&Certificates>,
    ) -> Self {
        let scheme = scheme(certificates.is_some());
        let data = folder.join(format!("m{number}"));
        let client = format!("{scheme}://{}", addresses.client);
        let peer = format!("{scheme}://{}", addresses.peer);
        let mut arguments = vec![
            format!("--name=m{number}"),
            format!("--data-dir={}", data.display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--listen-metrics-urls=http://{}", addresses.metrics),
            format!("--initial-cluster={initial_cluster}"),
            "--initial-cluster-state=new".to_owned(),
            "--logger=zap".to_owned(),
        ];
        arguments.extend(more.iter().map(ToString::to_string));
        arguments.extend(
            certificates
                .map(Certificates::arguments)
                .unwrap_or_default(),
        );
        let log = folder.join(format!("m{number}.log"));
        let child = spawn(&arguments, &log).expect("etcd can be started: install etcd-server");
        Self {
            addresses,
            arguments,
            log,
            child,
        }
    }

    pub fn client(&self) -> SocketAddr {
        self.addresses.client
    }

    pub fn is_healthy(&self) -> bool {
        self.ask("/health")
            .is_ok_and(|answer| answer.contains("\"health\":\"true\""))
    }

    pub fn leads(&self) -> bool {
        let metrics = self.ask("/metrics");
        metrics.is_ok_and(|answer| answer.contains("\netcd_server_is_leader 1\n"))
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    pub fn spawn_again(&mut self) {
        self.child = spawn(&self.arguments, &self.log).expect("etcd can be started again");
    }

    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().try_into().expect("a process id fits");
        kill(Pid::from_raw(pid), signal).expect("a child can be signalled");
    }

    fn ask(&self, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.addresses.metrics)?;
        stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(arguments: &[String], log: &Path) -> io::Result<Child> {
    let mut appending = File::options();
    let log = appending.create(true).append(true).open(log)?;
    let mut command = Command::new("etcd");
    // Its settings come from the environment, too.
    let settings = std::env::vars_os().map(|(name, _)| name);
    for name in settings.filter(|name| name.to_string_lossy().starts_with("ETCD_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(log).spawn()
}
