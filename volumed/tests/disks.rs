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
