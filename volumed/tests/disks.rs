//! Disks that join while the daemon runs, and one that failed and is taken back.
#![allow(clippy::unwrap_used)]

mod daemon;

use nix::sys::signal::Signal;
use volumed_client::admin::{DiskInfo, DiskState, Finding};
use volumed_client::{BlockDevice, DeviceError, Durability, NbdDevice};

use daemon::{Daemon, PATIENCE, pattern};

const MIB: u64 = 1 << 20;

fn done<A: serde::de::DeserializeOwned>(daemon: &Daemon, arguments: &[&str]) -> A {
    let output = daemon.run(&[arguments, &["--json"]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(daemon: &Daemon, arguments: &[&str]) -> (Option<i32>, String) {
    let output = daemon.run(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), stderr)
}

async fn device(daemon: &Daemon, volume: &str) -> NbdDevice {
    NbdDevice::connect(&daemon.nbd_socket(), volume)
        .await
        .unwrap()
}

async fn write(volume: &NbdDevice, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
    let data = [bytes::Bytes::copy_from_slice(data)];
    volume.write(offset, &data, Durability::Durable).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_is_added_to_a_full_pool_while_it_is_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("first");
    let daemon = Daemon::start_with(&format!(
        "disks = [{{ path = {first:?}, capacity = \"8MiB\" }}]\n"
    ));
    daemon.create("v", 1 << 40).await;
    let volume = device(&daemon, "v").await;
    let written = pattern(1, 4 << 20);
    write(&volume, 0, &written.clone()).await.unwrap();
    let full = write(&volume, 64 * MIB, &pattern(2, 8 << 20)).await;
    full.unwrap_err();
    let path = daemon.folder().join("more");
    let path = path.to_str().unwrap();
    let added: DiskInfo = done(&daemon, &["disk", "add", path, "--capacity", "1GiB"]);
    assert_eq!(added.state, DiskState::Online);
    let (code, sentence) = refused(&daemon, &["disk", "add", path]);
    assert_eq!(code, Some(4), "{sentence}");
    let deadline = std::time::Instant::now() + PATIENCE;
    while write(&volume, 256 * MIB, &pattern(3, 8 << 20))
        .await
        .is_err()
    {
        assert!(std::time::Instant::now() < deadline, "{}", daemon.log());
    }
    drop(volume);

    let daemon = daemon.restart(Signal::SIGKILL);
    let disks: Vec<DiskInfo> = done(&daemon, &["disk", "list"]);
    assert!(
        disks
            .iter()
            .any(|disk| disk.id == added.id && disk.used >= 8 * MIB)
    );
    let volume = device(&daemon, "v").await;
    assert_eq!(volume.read(0, 4 << 20).await.unwrap(), written);
    assert_eq!(
        volume.read(256 * MIB, 8 << 20).await.unwrap(),
        pattern(3, 8 << 20)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_disk_is_found_and_taken_back() {
    let daemon = Daemon::start();
    daemon.create("v", 1 << 40).await;
    let volume = device(&daemon, "v").await;
    write(&volume, 0, &pattern(1, 4096)).await.unwrap();
    // A log that cannot be written fails the disk (V8).
    let log = daemon.data().join("disk/volumes/v00000001/dirty");
    let log_aside = daemon.data().join("dirty");
    std::fs::rename(&log, &log_aside).unwrap();
    std::fs::create_dir(&log).unwrap();
    let failed = write(&volume, 8 * MIB, &pattern(2, 4096)).await;
    failed.unwrap_err();
    let findings: Vec<Finding> = daemon.admin().findings().await.unwrap();
    let found = findings
        .iter()
        .find(|it| it.fault == "disk_failed")
        .unwrap();
    let id = &daemon.admin().disks().await.unwrap()[0].id;
    assert!(
        found.cure.contains(&format!("volumed disk retry {id}")),
        "{}",
        found.cure
    );

    // As long as it does not take writes, it is not taken back.
    let state = daemon.data().join("disk/state");
    let aside = daemon.data().join("state");
    std::fs::rename(&state, &aside).unwrap();
    std::fs::create_dir(&state).unwrap();
    let (code, sentence) = refused(&daemon, &["disk", "retry", id]);
    assert_eq!(code, Some(1), "{sentence}");
    std::fs::remove_dir(&state).unwrap();
    std::fs::rename(&aside, &state).unwrap();

    std::fs::remove_dir(&log).unwrap();
    std::fs::rename(&log_aside, &log).unwrap();
    let back: DiskInfo = done(&daemon, &["disk", "retry", id]);
    assert_eq!(back.state, DiskState::Online);
    let (code, sentence) = refused(&daemon, &["disk", "retry", id]);
    assert_eq!(code, Some(4), "{sentence}");
    // V9: the connection ended, since what was written over it and not flushed may be lost.
    volume.read(0, 4096).await.unwrap_err();
    let volume = device(&daemon, "v").await;
    assert_eq!(volume.read(0, 4096).await.unwrap(), pattern(1, 4096));
    write(&volume, 8 * MIB, &pattern(2, 4096)).await.unwrap();
    assert!(
        daemon
            .admin()
            .findings()
            .await
            .unwrap()
            .iter()
            .all(|it| it.fault != "disk_failed")
    );
}

/// Files of extents that are on a disk.
fn extents(disk: &DiskInfo) -> usize {
    let files = |folder: std::path::PathBuf| std::fs::read_dir(folder).into_iter().flatten();
    let volumes = files(disk.path.join("volumes"));
    let of_volume = volumes.flat_map(|volume| files(volume.unwrap().path()));
    let is_data = |path: &std::path::Path| path.extension().is_some_and(|it| it == "data");
    of_volume
        .filter(|file| is_data(&file.as_ref().unwrap().path()))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_is_drained_and_removed_and_can_be_added_again() {
    let daemon = Daemon::start();
    daemon.create("v", 1 << 40).await;
    let volume = device(&daemon, "v").await;
    for extent in 0..3 {
        write(&volume, extent * 64 * MIB + 5000, &pattern(extent, 3 << 20))
            .await
            .unwrap();
    }
    drop(volume);
    let first: DiskInfo = done::<Vec<DiskInfo>>(&daemon, &["disk", "list"]).remove(0);
    let (code, sentence) = refused(&daemon, &["disk", "remove", &first.id]);
    assert_eq!(code, Some(4), "{sentence}");
    assert!(sentence.contains("last one"), "{sentence}");

    // Without room elsewhere it waits, also over a restart, and says so.
    let waiting: DiskInfo = done(&daemon, &["disk", "drain", &first.id]);
    assert!(waiting.drain.is_some());
    let daemon = daemon.restart(Signal::SIGKILL);
    let deadline = std::time::Instant::now() + PATIENCE;
    while !daemon
        .admin()
        .findings()
        .await
        .unwrap()
        .iter()
        .any(|it| it.fault == "drain_waits_for_room")
    {
        assert!(std::time::Instant::now() < deadline, "{}", daemon.log());
    }
    let second = daemon.folder().join("second");
    let second: DiskInfo = done(&daemon, &["disk", "add", second.to_str().unwrap()]);
    let drained: DiskInfo = done(&daemon, &["disk", "drain", &first.id, "--wait"]);
    let drain = drained.drain.unwrap();
    assert_eq!((drain.left, drained.used), (0, 0));
    assert_eq!((extents(&first), extents(&second)), (0, 3));
    let _: serde_json::Value = done(&daemon, &["disk", "remove", &first.id]);

    // The settings still name it: the start passes it over.
    let daemon = daemon.restart(Signal::SIGTERM);
    let disks: Vec<DiskInfo> = done(&daemon, &["disk", "list"]);
    let ids: Vec<_> = disks.iter().map(|disk| &disk.id).collect();
    assert_eq!(ids, [&second.id]);
    let named = |found: &[Finding]| found.iter().any(|it| it.fault == "removed_disk_named");
    assert!(named(&daemon.admin().findings().await.unwrap()));
    let volume = device(&daemon, "v").await;
    for extent in 0..3 {
        let there = volume.read(extent * 64 * MIB + 5000, 3 << 20).await;
        assert_eq!(there.unwrap(), pattern(extent, 3 << 20));
    }
    drop(volume);

    let path = first.path.to_str().unwrap();
    let again: DiskInfo = done(&daemon, &["disk", "add", path]);
    assert_eq!(again.id, first.id);
    assert!(!named(&daemon.admin().findings().await.unwrap()));
    let _: DiskInfo = done(&daemon, &["disk", "drain", &second.id, "--wait"]);
    assert_eq!((extents(&first), extents(&second)), (3, 0));
    let cancelled: DiskInfo = done(&daemon, &["disk", "drain", &second.id, "--cancel"]);
    assert!(cancelled.drain.is_none());
    let daemon = daemon.restart(Signal::SIGKILL);
    let volume = device(&daemon, "v").await;
    let there = volume.read(5000, 3 << 20).await.unwrap();
    assert_eq!(there, pattern(0, 3 << 20));
}
