use std::collections::BTreeSet;
use std::path::Path;

use volumed_core::format::{LOG_SLOT_SIZE, SumsHeader};
use volumed_core::replica::DiskOp;
use volumed_core::{Alloc, ExtentIndex, REGIONS_PER_EXTENT, RegionIndex};

use super::*;
use crate::header::tests::READS;
use crate::{DiskSettings, SpaceSettings};

const VOLUME: VolumeId = VolumeId(7);
const COUNT: u64 = 100;
const SEQUENCE: u64 = 5;

fn file(extent: u64) -> ExtentFile {
    ExtentFile {
        extent: ExtentIndex(extent),
        alloc: Alloc(1),
    }
}

fn open(folder: &Path) -> Disk {
    let settings = DiskSettings {
        path: folder.join("disk"),
        space: SpaceSettings::default(),
        open_extents: 8,
    };
    Disk::open(settings).expect("a disk")
}

fn log(sequence: u64, dirty: &[u64]) -> DiskOp {
    DiskOp::WriteLog(DirtyLogRecord {
        sequence,
        volume: VOLUME,
        regions: Some(dirty.iter().copied().map(RegionIndex).collect()),
    })
}

/// A disk with extents whose headers say that each holds ten blocks, and a note that says as many blocks as the
/// extent's number.
fn noted(folder: &Path) -> Disk {
    let disk = open(folder);
    let files: Vec<_> = (0..COUNT).map(file).collect();
    disk.create_extents(VOLUME, &files).expect("extents");
    for file in files {
        let header = SumsHeader {
            volume: VOLUME,
            extent: file.extent,
            alloc: file.alloc,
            allocated: 10,
        };
        std::fs::write(disk.layout.sums(VOLUME, file), header.encode()).expect("a header");
    }
    disk.run(VOLUME, &log(SEQUENCE, &[])).expect("a log");
    disk.note(&note(VOLUME));
    disk
}

fn note(volume: VolumeId) -> HeldRecord {
    HeldRecord {
        volume,
        sequence: SEQUENCE,
        extents: (0..COUNT)
            .map(|extent| (file(extent), extent as u32))
            .collect(),
    }
}

/// How many headers a start reads, and what it finds.
fn start(folder: &Path) -> (u32, Vec<(ExtentFile, u32)>) {
    let disk = open(folder);
    let before = READS.get();
    let found = disk
        .recover(VOLUME, (0..COUNT).map(file))
        .expect("what is there");
    (READS.get() - before, found.extents)
}

#[test]
fn a_start_looks_at_no_extent_that_was_noted() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(noted(folder.path()));
    let (reads, found) = start(folder.path());
    assert_eq!(reads, 0);
    let expected = (0..COUNT).map(|extent| (file(extent), extent as u32));
    assert_eq!(found, expected.collect::<Vec<_>>());
}

#[test]
fn it_looks_at_those_that_are_dirty_or_were_placed_since() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = noted(folder.path());
    let mut note = note(VOLUME);
    note.extents.remove(&file(3));
    disk.note(&note);
    disk.run(VOLUME, &log(SEQUENCE, &[8 * REGIONS_PER_EXTENT]))
        .expect("a log");
    drop(disk);
    let (reads, found) = start(folder.path());
    assert_eq!(reads, 2);
    // Nothing is in the dirty one's files.
    assert_eq!((found[3].1, found[8].1, found[9].1), (10, 0, 9));
}

#[test]
fn an_extent_without_a_file_is_not_found_though_it_was_noted() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = noted(folder.path());
    std::fs::remove_file(disk.layout.data(VOLUME, file(3))).expect("it was there");
    std::fs::remove_file(disk.layout.sums(VOLUME, file(8))).expect("it was there");
    drop(disk);
    let (_, found) = start(folder.path());
    let found: BTreeSet<_> = found.into_iter().map(|(file, _)| file.extent.0).collect();
    let expected = (0..COUNT).filter(|extent| ![3, 8].contains(extent));
    assert_eq!(found, expected.collect());
}

/// Whether a start after a change of the disk looks at every extent, and the next one, too, though the log
/// has come to the note's sequence again.
fn is_not_believed(change: impl FnOnce(&Disk)) {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = noted(folder.path());
    change(&disk);
    drop(disk);
    for _ in 0..2 {
        let (reads, found) = start(folder.path());
        assert_eq!(reads, COUNT as u32);
        assert!(found.iter().all(|&(_, blocks)| blocks == 10));
        let disk = open(folder.path());
        disk.run(VOLUME, &log(SEQUENCE, &[])).expect("a log");
    }
}

#[test]
fn a_note_is_not_believed_once_the_log_was_written() {
    is_not_believed(|disk| {
        disk.run(VOLUME, &log(SEQUENCE + 1, &[])).expect("a log");
    });
    // The log's newest slot was lost, so that it counts on from an older one.
    is_not_believed(|disk| {
        disk.run(VOLUME, &log(SEQUENCE - 1, &[])).expect("a log");
        let path = disk.layout.dirty_log(VOLUME);
        let mut slots = std::fs::read(&path).expect("the log");
        slots[(SEQUENCE % 2 * LOG_SLOT_SIZE) as usize] ^= 1;
        std::fs::write(&path, slots).expect("the log");
    });
}

#[test]
fn a_note_that_is_damaged_or_of_another_volume_is_not_believed() {
    is_not_believed(|disk| {
        let path = disk.layout.held(VOLUME);
        let mut bytes = std::fs::read(&path).expect("the note");
        bytes[100] ^= 1;
        std::fs::write(&path, bytes).expect("the note");
    });
    is_not_believed(|disk| {
        let foreign = note(VolumeId(8)).encode();
        std::fs::write(disk.layout.held(VOLUME), foreign).expect("the note");
    });
}
