//! Volumes with several replicas, each on a disk of its own (V3, V4).

use volumed_core::DiskId;

use super::disks::{break_log, mend_log, settings, store};
use super::token::lose;
use super::*;
use crate::store::restore::restore;
use crate::{CreateVolumeError, StaleView};

const GIB: u64 = 1 << 30;

/// A node with the disks "a" and "b", and the volume "v" with a replica on each.
async fn with_two_replicas(folder: &TempDir) -> Volumes {
    let volumes = start_again(folder).await;
    let made = volumes.create(&name("v"), EIB, 2, None, None).await;
    assert_eq!(made.unwrap().replicas, 2);
    volumes
}

async fn start_again(folder: &TempDir) -> Volumes {
    let disks = vec![settings(folder, "a", GIB), settings(folder, "b", GIB)];
    Volumes::start(store(folder), disks, OPEN_EXTENTS, None)
        .await
        .unwrap()
}

async fn stale(volumes: &Volumes) -> Vec<StaleView> {
    volumes.show(&name("v")).await.unwrap().stale
}

async fn id_of(volumes: &Volumes, disk: &str) -> DiskId {
    let disks = volumes.disks().await;
    let found = disks.iter().find(|it| it.path.ends_with(disk));
    found.unwrap().id
}

async fn until_in_sync(volumes: &Volumes) {
    while !stale(volumes).await.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The data file of the first extent on a disk.
fn data_file(folder: &TempDir, disk: &str) -> PathBuf {
    let files = std::fs::read_dir(folder.path().join(disk).join("volumes/v00000001")).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    let is_data = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("0.") && name.ends_with(".data")
    };
    files.find(is_data).unwrap()
}

fn data_on(folder: &TempDir, disk: &str) -> Vec<u8> {
    let mut data = std::fs::read(data_file(folder, disk)).unwrap();
    data.truncate(16 << 20);
    data
}

