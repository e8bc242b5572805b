//! A disk's folder that holds anything, as a start of volumed finds it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use volumed_core::message::ExtentFile;
use volumed_core::{Alloc, BLOCK_SIZE, BLOCKS_PER_EXTENT, ExtentIndex, VolumeId};
use volumed_disk::{Disk, DiskSettings, SpaceSettings};

use crate::disk_formats::seal;

const VOLUME: VolumeId = VolumeId(1);
const EXTENT: ExtentFile = ExtentFile {
    extent: ExtentIndex(0),
    alloc: Alloc(1),
};

/// Opens and recovers a folder of which the input says what is written where.
pub fn recover(data: &[u8]) {
    // Every start syncs, which takes no time in memory.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    let folder = folder.expect("a temporary folder can be made");
    write(folder.path(), data);
    let settings = DiskSettings {
        path: folder.path().to_owned(),
        space: SpaceSettings::default(),
        open_extents: 8,
    };
    let Ok(disk) = Disk::open(settings) else {
        return;
    };
    let Ok(found) = disk.scan() else { return };
    for found in found {
        for &file in &found.extents {
            let _ = disk.holds_anything(found.volume, file);
        }
        let expected = found.extents.into_iter().chain([EXTENT]);
        if let Ok(recovered) = disk.recover(found.volume, expected) {
            for (_, allocated) in recovered.extents {
                assert!(allocated <= BLOCKS_PER_EXTENT, "{allocated} blocks");
            }
        }
    }
}

/// Each file's bytes: which one and whether sealed u8, at which block u8, how many u16.
fn write(folder: &Path, mut data: &[u8]) {
    let volume = format!("volumes/{VOLUME}");
    let files = [
        "disk.json".to_owned(),
        "state".to_owned(),
        format!("{volume}/promise"),
        format!("{volume}/dirty"),
        format!("{volume}/{}.{}.data", EXTENT.extent, EXTENT.alloc),
        format!("{volume}/{}.{}.sums", EXTENT.extent, EXTENT.alloc),
        format!("{volume}/1.01.sums"),
        "volumes/v01".to_owned(),
    ];
    fs::create_dir_all(folder.join(volume)).expect("a folder can be made");
    while let [which, block, low, high, rest @ ..] = data {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (bytes, behind) = rest.split_at(length);
        data = behind;
        let path = folder.join(&files[usize::from(*which) % files.len()]);
        let mut options = File::options();
        let file = options.write(true).create(true).truncate(false).open(path);
        let file = file.expect("a file can be made");
        let at = u64::from(*block) * BLOCK_SIZE;
        let written = match which & 0x80 {
            0 => file.write_all_at(bytes, at),
            _ => file.write_all_at(&seal(bytes), at),
        };
        written.expect("a file can be written");
    }
}

/// `disk.json`, as it is and with a checksum that fits.
pub fn identity(data: &[u8]) {
    volumed_disk::fuzzing::identity(data);
}
