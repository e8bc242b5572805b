//! A node: its folders, its settings, its two daemons.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use hayrack_e2e::http::{Request, exchange_within};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::binaries::Binaries;
use crate::name::RackName;
use crate::network::{Network, NodeIndex, output};
use crate::process::{Process, children, is_paused, send};

/// What a node's disk may hold, in bytes, unless it is said.
const CAPACITY: u64 = 16 << 30;
/// Of what is stored; so that none of three nodes is needed.
const REPLICAS: u8 = 3;
const S3_PORT: u16 = 9000;
const API_PORT: u16 = 9001;
/// How long a daemon may take to begin or to end on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// How long a node may take to say whether it serves.
const SILENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Which of a node's daemons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daemon {
    /// The volume daemon, with the etcd that it runs.
    Volumed,
    /// The S3 server.
    S3d,
}

/// What a daemon does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Runs,
    /// It was stopped where it is.
    Paused,
    /// It has ended, or was not started.
    Ended,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Runs => "runs",
            Self::Paused => "paused",
            Self::Ended => "ended",
        })
    }
}

/// A node of a rack.
#[derive(Debug)]
pub struct Node {
    /// Its number.
    pub index: NodeIndex,
    /// Where it is.
    pub address: IpAddr,
    rack: RackName,
    folder: PathBuf,
    binaries: Binaries,
    /// Of s3d, as far as they are not the usual ones: where it listens, and what it does there.
    listening: Option<String>,
    volumed: Option<Process>,
    s3d: Option<Process>,
}

impl Node {
    /// A node whose state is in `folder`, or will be. `listening` are the lines of s3d's settings that say where it
    /// listens, unless that is as usual; `/etc/hayrack` in them is the folder.
    ///
    /// # Errors
    /// When its folders or settings cannot be written.
    pub fn make(
        rack: RackName,
        index: NodeIndex,
        address: IpAddr,
        folder: PathBuf,
        binaries: Binaries,
        listening: Option<&str>,
    ) -> anyhow::Result<Self> {
        let node = Self {
            index,
            address,
            rack,
            folder,
            binaries,
            listening: listening.map(str::to_owned),
            volumed: None,
            s3d: None,
        };
        node.lay_out().with_context(|| {
            let folder = node.folder.display();
            format!("could not make a node in {folder}")
        })?;
        Ok(node)
    }

    /// Makes its folders, and writes its settings.
    pub(crate) fn lay_out(&self) -> anyhow::Result<()> {
        fs::create_dir_all(self.disk())?;
        self.set_capacity(None)?;
        let paths = [self.volumed_data(), self.admin_socket()];
        let [cluster, socket] = paths.each_ref().map(|path| path.display());
        let own =
            format!("cluster = \"{cluster}\"\nvolumed = \"{socket}\"\nreplicas = {REPLICAS}\n");
        fs::write(self.settings(Daemon::S3d), own + &self.listening())?;
        Ok(())
    }

    fn listening(&self) -> String {
        let (s3, api) = (self.s3(), self.api());
        match &self.listening {
            Some(given) => given.replace("/etc/hayrack", &self.folder.display().to_string()),
            None => format!("s3_listen = \"{s3}\"\napi_listen = \"{api}\"\n"),
        }
    }

    /// Has its disk hold no more than so many bytes, or what is usual, from the next start of volumed on.
    ///
    /// # Errors
    /// When its settings cannot be written.
    pub fn set_capacity(&self, bytes: Option<u64>) -> anyhow::Result<()> {
        let (disk, capacity) = (self.disk(), bytes.unwrap_or(CAPACITY));
        let disk = disk.display();
        let volumed = format!(
            "disks = [{{ path = \"{disk}\", capacity = \"{capacity}\", reserve = \"0\" }}]\n"
        );
        fs::write(self.settings(Daemon::Volumed), volumed)?;
        Ok(())
    }

    /// What the cluster calls it.
    pub fn name(&self) -> String {
        format!("node-{}", self.index.0)
    }

    /// Where it serves S3.
    pub fn s3(&self) -> SocketAddr {
        (self.address, S3_PORT).into()
    }

    /// Where it serves the REST API.
    pub fn api(&self) -> SocketAddr {
        (self.address, API_PORT).into()
    }

