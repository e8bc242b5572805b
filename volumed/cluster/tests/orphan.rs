//! etcd does not outlive the daemon that runs it. The daemon is this program, called by itself: it has to be a
//! process that can be killed.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use volumed_cluster::{Cluster, Keeper, Place, Ports};

const DAEMON: &str = "--daemon";
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(50);

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(DAEMON) {
        run(Path::new(&arguments.next().unwrap()));
    }
    etcd_dies_with_its_daemon();
}

/// The daemon.
fn run(data: &Path) {
    let cluster = Cluster::open(data).unwrap().unwrap();
    let mut keeper = Keeper::new(Arc::new(cluster), data, None).unwrap();
    keeper.begin().unwrap();
    loop {
        std::thread::park();
    }
}

fn etcd_dies_with_its_daemon() {
    let data = tempfile::tempdir().unwrap();
    let at = "127.0.0.5".parse().unwrap();
    // Below the ports that the system gives to clients, and elsewhere than the tests that run beside this one.
    let first = 10_000 + (std::process::id() * 2 % 20_000) as u16;
    let ports = Ports {
        etcd_client: first,
        etcd_peer: first + 1,
        ..Ports::default()
    };
    let place = Place::new(vec![at], ports).unwrap();
    Cluster::found(data.path(), "alone".parse().unwrap(), place).unwrap();
    let mut daemon = Command::new(std::env::current_exe().unwrap())
        .arg(DAEMON)
        .arg(data.path())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let folder = data.path().join("etcd");
    soon("etcd runs", || process(&folder).is_some());
    // It would end by itself with the next line of its log, which nobody reads any more.
    let etcd = Pid::from_raw(process(&folder).unwrap());
    kill(etcd, Signal::SIGSTOP).unwrap();
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let begun = Instant::now();
    while process(&folder).is_some() {
        if begun.elapsed() > PATIENCE {
            kill(etcd, Signal::SIGKILL).unwrap();
            panic!("etcd outlived its daemon");
        }
        std::thread::sleep(LOOK);
    }
    println!("test etcd_dies_with_its_daemon ... ok");
}

/// The etcd that has its data there.
fn process(folder: &Path) -> Option<i32> {
    let wanted = format!("--data-dir={}", folder.display());
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.find(|process| {
        let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0)
            .any(|word| word == wanted.as_bytes())
    })
}

fn soon(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not yet: {what}");
        std::thread::sleep(LOOK);
    }
}
