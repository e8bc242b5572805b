use volumed_core::format::SumsHeader;
use volumed_core::replica::DiskOp;
use volumed_core::sums::sum;
use volumed_core::{Alloc, Epoch, ExtentIndex};

use super::*;
use crate::{DiskSettings, SpaceSettings};

const VOLUME: VolumeId = VolumeId(7);

fn file(extent: u64) -> ExtentFile {
    ExtentFile {
        extent: ExtentIndex(extent),
        alloc: Alloc(1),
    }
}

fn open(folder: &tempfile::TempDir) -> Disk {
    let path = folder.path().join("disk");
    let settings = DiskSettings {
        path,
        space: SpaceSettings::default(),
        open_extents: 8,
    };
    Disk::open(settings).expect("a disk")
}

/// Which of three extents count as unsynced after a start that found this log.
fn unsynced(regions: Option<&[u64]>) -> Vec<u64> {
    let folder = tempfile::tempdir().expect("a folder");
    let extents = [file(0), file(1), file(2)];
    let disk = open(&folder);
    disk.create_extents(VOLUME, &extents).expect("extents");
    let record = DirtyLogRecord {
        sequence: 1,
        volume: VOLUME,
        regions: regions.map(|found| found.iter().copied().map(RegionIndex).collect()),
    };
    disk.run(VOLUME, &DiskOp::WriteLog(record)).expect("a log");
    drop(disk);
    let disk = open(&folder);
    disk.recover(VOLUME, extents).expect("what is there");
    let unsynced = extents.into_iter().filter(|&file| {
        let extent = disk.files.get(VOLUME, file).expect("an extent");
        extent.unsynced()
    });
    unsynced.map(|file| file.extent.0).collect()
}

#[test]
fn an_extent_holds_something_once_it_was_written_into() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = open(&folder);
    let extents = [file(0), file(1), file(2)];
    disk.create_extents(VOLUME, &extents).expect("extents");
    let written = disk.files.get(VOLUME, file(1)).expect("an extent");
    written.write(1 << 20, &[0; 4096], true).expect("a write");
    // The sums may reach the disk before the data does.
    let summed = disk.files.get(VOLUME, file(2)).expect("an extent");
    summed.store_sums(file(2), 5000, &[7]).expect("a sum");
    let holds = |extent| {
        disk.holds_anything(VOLUME, file(extent))
            .expect("an answer")
    };
    // The last one's files were not even made.
    assert_eq!([0, 1, 2, 3].map(holds), [false, true, true, false]);
    let made_in_part = disk.layout.sums(VOLUME, file(3));
    File::create(made_in_part).expect("a file");
    assert!(!holds(3));
}

/// What recovering an extent says whose header was written by somebody else, and opening it.
fn with_header(edit: impl FnOnce(&mut Vec<u8>), dirty: bool) -> (String, Option<u32>) {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = open(&folder);
    disk.create_extents(VOLUME, &[file(0)]).expect("an extent");
    let regions = dirty.then_some(RegionIndex(0)).into_iter().collect();
    let record = DirtyLogRecord {
        sequence: 1,
        volume: VOLUME,
        regions: Some(regions),
    };
    disk.run(VOLUME, &DiskOp::WriteLog(record)).expect("a log");
    let sums = disk.layout.sums(VOLUME, file(0));
    let mut bytes = std::fs::read(&sums).expect("the file");
    edit(&mut bytes);
    std::fs::write(&sums, &bytes).expect("the file");
    drop(disk);
    let disk = open(&folder);
    let opened = match disk.files.get(VOLUME, file(0)) {
        Ok(_) => "opened".to_owned(),
        Err(error) => error.to_string(),
    };
    match disk.recover(VOLUME, [file(0)]) {
        Ok(found) => (
            opened,
            found.extents.first().map(|(_, allocated)| *allocated),
        ),
        Err(error) => (error.to_string(), None),
    }
}

#[test]
fn a_header_is_believed_only_if_it_is_the_extents_own() {
    let other = |volume, extent, alloc| {
        move |bytes: &mut Vec<u8>| {
            let header = SumsHeader {
                volume,
                extent: ExtentIndex(extent),
                alloc: Alloc(alloc),
                allocated: 3,
            };
            bytes.splice(..4096, header.encode());
        }
    };
    for dirty in [false, true] {
        let (opened, held) = with_header(other(VOLUME, 0, 1), dirty);
        assert_eq!(
            (opened.as_str(), held),
            ("opened", Some(if dirty { 0 } else { 3 }))
        );
        for foreign in [(VolumeId(8), 0, 1), (VOLUME, 1, 1), (VOLUME, 0, 2)] {
            let (refused, held) = with_header(other(foreign.0, foreign.1, foreign.2), dirty);
            assert!(refused.contains("it is the file of"), "{refused}");
            assert_eq!(held, None);
        }
        let (opened, held) = with_header(|bytes| bytes[20] ^= 1, dirty);
        assert_eq!((opened.as_str(), held), ("opened", Some(0)));
    }
}

#[test]
fn an_extent_whose_sums_are_gone_is_not_taken_for_empty() {
    for (data, held) in [(&[7][..], None), (&[], Some(0))] {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = open(&folder);
        disk.create_extents(VOLUME, &[file(0)]).expect("an extent");
        std::fs::write(disk.layout.data(VOLUME, file(0)), data).expect("written");
        std::fs::write(disk.layout.sums(VOLUME, file(0)), []).expect("written");
        let found = disk.recover(VOLUME, [file(0)]).expect("what is there");
        let found = found.extents.first().map(|(_, allocated)| *allocated);
        assert_eq!(found, held);
    }
}

