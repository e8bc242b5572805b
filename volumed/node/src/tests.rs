//! The node's volumes on real files and a real store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use volumed_core::{ByteCount, IoError, Reply, Request};
use volumed_meta::{MetaStore, SqliteStore};

use super::{
    AttachError, AutoGrow, CreateVolumeError, DeleteVolumeError, DetachError, DiskSettings, Export,
    GrowVolumeError, LimitVolumeError, OpenExportError, OpenExtents, OwnerId, StartError,
    VolumeName, Volumes,
};

mod cluster;
mod copies;
mod cost;
mod cut_off;
mod damage;
mod disks;
mod growth;
mod hosting;
mod leases;
mod leftovers;
mod noting;
mod rebuild;
mod removed;
mod replicas;
mod resync;
mod scrub;
mod space;
mod token;

const MIB: u64 = 1 << 20;
const EIB: ByteCount = ByteCount(1 << 60);
const OPEN_EXTENTS: OpenExtents = OpenExtents(64);

fn disk(path: &Path, capacity: Option<u64>) -> DiskSettings {
    DiskSettings {
        path: path.to_owned(),
        capacity: capacity.map(ByteCount),
        reserve: Some(ByteCount(0)),
    }
}

async fn start_on(folder: &TempDir, capacity: Option<u64>) -> Result<Volumes, StartError> {
    let store = SqliteStore::open(folder.path().join("meta.db")).unwrap();
    let disk = disk(&folder.path().join("disk"), capacity);
    Volumes::start(Arc::new(store), vec![disk], OPEN_EXTENTS, None).await
}

async fn start(folder: &TempDir) -> Volumes {
    start_on(folder, None).await.unwrap()
}