    /// Where all that it keeps is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The settings of a daemon.
    pub fn settings(&self, daemon: Daemon) -> PathBuf {
        self.folder.join(format!("{}.toml", name(daemon)))
    }

    /// Its disk.
    pub fn disk(&self) -> PathBuf {
        self.folder.join("disk0")
    }

    /// volumed's admin socket.
    pub fn admin_socket(&self) -> PathBuf {
        self.volumed_data().join("admin.sock")
    }

    /// s3d's state.
    pub fn s3d_data(&self) -> PathBuf {
        self.folder.join("s3d")
    }

    /// volumed's state.
    pub fn volumed_data(&self) -> PathBuf {
        self.folder.join("volumed")
    }

    /// What a daemon has said.
    pub fn log(&self, daemon: Daemon) -> String {
        fs::read_to_string(self.log_path(daemon)).unwrap_or_default()
    }

    /// Where that is kept.
    pub fn log_path(&self, daemon: Daemon) -> PathBuf {
        self.folder.join(format!("{}.log", name(daemon)))
    }

    /// Runs a command of `volumed` on this node, with its data and settings; answers what it printed.
    ///
    /// # Errors
    /// When it fails.
    pub fn volumed(&self, network: &Network, words: &[&str]) -> anyhow::Result<String> {
        let mut command = self.program(network, Daemon::Volumed)?;
        output(command.args(words), "")
    }

    /// Asks the volumed that runs, and answers what it said with `--json`.
    ///
    /// # Errors
    /// When it refuses.
    pub fn ask(&self, network: &Network, words: &[&str]) -> anyhow::Result<Value> {
        let mut command = self.program(network, Daemon::Volumed)?;
        command.args(words).args(["--json", "--socket"]);
        let printed = output(command.arg(self.admin_socket()), "")?;
        serde_json::from_str(&printed).with_context(|| format!("{words:?} printed {printed}"))
    }

    fn program(&self, network: &Network, daemon: Daemon) -> anyhow::Result<Command> {
        let path = self.binaries.path(name(daemon))?;
        Ok(network.command(self.index, path.as_os_str()))
    }

