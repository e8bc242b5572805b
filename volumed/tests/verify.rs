//! Replicas that were made to differ behind the daemon's back are found, and made equal again.
#![allow(clippy::unwrap_used)]

mod daemon;
mod rack;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;
use volumed_client::admin::{CreateVolume, DiskInfo, VerificationInfo};
use volumed_client::{BlockDevice, Durability, NbdDevice};

use daemon::{Daemon, pattern, succeed};
use rack::{Node, until};

const BLOCK: usize = 4096;
const MIB: u64 = 1 << 20;

/// The only extent of the first volume on a disk: its file with this ending.
fn file(disk: &Path, ending: &str) -> PathBuf {
    let folder = disk.join("volumes/v00000001");
    let files = std::fs::read_dir(folder).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    let ends = |path: &PathBuf| path.extension().is_some_and(|it| it == ending);
    files.find(ends).unwrap()
}

/// Writes over a block of the extent, and over its checksum, if that is to match.
fn overwrite(disk: &Path, block: u64, with: &[u8], summed: bool) {
    let open = |path| OpenOptions::new().write(true).open(path).unwrap();
    let data = open(file(disk, "data"));
    data.write_all_at(with, block * BLOCK as u64).unwrap();
    if summed {
        let sum = volumed_core::sums::sum(with).to_le_bytes();
        // Behind the header's page.
        let at = BLOCK as u64 + block * 4;
        open(file(disk, "sums")).write_all_at(&sum, at).unwrap();
    }
}

fn found(output: &Output) -> VerificationInfo {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let found: BTreeMap<String, VerificationInfo> =
        serde_json::from_slice(&output.stdout).expect(&stderr);
    let well = found.values().all(VerificationInfo::is_well);
    assert_eq!(output.status.code(), Some(i32::from(!well)), "{stderr}");
    found.into_values().next().unwrap()
}

fn verify(daemon: &Daemon, how: &[&str]) -> VerificationInfo {
    let words = [&["volume", "verify", "v", "--json"], how].concat();
    found(&daemon.run(&words))
}

