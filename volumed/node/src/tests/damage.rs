//! Blocks that rot are reported until they are written whole.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;

use volumed_core::format::sums_offset;
use volumed_core::{BLOCKS_PER_REGION, RegionIndex, VolumeId};

use super::*;
use crate::store::damage;
use crate::view::DamagedRange;

/// Flips a bit of the first extent's data, as a failing disk would.
pub(super) fn rot(folder: &TempDir, at: u64) {
    let file = file_of(folder, "data");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    file.sync_all().unwrap();
}

/// Has the sum of a block of the first extent rot to the mark of a hole.
pub(super) fn rot_sum(folder: &TempDir, block: u64) {
    let region = RegionIndex(block / BLOCKS_PER_REGION as u64);
    let at = sums_offset(region, block as usize % BLOCKS_PER_REGION);
    let file = file_of(folder, "sums");
    file.write_all_at(&[0; 4], at).unwrap();
    file.sync_all().unwrap();
}

/// A file of the first extent.
fn file_of(folder: &TempDir, kind: &str) -> File {
    let volumes = folder.path().join("disk/volumes/v00000001");
    let path = std::fs::read_dir(volumes)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("0.") && path.extension().is_some_and(|it| it == kind)
        });
    let mut options = OpenOptions::new();
    options.read(true).write(true).open(path.unwrap()).unwrap()
}

pub(super) fn damaged(volumes: &Volumes) -> Vec<(u64, u64)> {
    let damage = volumes.damage(&name("v")).unwrap();
    assert!(!damage.more);
    let range = |range: &DamagedRange| (range.offset, range.length);
    damage.ranges.iter().map(range).collect()
}

/// Waits until the store says so, too.
pub(super) async fn noted(volumes: &Volumes, ranges: usize) {
    let store = &volumes.shared.node.store;
    loop {
        let all = damage::load(&**store, VolumeId(1)).await.unwrap();
        let blocks: usize = all.values().map(|damage| damage.blocks.len()).sum();
        if blocks == ranges {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_block_is_known_until_it_is_written_whole() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 0, &vec![7; 10 * 4096], true).await.unwrap();
    for block in [2, 3, 5] {
        rot(&folder, block * 4096 + 9);
    }
    assert_eq!(damaged(&volumes), [], "nobody looked");
    // Read, and met by a write that keeps a part of it.
    assert_eq!(read(&export, 0, 3 * 4096).await, Err(IoError::Io));
    assert_eq!(write(&export, 3 * 4096, b"x", true).await, Err(IoError::Io));
    assert_eq!(read(&export, 5 * 4096, 1).await, Err(IoError::Io));
    let found = [(8192, 8192), (20480, 4096)];
    assert_eq!(damaged(&volumes), found);
    assert_eq!(volumes.show(&name("v")).await.unwrap().damaged, 3);
    noted(&volumes, 3).await;
    drop(export);
    kill(volumes).await;

    let volumes = start(&folder).await;
    assert_eq!(damaged(&volumes), found, "known before anybody reads it");
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 2 * 4096, &[8; 4096], true).await.unwrap();
    assert_eq!(damaged(&volumes), [(12288, 4096), (20480, 4096)]);
    let trim = Request::Trim {
        offset: 3 * 4096,
        length: 4096,
        fua: true,
    };
    ask(&export, trim).await.unwrap();
    assert_eq!(damaged(&volumes), [(20480, 4096)]);
    noted(&volumes, 1).await;
    let whole = Request::Trim {
        offset: 0,
        length: 64 * MIB,
        fua: true,
    };
    ask(&export, whole).await.unwrap();
    assert_eq!(damaged(&volumes), [], "the extent is gone");
    noted(&volumes, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_block_stays_one_when_its_region_is_summed_anew() {
    let folder = TempDir::new().unwrap();
    let mut volumes = start(&folder).await;
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 0, &vec![7; 10 * 4096], true).await.unwrap();
    for block in [2, 3] {
        rot(&folder, block * 4096 + 9);
        assert_eq!(read(&export, block * 4096, 1).await, Err(IoError::Io));
    }
    noted(&volumes, 2).await;
    drop(export);
    // Twice: what was summed anew once has other sums than it was written with.
    for _ in 0..2 {
        kill(volumes).await;
        volumes = start(&folder).await;
        assert!(volumes.suspect_regions() > 0);
        let export = open(&volumes, "v").await.unwrap();
        assert_eq!(read(&export, 0, 8192).await.unwrap(), vec![7; 8192]);
        assert_eq!(read(&export, 8192, 4096).await, Err(IoError::Io));
        assert_eq!(damaged(&volumes), [(8192, 8192)]);
    }
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 8192, &[8; 4096], true).await.unwrap();
    drop(export);
    // Before the store may know.
    kill(volumes).await;
    let volumes = start(&folder).await;
    let export = open(&volumes, "v").await.unwrap();
    assert_eq!(read(&export, 8192, 4096).await.unwrap(), vec![8; 4096]);
    assert_eq!(read(&export, 12288, 4096).await, Err(IoError::Io));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_damage_of_a_deleted_volume_goes_with_it() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 0, &[7; 4096], true).await.unwrap();
    rot(&folder, 0);
    assert_eq!(read(&export, 0, 1).await, Err(IoError::Io));
    noted(&volumes, 1).await;
    drop(export);
    volumes.delete(&name("v")).await.unwrap();
    noted(&volumes, 0).await;
}
