//! This node's member of etcd: started, watched and stopped by the daemon.

use std::fs::{self, DirBuilder};
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use serde::Deserialize;

use crate::cluster::Cluster;
use crate::etcd::arguments::{Beginning, COMPARED_WITH_OTHERS, arguments};
use crate::etcd::members::EtcdMembers;
use crate::etcd::process::{self, PATIENCE};

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Whoever ran for so long did not fail at its start.
const SETTLED: Duration = Duration::from_mins(1);

/// Why this node has no member.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// The program is missing.
    #[error(
        "etcd was not found{}: install it (on Debian: apt-get install etcd-server, then systemctl disable --now etcd, \
         since volumed starts its own), or say where it is", .0.as_ref().map(|path| format!(" at {}", path.display())).unwrap_or_default()
    )]
    Missing(Option<PathBuf>),
    /// No place for its data.
    #[error("cannot use {} for etcd's data: {source}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No thread for it.
    #[error("cannot watch etcd: {0}")]
    Thread(io::Error),
}

/// The member, which runs until it is stopped; it is started again whenever it ends.
#[derive(Debug)]
pub struct Member {
    shared: Arc<Shared>,
    /// etcd dies with it.
    thread: Option<JoinHandle<()>>,
    data: PathBuf,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    process: Option<u32>,
    stopping: bool,
}

/// What is run.
struct Program {
    etcd: PathBuf,
    arguments: Vec<String>,
    data: PathBuf,
    members: EtcdMembers,
}

impl Program {
    /// After a power cut of all nodes nobody could be compared with: then it would only wait.
    fn spawn(&self) -> io::Result<Child> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut arguments = self.arguments.clone();
        if runtime.block_on(self.members.all_others_answer()) {
            arguments.push(COMPARED_WITH_OTHERS.to_owned());
        }
        process::spawn(&self.etcd, &arguments)
    }
}

/// Where the member of a daemon with its state in `state` has its data.
pub fn data_folder(state: &Path) -> PathBuf {
    state.join("etcd")
}

/// Refuses a machine without etcd: any node may have to run a member. `etcd` is where the program is, if not in `PATH`.
pub fn find_etcd(etcd: Option<&Path>) -> Result<PathBuf, MemberError> {
    process::find(etcd).ok_or_else(|| MemberError::Missing(etcd.map(Path::to_owned)))
}

/// Removes what a member left on a node that is in no cluster: an attempt to make one did not come to its end.
pub fn forget_member(state: &Path) -> Result<(), MemberError> {
    let path = data_folder(state);
    let removed = path.canonicalize().and_then(|data| {
        process::stop_left_over(&data);
        fs::remove_dir_all(&data)
    });
    match removed {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(MemberError::Folder { path, source })
        }
        _ => Ok(()),
    }
}

impl Member {
    /// Starts it: with the data that it has, or as `beginning` says. `etcd` is where the program is, if not in
    /// `PATH`.
    pub fn start(
        cluster: &Arc<Cluster>,
        state: &Path,
        etcd: Option<&Path>,
        beginning: &Beginning,
    ) -> Result<Self, MemberError> {
        let etcd = find_etcd(etcd)?;
        let data = data_folder(state);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&data);
        // Processes are found by it, so it is the same text at each start.
        let data = made.and_then(|()| data.canonicalize());
        let data = data.map_err(|source| MemberError::Folder {
            path: data_folder(state),
            source,
        })?;
        let program = Program {
            etcd,
            arguments: arguments(cluster, &data, beginning),
            data: data.clone(),
            members: EtcdMembers::new(cluster.clone()),
        };
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let watched = shared.clone();
        let thread = thread::Builder::new().name("etcd".to_owned());
        let thread = thread.spawn(move || watched.watch(&program));
        Ok(Self {
            shared,
            thread: Some(thread.map_err(MemberError::Thread)?),
            data,
        })
    }

    /// The process, while there is one.
    pub fn process(&self) -> Option<u32> {
        self.shared.state.lock().process
    }

    /// Where its data is.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Stops it and starts it again: connections that were open are closed.
    pub fn restart(&self) {
        if let Some(process) = self.process() {
            process::ask_to_stop(process);
        }
    }

    /// Stops it, orderly if it can be had within ten seconds.
    pub async fn stop(self) {
        // Only a runtime that ends drops such a task.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.shared.stop();
        if let Some(thread) = self.thread.take() {
            // It has no way to panic that was not reported.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn watch(&self, program: &Program) {
        let mut wait = FIRST_WAIT;
        while !self.state.lock().stopping {
            process::stop_left_over(&program.data);
            let begun = Instant::now();
            match program.spawn() {
                Ok(child) => self.run(child),
                Err(error) => tracing::error!(%error, "etcd cannot be started"),
            }
            if begun.elapsed() > SETTLED {
                wait = FIRST_WAIT;
            }
            let mut state = self.state.lock();
            if !state.stopping {
                self.changed.wait_for(&mut state, wait);
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Passes on what it says until it ends.
    fn run(&self, mut child: Child) {
        let stopping = {
            let mut state = self.state.lock();
            state.process = Some(child.id());
            state.stopping
        };
        if stopping {
            process::ask_to_stop(child.id());
        }
        if let Some(said) = child.stderr.take() {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                log(&line);
            }
        }
        // Forgotten before it is waited for: its number may be another process's afterwards.
        let stopping = {
            let mut state = self.state.lock();
            state.process = None;
            self.changed.notify_all();
            state.stopping
        };
        match child.wait() {
            Ok(status) if !stopping => tracing::warn!(%status, "etcd ended; it is started again"),
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "etcd cannot be waited for"),
        }
    }

    fn stop(&self) {
        let mut state = self.state.lock();
        state.stopping = true;
        self.changed.notify_all();
        // One that is being started sees for itself that it shall stop.
        if let Some(process) = state.process {
            process::ask_to_stop(process);
        }
        let begun = Instant::now();
        while let Some(process) = state.process {
            let rest = PATIENCE.saturating_sub(begun.elapsed());
            if rest.is_zero() {
                process::force_to_stop(process);
                return;
            }
            self.changed.wait_for(&mut state, rest);
        }
    }
}

/// It warns at each start that its users' passwords are badly kept; there are no users.
const NO_USERS: &str = "simple token is not cryptographically signed";

/// A line of etcd's log. Of what it says in passing there is too much for a log that people read.
fn log(line: &str) {
    #[derive(Deserialize)]
    struct Line {
        level: String,
        msg: String,
        #[serde(default)]
        error: String,
    }
    let Ok(Line { level, msg, error }) = serde_json::from_str(line) else {
        // A panic, or a complaint about its arguments.
        tracing::warn!(target: "etcd", "{line}");
        return;
    };
    match level.as_str() {
        _ if msg == NO_USERS => {}
        "debug" | "info" => tracing::debug!(target: "etcd", error, "{msg}"),
        "warn" => tracing::warn!(target: "etcd", error, "{msg}"),
        _ => tracing::error!(target: "etcd", error, "{msg}"),
    }
}
