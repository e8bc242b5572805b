//! A node whose metadata store is in an etcd.
#![allow(clippy::unwrap_used)]

mod daemon;

use std::path::Path;
use std::process::{Command, Output};

use daemon::{Daemon, PATIENCE, pattern, succeed, volumed};
use hayrack_etcd::Cluster;
use nix::sys::signal::Signal;
use volumed_client::{BlockDevice, Durability, NbdDevice};

/// Some of the first extent and some of the second.
const PLACES: [u64; 2] = [0, 64 << 20];

fn config(cluster: &Cluster) -> String {
    format!("store = \"etcd://{}\"\n", cluster.endpoints())
}

async fn attach(daemon: &Daemon, volume: &str) -> NbdDevice {
    let attached = daemon.admin().attach(volume, "tester").await.unwrap();
    let connected = NbdDevice::connect(&attached.nbd_socket, &attached.export).await;
    connected.unwrap()
}

async fn write(daemon: &Daemon, volume: &str, seed: u64) {
    let device = attach(daemon, volume).await;
    for place in PLACES {
        let data = [pattern(seed ^ place, 100_000).into()];
        device
            .write(place, &data, Durability::Durable)
            .await
            .unwrap();
    }
}

async fn check(daemon: &Daemon, volume: &str, seed: u64) {
    let device = attach(daemon, volume).await;
    for place in PLACES {
        let read = device.read(place, 100_000).await.unwrap();
        assert_eq!(read, pattern(seed ^ place, 100_000), "{volume} at {place}");
    }
}

fn refused(output: &Output, sentence: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(error.contains(sentence), "{error}");
}

/// `volumed meta restore` into an etcd, of a daemon that has ended.
fn restore(copy: &Path, data: &Path, cluster: &Cluster) -> Command {
    let mut command = volumed();
    command.args(["meta", "restore"]).arg(copy);
    command.arg("--data").arg(data);
    command
        .arg("--store")
        .arg(format!("etcd://{}", cluster.endpoints()));
    command
}

/// Refused while members elect a leader, so it is tried again.
fn until_created(daemon: &Daemon, volume: &str) {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let output = daemon.run(&["volume", "create", volume, "--size", "1GiB"]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() || error.contains("already") {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn volumes_outlive_the_daemon_and_a_member() {
    let mut cluster = Cluster::start(3);
    let daemon = Daemon::start_with(&config(&cluster));
    daemon.create("v", 1 << 30).await;
    write(&daemon, "v", 1).await;
    let shown = succeed(
        volumed()
            .args(["meta", "show", "--socket"])
            .arg(daemon.admin_socket()),
    );
    assert!(shown.contains(&cluster.endpoints()), "{shown}");
    let daemon = daemon.restart(Signal::SIGKILL);
    check(&daemon, "v", 1).await;
    let leader = cluster.leader();
    cluster.kill(leader);
    until_created(&daemon, "w");
    write(&daemon, "w", 2).await;
    check(&daemon, "v", 1).await;
    let daemon = daemon.restart(Signal::SIGTERM);
    check(&daemon, "v", 1).await;
    check(&daemon, "w", 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_moves_into_an_etcd_keeps_its_volumes() {
    let (cluster, second) = (Cluster::start(1), Cluster::start(1));
    let mut daemon = Daemon::start();
    daemon.create("v", 1 << 30).await;
    write(&daemon, "v", 1).await;
    daemon.signal(Signal::SIGTERM);
    daemon.wait();
    let (data, file) = (daemon.data(), daemon.data().join("meta.db"));
    succeed(&mut restore(&file, &data, &cluster));
    refused(
        &restore(&file, &data, &cluster).output().unwrap(),
        "already",
    );

    // New extents are newer than every one of before.
    let daemon = daemon.restart_stopped_with(&config(&cluster));
    check(&daemon, "v", 1).await;
    daemon.create("w", 1 << 30).await;
    write(&daemon, "w", 2).await;
    let backup = daemon.folder().join("backup.db");
    succeed(
        volumed()
            .arg("meta")
            .arg("backup")
            .arg(&backup)
            .arg("--socket")
            .arg(daemon.admin_socket()),
    );
    daemon.create("x", 1 << 30).await;
    write(&daemon, "x", 3).await;
    let mut daemon = daemon.restart(Signal::SIGKILL);
    check(&daemon, "w", 2).await;
    daemon.signal(Signal::SIGKILL);
    daemon.wait();

    // The file of before is older than the disks now.
    let old = volumed()
        .arg("serve")
        .arg("--data")
        .arg(&data)
        .output()
        .unwrap();
    refused(&old, "older copy");

    // That etcd is lost; what the copy lacks is told, and given up.
    refused(
        &restore(&backup, &data, &second).output().unwrap(),
        "--accept-loss",
    );
    succeed(restore(&backup, &data, &second).arg("--accept-loss"));
    let daemon = daemon.restart_stopped_with(&config(&second));
    check(&daemon, "v", 1).await;
    check(&daemon, "w", 2).await;
    daemon.create("x", 1 << 30).await;
    write(&daemon, "x", 4).await;
    let daemon = daemon.restart(Signal::SIGKILL);
    check(&daemon, "x", 4).await;
}

#[test]
fn an_etcd_that_does_not_answer_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let serve = |store: &str| {
        let mut command = volumed();
        command
            .arg("serve")
            .arg("--data")
            .arg(folder.path().join("data"));
        command.args(["--store", store]).output().unwrap()
    };
    let absent = serve("etcd://127.0.0.1:9");
    refused(&absent, "etcd://127.0.0.1:9");
    refused(&absent, "Connection refused");
    refused(&serve("http://127.0.0.1:2379"), "etcd://HOST:PORT");
    let mut backup = volumed();
    backup
        .args(["meta", "backup"])
        .arg(folder.path().join("copy.db"));
    let output = backup
        .args(["--store", "etcd://127.0.0.1:9"])
        .output()
        .unwrap();
    refused(&output, "running volumed");
}