#[test]
fn what_another_volume_promised_and_marked_is_not_believed() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = open(&folder);
    let (sequence, volume) = (1, VolumeId(8));
    let promise = PromiseRecord {
        sequence,
        volume,
        epoch: Epoch(5),
    };
    let log = DirtyLogRecord {
        sequence,
        volume,
        regions: Some(BTreeSet::new()),
    };
    for op in [DiskOp::WritePromise(promise), DiskOp::WriteLog(log)] {
        disk.run(VOLUME, &op).expect("written");
    }
    let found = disk.recover(VOLUME, []).expect("what is there");
    assert_eq!(found.promise, Slots::Damaged);
    assert_eq!(found.log, Slots::Damaged);
}

#[test]
fn a_newer_header_refuses_the_disk_also_after_an_unclean_stop() {
    let newer = |bytes: &mut Vec<u8>| {
        bytes[4] = 9;
        let length = u32::from_le_bytes(bytes[8..12].try_into().expect("4 bytes"));
        let sealed = [&bytes[..12], &bytes[16..16 + length as usize]].concat();
        bytes[12..16].copy_from_slice(&sum(&sealed).to_le_bytes());
    };
    for dirty in [false, true] {
        let (refused, _) = with_header(newer, dirty);
        assert!(refused.contains("use a newer program"), "{refused}");
    }
}

#[test]
fn as_many_extents_are_found_as_several_threads_look_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = open(&folder);
    let count = 2 * WORTH_A_THREAD as u64 + 3;
    disk.make_folder(VOLUME).expect("a folder");
    for extent in 0..count {
        let header = SumsHeader {
            volume: VOLUME,
            extent: ExtentIndex(extent),
            alloc: Alloc(1),
            allocated: extent as u32,
        };
        File::create(disk.layout.data(VOLUME, file(extent))).expect("a file");
        let sums = disk.layout.sums(VOLUME, file(extent));
        std::fs::write(sums, header.encode()).expect("a file");
    }
    let log = DiskOp::WriteLog(DirtyLogRecord {
        sequence: 1,
        volume: VOLUME,
        regions: Some(BTreeSet::new()),
    });
    disk.run(VOLUME, &log).expect("a log");
    std::fs::remove_file(disk.layout.data(VOLUME, file(300))).expect("it was there");
    let found = disk
        .recover(VOLUME, (0..count).map(file))
        .expect("what is there");
    let expected = (0..count).filter(|extent| *extent != 300);
    let expected = expected.map(|extent| (file(extent), extent as u32));
    assert_eq!(found.extents, expected.collect::<Vec<_>>());
}

/// What the log of a volume says after its file was changed, and one of its extents holds something
/// or not.
fn log_after(edit: impl FnOnce(&Path), holds: bool) -> Slots<DirtyLogRecord> {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = open(&folder);
    let extents = [file(0), file(1)];
    disk.create_extents(VOLUME, &extents).expect("extents");
    if holds {
        let extent = disk.files.get(VOLUME, file(1)).expect("an extent");
        extent.write(1 << 20, &[7; 4096], true).expect("a write");
    }
    edit(&disk.layout.dirty_log(VOLUME));
    drop(disk);
    let found = open(&folder).recover(VOLUME, extents);
    found.expect("what is there").log
}

#[test]
fn a_log_that_is_gone_beside_extents_that_hold_something_is_not_taken_for_clean() {
    let gone = |log: &Path| std::fs::remove_file(log).expect("it was there");
    let empty = |log: &Path| std::fs::write(log, []).expect("written");
    assert_eq!(log_after(gone, true), Slots::Damaged);
    assert_eq!(log_after(empty, true), Slots::Damaged);
    assert_eq!(log_after(gone, false), Slots::Fresh);
    // What was copied here was never marked, and is clean: the log is there, and says so.
    let found = log_after(|_| {}, true);
    let clean = |record: &DirtyLogRecord| record.regions == Some(BTreeSet::new());
    assert!(
        matches!(&found, Slots::Newest(record) if clean(record)),
        "{found:?}"
    );
}

#[test]
fn a_folder_without_a_log_gets_one_while_it_holds_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = open(&folder);
    disk.create_extents(VOLUME, &[file(0)]).expect("an extent");
    std::fs::remove_file(disk.layout.dirty_log(VOLUME)).expect("it was there");
    drop(disk);
    let disk = open(&folder);
    disk.recover(VOLUME, [file(0)]).expect("what is there");
    // What is copied here is settled, and needs no mark.
    let extent = disk.files.get(VOLUME, file(0)).expect("an extent");
    extent.write(0, &[7; 4096], true).expect("a write");
    drop((extent, disk));
    let found = open(&folder).recover(VOLUME, [file(0)]);
    let log = found.expect("what is there").log;
    assert!(
        matches!(&log, Slots::Newest(record) if record.regions == Some(BTreeSet::new())),
        "{log:?}"
    );
}

#[test]
fn only_what_the_dirty_log_names_may_be_unsynced() {
    assert!(unsynced(Some(&[])).is_empty());
    assert_eq!(unsynced(Some(&[17, 18])), [1]);
    assert_eq!(unsynced(None), [0, 1, 2]);
}