/// Lets go of the disks as a killed process would: nothing is flushed or cleaned.
async fn kill(volumes: Volumes) {
    let all = volumes.shared.node.disks.all();
    let disks: Vec<_> = all.values().map(|on| Arc::downgrade(&on.disk)).collect();
    drop((all, volumes));
    while disks.iter().any(|disk| disk.strong_count() > 0) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn name(text: &str) -> VolumeName {
    text.parse().unwrap()
}

fn owner(text: &str) -> OwnerId {
    text.parse().unwrap()
}

async fn ask(export: &Arc<Export>, request: Request) -> Reply {
    let (tell, told) = tokio::sync::oneshot::channel();
    export.submit(request, move |reply| {
        let _ = tell.send(reply);
    });
    told.await.unwrap()
}

async fn write(export: &Arc<Export>, offset: u64, data: &[u8], fua: bool) -> Reply {
    ask(
        export,
        Request::Write {
            offset,
            data: Bytes::copy_from_slice(data),
            fua,
        },
    )
    .await
}

async fn read(export: &Arc<Export>, offset: u64, length: u32) -> Reply {
    ask(export, Request::Read { offset, length }).await
}

async fn open(volumes: &Volumes, export: &str) -> Result<Arc<Export>, OpenExportError> {
    volumes.open(&export.parse().unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_is_read_and_the_rest_is_zero() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    assert_eq!(read(&export, EIB.0 - 10, 10).await.unwrap(), vec![0; 10]);
    // Unaligned, and over the edge of two extents.
    let data: Vec<u8> = (0..10_000_u32).map(|i| i as u8 | 1).collect();
    let offset = (1 << 50) + 64 * MIB - 5000;
    write(&export, offset, &data, false).await.unwrap();
    write(&export, offset + 100, b"overwritten", true)
        .await
        .unwrap();
    let mut expected = data.clone();
    expected[100..111].copy_from_slice(b"overwritten");
    assert_eq!(read(&export, offset, 10_000).await.unwrap(), expected);
    assert_eq!(read(&export, offset - 7, 7).await.unwrap(), vec![0; 7]);
    ask(&export, Request::Flush).await.unwrap();
    assert_eq!(
        volumes.show(&name("v")).await.unwrap().used,
        ByteCount(4 * 4096)
    );
    let beyond = write(&export, EIB.0 - 1, b"ab", false).await;
    assert_eq!(beyond, Err(IoError::Invalid));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trims_and_zeroes_read_zero_and_space_returns() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    volumes
        .create(&name("v"), ByteCount(256 * MIB), 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 0, &vec![7; 3 * MIB as usize], false)
        .await
        .unwrap();
    write(&export, 128 * MIB, &[7; 4096], true).await.unwrap();
    let used = async || volumes.show(&name("v")).await.unwrap().used.0;
    assert_eq!(used().await, 3 * MIB + 4096);
    ask(
        &export,
        Request::Trim {
            offset: 100,
            length: MIB,
            fua: true,
        },
    )
    .await
    .unwrap();
    assert_eq!(used().await, 2 * MIB + 2 * 4096);
    assert_eq!(
        read(&export, 100, MIB as u32).await.unwrap(),
        vec![0; MIB as usize]
    );
    assert_eq!(read(&export, 0, 100).await.unwrap(), vec![7; 100]);
    assert_eq!(read(&export, 100 + MIB, 100).await.unwrap(), vec![7; 100]);
    let keep = Request::WriteZeroes {
        offset: 64 * MIB,
        length: 8192,
        fua: false,
        no_hole: true,
    };
    ask(&export, keep).await.unwrap();
    assert_eq!(used().await, 2 * MIB + 4 * 4096);
    assert_eq!(read(&export, 64 * MIB, 8192).await.unwrap(), vec![0; 8192]);
    // The whole device: every extent goes by its record.
    ask(
        &export,
        Request::Trim {
            offset: 0,
            length: 256 * MIB,
            fua: false,
        },
    )
    .await
    .unwrap();
    assert_eq!(used().await, 0);
    assert_eq!(read(&export, 0, 4096).await.unwrap(), vec![0; 4096]);
    let left = extent_files(&folder);
    assert!(left.is_empty(), "{left:?}");
    write(&export, 5, b"again", true).await.unwrap();
    assert_eq!(read(&export, 0, 10).await.unwrap(), &b"\0\0\0\0\0again"[..]);
}

fn extent_files(folder: &TempDir) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for volume in std::fs::read_dir(folder.path().join("disk/volumes")).unwrap() {
        for file in std::fs::read_dir(volume.unwrap().path()).unwrap() {
            files.push(file.unwrap().path());
        }
    }
    files.retain(|file| file.extension().is_some());
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_there_after_a_clean_stop_and_after_a_kill() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 9 * MIB - 3, b"before", false).await.unwrap();
    drop(export);
    volumes.stop().await;
    kill(volumes).await;

    let volumes = start(&folder).await;
    assert_eq!(
        volumes.show(&name("v")).await.unwrap().used,
        ByteCount(2 * 4096)
    );
    let export = open(&volumes, "v").await.unwrap();
    assert_eq!(read(&export, 9 * MIB - 3, 6).await.unwrap(), &b"before"[..]);
    write(&export, 9 * MIB, b"AFTER", false).await.unwrap();
    drop(export);
    kill(volumes).await;

    let volumes = start(&folder).await;
    let export = open(&volumes, "v").await.unwrap();
    assert_eq!(
        read(&export, 9 * MIB - 3, 8).await.unwrap(),
        &b"befAFTER"[..]
    );
    assert_eq!(
        volumes.show(&name("v")).await.unwrap().used,
        ByteCount(2 * 4096)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_is_an_error_and_never_read() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 0, &[5; 8192], true).await.unwrap();
    drop(export);
    volumes.stop().await;
    kill(volumes).await;

    let data = extent_files(&folder)
        .into_iter()
        .find(|f| f.extension().unwrap() == "data");
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(data.unwrap())
        .unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[4], 4100).unwrap();

    let volumes = start(&folder).await;
    let export = open(&volumes, "v").await.unwrap();
    assert_eq!(read(&export, 0, 4096).await.unwrap(), vec![5; 4096]);
    assert_eq!(read(&export, 0, 8192).await, Err(IoError::Io));
    assert_eq!(write(&export, 5000, b"x", true).await, Err(IoError::Io));
    // A block that is written whole is good again.
    write(&export, 4096, &[6; 4096], true).await.unwrap();
    assert_eq!(read(&export, 4096, 4096).await.unwrap(), vec![6; 4096]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_pool_refuses_before_anything_is_changed() {
    let folder = TempDir::new().unwrap();
    let volumes = start_on(&folder, Some(MIB)).await.unwrap();
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 0, &vec![1; MIB as usize - 4096], true)
        .await
        .unwrap();
    assert_eq!(
        write(&export, 0, &vec![2; MIB as usize + 1], true).await,
        Err(IoError::NoSpace)
    );
    assert_eq!(read(&export, 0, 4096).await.unwrap(), vec![1; 4096]);
    // What takes no more space still works, and so do trims.
    write(&export, 0, &[3; 4096], true).await.unwrap();
    ask(
        &export,
        Request::Trim {
            offset: 0,
            length: 8192,
            fua: true,
        },
    )
    .await
    .unwrap();
    write(&export, MIB, &[4; 8192], true).await.unwrap();
    assert_eq!(volumes.pool().await.unwrap().used, ByteCount(MIB - 4096));
    drop(export);
    volumes.delete(&name("v")).await.unwrap();
    assert_eq!(volumes.pool().await.unwrap().used, ByteCount(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_owner_waits_for_the_old_ones_connections() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let first = volumes.attach(&name("v"), owner("one")).await.unwrap();
    let export = open(&volumes, &format!("v@{}", first.epoch)).await.unwrap();
    assert!(matches!(
        open(&volumes, "v").await,
        Err(OpenExportError::Owned(_))
    ));
    let other = volumes.clone();
    let second = tokio::spawn(async move { other.attach(&name("v"), owner("two")).await });
    export.revoked().await;
    assert!(!second.is_finished());
    write(&export, 0, b"the last of one", false).await.unwrap();
    drop(export);
    let second = second.await.unwrap().unwrap();
    assert!(second.epoch > first.epoch);
    let stale = open(&volumes, &format!("v@{}", first.epoch)).await;
    assert!(matches!(stale, Err(OpenExportError::Epoch(..))));
    let export = open(&volumes, &format!("v@{}", second.epoch))
        .await
        .unwrap();
    assert_eq!(read(&export, 0, 15).await.unwrap(), &b"the last of one"[..]);
    let refused = volumes.detach(&name("v"), &owner("one")).await;
    assert!(matches!(refused, Err(DetachError::NotOwner(..))));
    let refused = volumes.delete(&name("v")).await;
    assert!(matches!(refused, Err(DeleteVolumeError::Attached(_))));
    drop(export);
    volumes.detach(&name("v"), &owner("two")).await.unwrap();
    assert_eq!(volumes.show(&name("v")).await.unwrap().owner, None);
    volumes.delete(&name("v")).await.unwrap();
    let gone = volumes.attach(&name("v"), owner("two")).await;
    assert!(matches!(gone, Err(AttachError::NotFound(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_owner_that_has_a_volume_attaches_it_again() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let again = async |who| volumes.attach_again(&name("v"), owner(who)).await;
    let refused = again("one").await;
    assert!(matches!(refused, Err(AttachError::NotOwner(..))));
    let first = volumes.attach(&name("v"), owner("one")).await.unwrap();
    let second = again("one").await.unwrap();
    assert!(second.epoch > first.epoch);
    let stale = open(&volumes, &format!("v@{}", first.epoch)).await;
    assert!(matches!(stale, Err(OpenExportError::Epoch(..))));
    volumes.attach(&name("v"), owner("two")).await.unwrap();
    let refused = again("one").await;
    assert!(matches!(refused, Err(AttachError::NotOwner(..))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_created_is_refused() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let create = async |text, size, replicas| {
        volumes
            .create(&name(text), ByteCount(size), replicas, None, None)
            .await
            .unwrap_err()
    };
    assert!(matches!(
        create("v", 4096, 1).await,
        CreateVolumeError::Exists(_)
    ));
    assert!(matches!(
        create("w", EIB.0 + 4096, 1).await,
        CreateVolumeError::Size
    ));
    assert!(matches!(create("w", 5, 1).await, CreateVolumeError::Size));
    assert!(matches!(
        create("w", 4096, 2).await,
        CreateVolumeError::Replicas {
            replicas: 2,
            disks: 1
        }
    ));
    assert!(matches!(
        create("w", 4096, 4).await,
        CreateVolumeError::Replicas {
            replicas: 4,
            disks: 1
        }
    ));
}