    /// Starts a daemon, unless it runs.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&mut self, network: &Network, daemon: Daemon) -> anyhow::Result<()> {
        if self.runs(daemon) {
            return Ok(());
        }
        let mut command = self.program(network, daemon)?;
        let data = self.folder.join(name(daemon));
        command.arg("serve").arg("--data").arg(data);
        command.arg("--config").arg(self.settings(daemon));
        let log = self.log_path(daemon);
        let process = Process::start(name(daemon), self.rack, &mut command, &log)?;
        *self.process(daemon) = Some(process);
        Ok(())
    }

    fn process(&mut self, daemon: Daemon) -> &mut Option<Process> {
        match daemon {
            Daemon::Volumed => &mut self.volumed,
            Daemon::S3d => &mut self.s3d,
        }
    }

    /// Whether a daemon was started and has not ended.
    pub fn runs(&mut self, daemon: Daemon) -> bool {
        self.process(daemon).as_mut().is_some_and(Process::runs)
    }

    /// What a daemon does.
    pub fn state(&mut self, daemon: Daemon) -> State {
        match self.process(daemon) {
            Some(process) if is_paused(process.id()) => State::Paused,
            Some(process) => {
                if process.runs() {
                    State::Runs
                } else {
                    State::Ended
                }
            }
            None => State::Ended,
        }
    }

    /// Ends a daemon as kill -9 does; an etcd of volumed's ends with it.
    pub fn kill(&mut self, daemon: Daemon) {
        if let Some(mut process) = self.process(daemon).take() {
            process.kill();
        }
    }

    /// Asks a daemon to end, and waits for that.
    ///
    /// # Errors
    /// When it does not end in time, or not well.
    pub fn stop(&mut self, daemon: Daemon) -> anyhow::Result<()> {
        self.ask_to_end(daemon);
        self.until_ended(daemon)
    }

    /// Waits until a daemon that was asked to end has ended.
    ///
    /// # Errors
    /// When it does not end in time, or not well.
    pub fn until_ended(&mut self, daemon: Daemon) -> anyhow::Result<()> {
        match self.process(daemon).take() {
            Some(mut process) => process.until_ended(PATIENCE),
            None => Ok(()),
        }
    }

    /// Asks a daemon to end.
    pub fn ask_to_end(&self, daemon: Daemon) {
        self.signal(daemon, Signal::SIGTERM);
    }

    /// Stops a daemon where it is (SIGSTOP); an etcd of volumed's goes on.
    pub fn pause(&self, daemon: Daemon) {
        self.signal(daemon, Signal::SIGSTOP);
    }

    /// Has a daemon that was paused go on (SIGCONT).
    pub fn resume(&self, daemon: Daemon) {
        self.signal(daemon, Signal::SIGCONT);
    }

    fn signal(&self, daemon: Daemon, signal: Signal) {
        let process = match daemon {
            Daemon::Volumed => &self.volumed,
            Daemon::S3d => &self.s3d,
        };
        if let Some(process) = process {
            process.signal(signal);
        }
    }

    /// Sends a signal to both daemons, and to the etcd of volumed's.
    pub fn signal_all(&self, signal: Signal) {
        for id in self.process_ids() {
            send(id, signal);
        }
    }

    /// Both daemons, and the etcd of volumed's.
    pub fn process_ids(&self) -> Vec<u32> {
        let daemons = [&self.volumed, &self.s3d].into_iter().flatten();
        let family = |process: &Process| {
            let mut family = vec![process.id()];
            family.extend(children(process.id()));
            family
        };
        daemons.flat_map(family).collect()
    }

    /// Whether both daemons answer that they are ready.
    ///
    /// # Errors
    /// When one does not answer.
    pub fn serves(&self, network: &Network) -> anyhow::Result<bool> {
        UnixStream::connect(self.admin_socket()).context("volumed does not listen")?;
        if self.listening.is_some() {
            return self.is_ready_behind_tls(network);
        }
        let host = self.api().to_string();
        let request = Request::new("GET", "/readyz").header("host", host);
        let ready = exchange_within(self.api(), &request, SILENCE);
        Ok(ready.context("s3d does not answer")?.status == 200)
    }

    /// As the node itself sees it: it may be out of reach for this machine. Whose certificate it has is not what is
    /// asked here.
    fn is_ready_behind_tls(&self, network: &Network) -> anyhow::Result<bool> {
        let mut ask = network.command(self.index, OsStr::new("curl"));
        ask.args(["-sSk", "-o", "/dev/null", "-w", "%{http_code}"]);
        ask.args(["--max-time", &SILENCE.as_secs().to_string()]);
        let ready = output(ask.arg(format!("https://{}/readyz", self.api())), "");
        Ok(ready.context("s3d does not answer")? == "200")
    }

    /// Waits until `holds` is true of the node, whose daemons have to run meanwhile.
    ///
    /// # Errors
    /// When one of them ends, or it takes too long: with what `holds` said last, and the ends of the logs.
    pub fn until(
        &mut self,
        what: &str,
        mut holds: impl FnMut(&Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let wrong = match holds(self) {
                Ok(true) => return Ok(()),
                Ok(false) => "not yet".to_owned(),
                Err(error) => format!("{error:#}"),
            };
            let ended = [Daemon::Volumed, Daemon::S3d]
                .into_iter()
                .find(|daemon| self.process(*daemon).is_some() && !self.runs(*daemon));
            if ended.is_some() || Instant::now() > deadline {
                let (node, logs) = (self.name(), self.ends_of_logs());
                bail!("{node}: {what} did not come: {wrong}; ended: {ended:?}\n{logs}");
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    fn ends_of_logs(&self) -> String {
        let ends = [Daemon::Volumed, Daemon::S3d].map(|daemon| {
            let log = self.log(daemon);
            let lines: Vec<_> = log.lines().rev().take(15).collect();
            let lines: Vec<_> = lines.into_iter().rev().collect();
            format!("{}:\n{}", self.log_path(daemon).display(), lines.join("\n"))
        });
        ends.join("\n")
    }
}

fn name(daemon: Daemon) -> &'static str {
    match daemon {
        Daemon::Volumed => "volumed",
        Daemon::S3d => "s3d",
    }
}