fn rot(folder: &TempDir, disk: &str, at: usize) {
    use std::os::unix::fs::FileExt as _;
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(data_file(folder, disk))
        .unwrap();
    file.write_all_at(&[9], at as u64).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_has_as_many_replicas_as_there_are_disks_at_most() {
    let folder = TempDir::new().unwrap();
    let volumes = with_two_replicas(&folder).await;
    let refused = volumes.create(&name("w"), EIB, 3, None, None).await;
    let refused = refused.unwrap_err();
    assert!(matches!(
        refused,
        CreateVolumeError::Replicas {
            replicas: 3,
            disks: 2
        }
    ));
    assert!(refused.to_string().contains("the pool has 2"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_is_on_every_replica() {
    let folder = TempDir::new().unwrap();
    let volumes = with_two_replicas(&folder).await;
    let export = open(&volumes, "v").await.unwrap();
    for at in [0, 5 * MIB, 9 * MIB + 512] {
        write(&export, at, &vec![at as u8 | 1; 70_000], false)
            .await
            .unwrap();
    }
    ask(&export, Request::Flush).await.unwrap();
    assert!(data_on(&folder, "a") == data_on(&folder, "b"));
    let used: Vec<_> = volumes.disks().await.iter().map(|it| it.used).collect();
    assert_eq!(used[0], used[1]);
    assert_eq!(
        volumes.show(&name("v")).await.unwrap().used,
        used[0],
        "one replica counted"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_is_done_without_and_resynced_when_it_is_back() {
    let folder = TempDir::new().unwrap();
    let volumes = with_two_replicas(&folder).await;
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 0, b"before", true).await.unwrap();
    let log = break_log(&folder, "b");
    // Marks a region, which the log of "b" refuses (V5, V8).
    write(&export, 8 * MIB, b"without b", true).await.unwrap();
    let (a, b) = (id_of(&volumes, "a").await, id_of(&volumes, "b").await);
    let failed = StaleView {
        disk: Some(b),
        left: None,
    };
    assert_eq!(stale(&volumes).await, [failed]);
    write(&export, 0, b"change", true).await.unwrap();
    // In an extent that "b" has no files of yet.
    write(&export, 64 * MIB, b"new extent", true).await.unwrap();

    mend_log(&log);
    volumes.retry_disk(b).await.unwrap();
    let written = async {
        for at in 0..50 {
            write(&export, at * 8192, &[at as u8; 4096], true)
                .await
                .unwrap();
        }
    };
    tokio::join!(written, until_in_sync(&volumes));
    assert!(data_on(&folder, "a") == data_on(&folder, "b"));

    // What "b" has serves, too.
    let log = break_log(&folder, "a");
    write(&export, 12 * MIB, b"without a", true).await.unwrap();
    let failed = StaleView {
        disk: Some(a),
        left: None,
    };
    assert_eq!(stale(&volumes).await, [failed]);
    assert_eq!(read(&export, 8 * MIB, 9).await.unwrap(), &b"without b"[..]);
    assert_eq!(
        read(&export, 64 * MIB, 10).await.unwrap(),
        &b"new extent"[..]
    );
    assert_eq!(read(&export, 8192, 4096).await.unwrap(), vec![1; 4096]);
    drop(export);
    kill(volumes).await;

    // It is stale after a start, too, and resynced once somebody has the volume.
    mend_log(&log);
    let volumes = start_again(&folder).await;
    let export = open(&volumes, "v").await.unwrap();
    assert_eq!(read(&export, 12 * MIB, 9).await.unwrap(), &b"without a"[..]);
    until_in_sync(&volumes).await;
    assert!(data_on(&folder, "a") == data_on(&folder, "b"));
    drop(export);
    volumes.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_given_up_for_a_disk_that_fell_behind_after_a_copy_of_the_store() {
    let folder = TempDir::new().unwrap();
    let volumes = with_two_replicas(&folder).await;
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 0, b"before", true).await.unwrap();
    let copy = folder.path().join("copy.db");
    volumes.back_up(&copy).await.unwrap();
    drop(export);
    volumes.stop().await;
    kill(volumes).await;

    // "b" is not here for a while, and then "a" has another incarnation.
    let only_a = vec![settings(&folder, "a", GIB)];
    let volumes = Volumes::start(store(&folder), only_a, OPEN_EXTENTS, None);
    let volumes = volumes.await.unwrap();
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 0, b"behind", true).await.unwrap();
    drop(export);
    volumes.stop().await;
    kill(volumes).await;
    lose(&folder, "a");

    let both = vec![settings(&folder, "a", GIB), settings(&folder, "b", GIB)];
    let meta = folder.path().join("meta.db").into();
    let beside = folder.path().join("beside");
    restore(&copy, &meta, &beside, both, true, |_, _| {})
        .await
        .unwrap();
    let volumes = start_again(&folder).await;
    let export = open(&volumes, "v").await.unwrap();
    assert_eq!(stale(&volumes).await, [], "nobody knows who is");
    assert!(data_on(&folder, "a").starts_with(b"behind"));
    drop(export);
    volumes.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_replica_in_sync_is_never_done_without() {
    let folder = TempDir::new().unwrap();
    let volumes = with_two_replicas(&folder).await;
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 0, b"kept", true).await.unwrap();
    break_log(&folder, "b");
    write(&export, 8 * MIB, b"a", true).await.unwrap();
    break_log(&folder, "a");
    let refused = write(&export, 12 * MIB, b"nobody", true).await;
    assert_eq!(refused, Err(IoError::Io));
    assert_eq!(stale(&volumes).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotten_block_is_read_from_the_other_replica_and_made_good() {
    let folder = TempDir::new().unwrap();
    let volumes = with_two_replicas(&folder).await;
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 0, &[7; 8192], true).await.unwrap();
    // Whichever is read finds its own, and then both are compared.
    rot(&folder, "a", 0);
    rot(&folder, "b", 4096);
    for at in [0, 4096] {
        assert_eq!(read(&export, at, 4096).await.unwrap(), vec![7; 4096]);
    }
    let good = |disk| data_on(&folder, disk)[..8192] == [7; 8192];
    while !good("a") || !good("b") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(volumes.show(&name("v")).await.unwrap().damaged, 0);
}