/// Each its extent, offset and length, and whether it is damaged.
fn ranges(found: &VerificationInfo) -> Vec<(u64, u64, u64, bool)> {
    let ranges = found.differences.iter();
    let parts = ranges.map(|it| (it.extent, it.offset, it.length, it.damaged));
    parts.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_differs_is_found_by_sums_and_one_that_rotted_by_bytes() {
    let daemon = Daemon::start();
    let second = daemon.folder().join("second");
    succeed(
        daemon::volumed()
            .args(["disk", "add", second.to_str().unwrap(), "--socket"])
            .arg(daemon.admin_socket()),
    );
    let create = ["volume", "create", "v", "--size", "1GiB", "--replicas", "2"];
    assert!(daemon.run(&create).status.success());
    let volume = NbdDevice::connect(&daemon.nbd_socket(), "v").await.unwrap();
    for at in [0, 9] {
        let data = [pattern(at, 64 * 1024).into()];
        let written = volume.write(at * MIB, &data, Durability::Durable).await;
        written.unwrap();
    }
    let well = verify(&daemon, &[]);
    assert_eq!((well.extents, well.compared, well.alone), (1, 1, 0));
    drop(volume);

    // While nobody knows its sums: a block that says that it is what it is not, and one that rots.
    let second = second.as_path();
    let stopped = {
        let mut daemon = daemon;
        daemon.signal(Signal::SIGTERM);
        daemon.wait();
        daemon
    };
    overwrite(second, 3, &pattern(77, BLOCK), true);
    overwrite(second, 2304 + 5, &pattern(78, BLOCK), false);
    let daemon = stopped.restart_stopped();
    let by_sums = verify(&daemon, &[]);
    let (differs, rotted) = (
        (0, 3 * 4096, 4096, false),
        (0, 9 * MIB + 5 * 4096, 4096, true),
    );
    assert_eq!(ranges(&by_sums), [differs]);
    // It is the other one that differs if the head asks the second first.
    let disks: Vec<DiskInfo> = daemon.admin().disks().await.unwrap();
    let [other] = &by_sums.differences[0].disks[..] else {
        panic!("{by_sums:?}");
    };
    assert!(disks.iter().any(|it| it.id == *other), "{by_sums:?}");
    let by_bytes = verify(&daemon, &["--deep"]);
    assert_eq!(ranges(&by_bytes), [differs, rotted]);

    // Served meanwhile: the damage is made good by a scrub, the other by who is asked to.
    let volume = NbdDevice::connect(&daemon.nbd_socket(), "v").await.unwrap();
    let read_before = volume.read(0, 64 * 1024).await.unwrap();
    assert!(daemon.run(&["scrub", "start"]).status.success());
    until("the damage is made good", async || {
        ranges(&verify(&daemon, &["--deep"])) == [differs]
    })
    .await;
    let repaired = verify(&daemon, &["--repair"]);
    assert_eq!((repaired.differing, repaired.repaired), (1, 1));
    assert!(verify(&daemon, &["--deep"]).is_well());
    // What was read before is what is read.
    let read = volume.read(0, 64 * 1024).await.unwrap();
    assert_eq!(read, read_before);
    let read = volume.read(9 * MIB, 64 * 1024).await.unwrap();
    assert_eq!(read, pattern(9, 64 * 1024));
}

/// Writes all the time, also what was written, until it is to stop.
async fn keep_writing(volume: NbdDevice, stop: Arc<AtomicBool>) {
    let mut round = 0;
    while !stop.load(Ordering::Relaxed) {
        let data = [pattern(round, 96 * 1024).into()];
        let at = round % 40 * MIB + 1000;
        volume.write(at, &data, Durability::Volatile).await.unwrap();
        round += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_node_has_volumes_verified_while_another_serves_them() {
    let mut first = Node::new(21);
    succeed(&mut first.init());
    first.start().await;
    let mut second = Node::new(22);
    succeed(&mut second.join(&first.token()));
    second.start().await;
    second.until_members(2).await;
    for name in ["v", "w"] {
        let wanted = CreateVolume {
            name: name.to_owned(),
            size: 1 << 30,
            replicas: 2,
            auto_grow: None,
            quota: None,
        };
        second.admin().create_volume(&wanted).await.unwrap();
    }
    let attached = second.admin().attach("v", "tester").await.unwrap();
    let volume = NbdDevice::connect(&attached.nbd_socket, &attached.export).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(keep_writing(volume.unwrap(), stop.clone()));
    let all = ["volume", "verify", "--all", "--deep", "--json"];
    until("both are verified, with nothing alone", async || {
        let found = found(&first.ask(&all).output().unwrap());
        assert!(found.is_well(), "{found:?}");
        found.compared > 0 && found.alone == 0
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    writer.await.unwrap();

    // In the page cache of the node that has it.
    overwrite(&first.disk(), 256 * 7, &pattern(5, BLOCK), false);
    let output = first.ask(&all).output().unwrap();
    let rotted = found(&output);
    assert_eq!(ranges(&rotted), [(0, 7 * MIB, 4096, true)]);
    let help = first.ask(&["volume", "verify", "v", "--deep"]).output();
    let table = String::from_utf8(help.unwrap().stdout).unwrap();
    assert!(table.contains("damaged"), "{table}");
    succeed(&mut first.ask(&["scrub", "start"]));
    until("the damage is made good by the other node", async || {
        found(&first.ask(&all).output().unwrap()).is_well()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_that_nobody_can_serve_is_not_waited_for_without_end() {
    let mut daemon = Daemon::start();
    assert!(daemon.run(&["volume", "create", "v"]).status.success());
    let volume = NbdDevice::connect(&daemon.nbd_socket(), "v").await.unwrap();
    let data = [pattern(1, BLOCK).into()];
    volume.write(0, &data, Durability::Durable).await.unwrap();
    drop(volume);
    daemon.signal(Signal::SIGTERM);
    daemon.wait();
    // Its only replica is not used, since what it promised cannot be read.
    let promise = daemon.data().join("disk/volumes/v00000001/promise");
    let length = std::fs::metadata(&promise).unwrap().len();
    std::fs::write(&promise, vec![0xff; length as usize]).unwrap();
    let daemon = daemon.restart_stopped();
    let output = daemon.run(&["volume", "verify", "v", "--patience", "2"]);
    let sentence = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{sentence}");
    assert!(
        sentence.contains("no node has compared anything of the volume v for 2 s"),
        "{sentence}"
    );
}
