//! A volume with two replicas on two disks: one fails under load and comes back, the daemon is killed
//! meanwhile, and what clients wrote is there on each of them.
#![allow(clippy::unwrap_used)]

mod daemon;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use volumed_client::admin::{DiskInfo, VolumeInfo};
use volumed_client::{BlockDevice, Durability, NbdDevice};

use daemon::{Daemon, PATIENCE, pattern, succeed, volumed};

const MIB: u64 = 1 << 20;

fn done<A: serde::de::DeserializeOwned>(daemon: &Daemon, arguments: &[&str]) -> A {
    let output = daemon.run(&[arguments, &["--json"]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn show(daemon: &Daemon) -> VolumeInfo {
    done(daemon, &["volume", "show", "v"])
}

/// A daemon with two disks, and the volume `v` with a replica on each.
fn with_two_replicas() -> (Daemon, DiskInfo) {
    let daemon = Daemon::start();
    let second = daemon.folder().join("second");
    let second: DiskInfo = done(&daemon, &["disk", "add", second.to_str().unwrap()]);
    let made: VolumeInfo = done(
        &daemon,
        &["volume", "create", "v", "--size", "1GiB", "--replicas", "2"],
    );
    assert_eq!(made.replicas, 2);
    (daemon, second)
}

async fn device(daemon: &Daemon) -> NbdDevice {
    NbdDevice::connect(&daemon.nbd_socket(), "v").await.unwrap()
}

async fn write(volume: &NbdDevice, offset: u64, seed: u64) {
    let data = [bytes::Bytes::from(pattern(seed, 8192))];
    let written = volume.write(offset, &data, Durability::Durable).await;
    written.unwrap();
}

/// Has the next write of the volume's log fail, and with it the disk (V8).
fn break_log(disk: &Path) -> PathBuf {
    let log = disk.join("volumes/v00000001/dirty");
    std::fs::rename(&log, disk.join("log")).unwrap();
    std::fs::create_dir(&log).unwrap();
    log
}

fn mend_log(disk: &Path, log: &Path) {
    std::fs::remove_dir(log).unwrap();
    std::fs::rename(disk.join("log"), log).unwrap();
}

async fn until_in_sync(daemon: &Daemon) {
    let deadline = Instant::now() + PATIENCE;
    while !show(daemon).stale.is_empty() {
        assert!(Instant::now() < deadline, "{:?}", show(daemon).stale);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_fails_under_load_and_is_resynced_and_each_holds_everything() {
    let (daemon, second) = with_two_replicas();
    let volume = device(&daemon).await;
    for at in 0..20 {
        write(&volume, at * MIB, at).await;
    }
    let log = break_log(&second.path);
    for at in 20..60 {
        write(&volume, at * MIB, at).await;
    }
    let shown = String::from_utf8(daemon.run(&["volume", "show", "v"]).stdout).unwrap();
    assert!(
        shown.contains(&format!("2; {} is stale", second.id)),
        "{shown}"
    );
    let found = daemon.admin().findings().await.unwrap();
    let degraded = found.iter().find(|it| it.fault == "volume_degraded");
    assert!(degraded.is_some_and(|it| it.cure.contains("disk retry")));

    // A kill in between changes nothing of that, and nobody was lied to.
    drop(volume);
    mend_log(&second.path, &log);
    let daemon = daemon.restart(Signal::SIGKILL);
    let volume = device(&daemon).await;
    for at in 60..80 {
        write(&volume, at * MIB, at).await;
    }
    until_in_sync(&daemon).await;

    // The other one fails: what is read now, the resynced one has.
    let first = daemon.data().join("disk");
    break_log(&first);
    write(&volume, 100 * MIB, 100).await;
    for at in (0..80).chain([100]) {
        let read = volume.read(at * MIB, 8192).await.unwrap();
        assert!(read == pattern(at, 8192), "{at}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_are_counted_as_lacking_until_there_is_room_for_them() {
    let daemon = Daemon::start();
    let add = |name: &str, capacity: &str| {
        let path = daemon.folder().join(name);
        let words = ["disk", "add", path.to_str().unwrap(), "--capacity"];
        let _: DiskInfo = done(&daemon, &[&words[..], &[capacity]].concat());
    };
    add("small", "4KiB");
    let words = ["volume", "create", "v", "--size", "1GiB", "--replicas", "1"];
    let _: VolumeInfo = done(&daemon, &words);
    let volume = device(&daemon).await;
    for at in [0, 70 * MIB] {
        write(&volume, at, at).await;
    }
    assert_eq!(show(&daemon).lacking, Some(0));
    let _: VolumeInfo = done(&daemon, &["volume", "replicas", "v", "2"]);
    // One of each extent, those among them that were taken ahead.
    let lacking = show(&daemon).lacking.unwrap();
    assert!(lacking >= 2, "{lacking}");
    let listed: Vec<VolumeInfo> = done(&daemon, &["volume", "list"]);
    assert_eq!(listed[0].lacking, Some(lacking));
    let shown = String::from_utf8(daemon.run(&["volume", "show", "v"]).stdout).unwrap();
    let sentence = format!("2; {lacking} of extents are yet to be made");
    assert!(shown.contains(&sentence), "{shown}");
    let found = async || {
        let found = daemon.admin().findings().await.unwrap();
        found.iter().any(|it| it.fault == "volume_lacks_replicas")
    };
    assert!(found().await);
    add("roomy", "1GiB");
    let deadline = Instant::now() + PATIENCE;
    while show(&daemon).lacking != Some(0) {
        assert!(Instant::now() < deadline, "{:?}", show(&daemon));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!found().await);
}

#[test]
fn more_replicas_than_disks_are_refused_with_a_sentence() {
    let (daemon, _) = with_two_replicas();
    let refused = daemon.run(&["volume", "create", "w", "--size", "1GiB", "--replicas", "3"]);
    let sentence = String::from_utf8(refused.stderr).unwrap();
    assert!(sentence.contains("the pool has 2: not 3"), "{sentence}");
    let help = succeed(volumed().args(["volume", "create", "--help"]));
    assert!(help.contains("--replicas"), "{help}");
}
