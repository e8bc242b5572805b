//! Disks that are dead for good and still hold something of volumes: what only they hold is lost, which is
//! an error to read and never zeroes, until it is written whole.
#![allow(clippy::unwrap_used)]

mod daemon;

use nix::sys::signal::Signal;
use volumed_client::admin::{DiskInfo, DiskState, VolumeDamage, VolumeInfo};
use volumed_client::{BlockDevice, DeviceError, Durability, NbdDevice};

use daemon::{Daemon, pattern};

const MIB: u64 = 1 << 20;
const EXTENTS: u64 = 12;

fn done<A: serde::de::DeserializeOwned>(daemon: &Daemon, arguments: &[&str]) -> A {
    let output = daemon.run(&[arguments, &["--json"]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(daemon: &Daemon, arguments: &[&str]) -> String {
    let output = daemon.run(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    stderr
}

async fn device(daemon: &Daemon, volume: &str) -> NbdDevice {
    let socket = daemon.nbd_socket();
    NbdDevice::connect(&socket, volume).await.unwrap()
}

async fn write(volume: &NbdDevice, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
    let data = [bytes::Bytes::copy_from_slice(data)];
    volume.write(offset, &data, Durability::Durable).await
}

async fn faults(daemon: &Daemon) -> Vec<String> {
    let found = daemon.admin().findings().await.unwrap();
    found.into_iter().map(|it| it.fault).collect()
}

/// Where an extent's files are on a disk.
fn is_on(disk: &DiskInfo, extent: u64) -> bool {
    let files = std::fs::read_dir(disk.path.join("volumes/v00000001"));
    let mut files = files.into_iter().flatten();
    let begin = format!("{extent}.");
    files.any(|file| {
        file.unwrap()
            .file_name()
            .to_str()
            .unwrap()
            .starts_with(&begin)
    })
}

/// A daemon with two disks, a volume `v` with something in each extent, and the extents on the second
/// disk; the first of them and one on the other disk come first.
async fn spread() -> (Daemon, DiskInfo, Vec<u64>, u64) {
    let daemon = Daemon::start();
    let second = daemon.folder().join("second");
    let second: DiskInfo = done(&daemon, &["disk", "add", second.to_str().unwrap()]);
    daemon.create("v", 1 << 40).await;
    daemon.create("other", 1 << 40).await;
    let volume = device(&daemon, "v").await;
    for extent in 0..EXTENTS {
        write(&volume, extent * 64 * MIB, &pattern(extent, 16384))
            .await
            .unwrap();
    }
    // Some are placed ahead of who writes them.
    let there: Vec<_> = (0..2 * EXTENTS).filter(|&it| is_on(&second, it)).collect();
    let elsewhere = (0..EXTENTS).find(|it| !there.contains(it)).unwrap();
    assert!(there.len() > 1, "by chance everything is on the first disk");
    (daemon, second, there, elsewhere)
}

/// What `v` is like once the disk with these extents is given up, and after what was done about it.
async fn check_lost(daemon: &Daemon, lost: &[u64], elsewhere: u64, blocks: u64) {
    let shown: VolumeInfo = done(daemon, &["volume", "show", "v"]);
    assert_eq!(shown.lost, blocks);
    let damage: VolumeDamage = done(daemon, &["volume", "damage", "v"]);
    assert!(damage.ranges.iter().all(|range| range.disk.is_none()) && !damage.more);
    let extents: std::collections::BTreeSet<_> = damage.ranges.iter().map(|it| it.extent).collect();
    assert!(extents.iter().eq(lost), "{extents:?}");
    let bytes: u64 = damage.ranges.iter().map(|range| range.length).sum();
    assert_eq!(bytes, blocks * 4096);
    assert!(faults(daemon).await.contains(&"volume_lost".to_owned()));
    let scrubs: serde_json::Value = done(daemon, &["scrub", "status"]);
    let unreadable = serde_json::json!([{ "volume": "v", "damaged": 0, "lost": bytes }]);
    assert_eq!(scrubs["volumes"], unreadable);
    let volume = device(daemon, "v").await;
    for extent in lost {
        for offset in [8192, 32 * MIB] {
            let read = volume.read(extent * 64 * MIB + offset, 512).await;
            assert!(matches!(read, Err(DeviceError::Io)), "{read:?}");
        }
    }
    let there = volume.read(elsewhere * 64 * MIB, 16384).await;
    assert_eq!(there.unwrap(), pattern(elsewhere, 16384));
    let nothing = volume.read(2 * EXTENTS * 64 * MIB, 4096).await.unwrap();
    assert!(nothing.iter().all(|byte| *byte == 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_disk_is_given_up_and_what_was_on_it_is_an_error_until_it_is_replaced() {
    let (daemon, second, there, elsewhere) = spread().await;
    let log = second.path.join("volumes/v00000001/dirty");
    std::fs::rename(&log, second.path.join("log")).unwrap();
    std::fs::create_dir(&log).unwrap();
    let (volume, other) = (device(&daemon, "v").await, device(&daemon, "other").await);
    write(&other, 0, &pattern(7, 4096)).await.unwrap();
    let first = there[0] * 64 * MIB;
    write(&volume, first + 8 * MIB, &[1; 4096])
        .await
        .unwrap_err();

    let sentence = refused(&daemon, &["disk", "remove", &second.id]);
    for said in ["of v would be lost", "--accept-loss", "disk retry"] {
        assert!(sentence.contains(said), "{sentence}");
    }
    let path = daemon.data().join("disk");
    let sentence = refused(
        &daemon,
        &["disk", "remove", path.to_str().unwrap(), "--accept-loss"],
    );
    assert!(sentence.contains("last one"), "{sentence}");
    let _: serde_json::Value = done(&daemon, &["disk", "remove", &second.id, "--accept-loss"]);
    let shown = daemon.run(&["scrub", "status"]).stdout;
    let shown = String::from_utf8(shown).unwrap();
    assert!(
        shown.contains("LOST") && shown.contains("volumed volume damage"),
        "{shown}"
    );
    // Only who has something there is disturbed.
    volume.read(0, 4096).await.unwrap_err();
    assert_eq!(other.read(0, 4096).await.unwrap(), pattern(7, 4096));
    let extent = 64 * MIB / 4096;
    check_lost(&daemon, &there, elsewhere, there.len() as u64 * extent).await;

    let volume = device(&daemon, "v").await;
    write(&volume, first + 100, &[2; 4096]).await.unwrap_err();
    write(&volume, first + 4096, &pattern(8, 4096))
        .await
        .unwrap();
    write(&volume, first + 4096 + 100, &[3; 7]).await.unwrap();
    volume.trim(first, 4096).await.unwrap();
    let mut replaced = pattern(8, 4096);
    replaced[100..107].fill(3);
    let daemon = daemon.restart(Signal::SIGKILL);
    let volume = device(&daemon, "v").await;
    assert_eq!(volume.read(first + 4096, 4096).await.unwrap(), replaced);
    let trimmed = volume.read(first, 4096).await.unwrap();
    assert!(trimmed.iter().all(|byte| *byte == 0));
    drop(volume);
    check_lost(&daemon, &there, elsewhere, there.len() as u64 * extent - 2).await;
    assert!(is_on(
        &done::<Vec<DiskInfo>>(&daemon, &["disk", "list"])[0],
        there[0]
    ));

    // The disk turns up after all: what was not replaced is there again.
    std::fs::remove_dir(&log).unwrap();
    std::fs::rename(second.path.join("log"), &log).unwrap();
    let back: DiskInfo = done(&daemon, &["disk", "add", second.path.to_str().unwrap()]);
    assert_eq!(back.id, second.id);
    check_lost(&daemon, &there[..1], elsewhere, extent - 2).await;
    let volume = device(&daemon, "v").await;
    for extent in there[1..].iter().filter(|it| **it < EXTENTS) {
        let found = volume.read(extent * 64 * MIB, 16384).await.unwrap();
        assert_eq!(found, pattern(*extent, 16384));
    }
    volume.trim(first, 64 * MIB).await.unwrap();
    let shown: VolumeInfo = done(&daemon, &["volume", "show", "v"]);
    assert_eq!(shown.lost, 0);
    let scrubs: serde_json::Value = done(&daemon, &["scrub", "status"]);
    assert_eq!(scrubs["volumes"], serde_json::json!([]));
    assert!(!faults(&daemon).await.contains(&"volume_lost".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_gone_at_a_start_is_given_up_too_and_a_kernels_token_ends() {
    let (daemon, second, there, elsewhere) = spread().await;
    let attached = daemon.admin().attach("v", "kernel").await.unwrap();
    let mut daemon = daemon;
    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    std::fs::rename(&second.path, second.path.with_extension("gone")).unwrap();
    let daemon = daemon.restart_stopped();
    let shown: DiskInfo = done(&daemon, &["disk", "show", &second.id]);
    assert_eq!(
        (shown.state, &shown.path),
        (DiskState::Missing, &second.path)
    );
    assert!(faults(&daemon).await.contains(&"disk_missing".to_owned()));
    let sentence = refused(&daemon, &["disk", "remove", &second.id]);
    assert!(sentence.contains("of v would be lost"), "{sentence}");
    let _: serde_json::Value = done(&daemon, &["disk", "remove", &second.id, "--accept-loss"]);
    // V9: what it had not flushed may have been there.
    let again = daemon.admin().attach_again("v", "kernel").await.unwrap();
    assert_ne!(again.lasting_export, attached.lasting_export);
    let same = daemon.admin().attach_again("v", "kernel").await.unwrap();
    assert_eq!(same.lasting_export, again.lasting_export);
    daemon.admin().detach("v", "kernel").await.unwrap();
    let extent = 64 * MIB / 4096;
    check_lost(&daemon, &there, elsewhere, there.len() as u64 * extent).await;
    let daemon = daemon.restart(Signal::SIGTERM);
    assert!(!faults(&daemon).await.contains(&"disk_missing".to_owned()));
    check_lost(&daemon, &there, elsewhere, there.len() as u64 * extent).await;
}
