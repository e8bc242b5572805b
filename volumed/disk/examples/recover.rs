//! How long a start takes to find what a disk holds of one volume.
//!
//! `cargo run --release -p volumed-disk --example recover -- FOLDER EXTENTS` makes the disk if it is not there, else
//! looks at it once: mount its file system anew before, to have nothing of it in memory. With a third argument,
//! whatever it is, the note of what extents hold is removed first.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use volumed_core::format::{DirtyLogRecord, HeldRecord, SumsHeader};
use volumed_core::message::ExtentFile;
use volumed_core::replica::DiskOp;
use volumed_core::{Alloc, EXTENT_SIZE, ExtentIndex, VolumeId};
use volumed_disk::{Disk, DiskSettings, SpaceSettings};

const VOLUME: VolumeId = VolumeId(1);

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().context("which FOLDER?")?;
    let extents: u64 = arguments.next().context("how many EXTENTS?")?.parse()?;
    let volume = Path::new(&folder).join(format!("volumes/{VOLUME}"));
    let made = volume.exists();
    if arguments.next().is_some() {
        std::fs::remove_file(volume.join("held"))?;
    }
    let since = Instant::now();
    let disk = Disk::open(DiskSettings {
        path: folder.into(),
        space: SpaceSettings::default(),
        open_extents: 64,
    })?;
    let files = (0..extents).map(file);
    if !made {
        return make(&disk, &volume, files);
    }
    let found = disk.scan()?;
    println!(
        "{:.2} s: {} volumes listed",
        since.elapsed().as_secs_f64(),
        found.len()
    );
    let found = disk.recover(VOLUME, files)?;
    println!(
        "{:.2} s: {} extents",
        since.elapsed().as_secs_f64(),
        found.extents.len()
    );
    Ok(())
}

fn file(extent: u64) -> ExtentFile {
    ExtentFile {
        extent: ExtentIndex(extent),
        alloc: Alloc(1),
    }
}

/// Makes a volume as a clean stop leaves it; syncs nothing.
fn make(disk: &Disk, folder: &Path, files: impl Iterator<Item = ExtentFile>) -> Result<()> {
    DirBuilder::new().mode(0o700).create(folder)?;
    let mut note = HeldRecord {
        volume: VOLUME,
        sequence: 1,
        extents: [].into(),
    };
    for file in files {
        let name = format!("{}.{}", file.extent, file.alloc);
        File::create(folder.join(format!("{name}.data")))?.set_len(EXTENT_SIZE)?;
        let header = SumsHeader {
            volume: VOLUME,
            extent: file.extent,
            alloc: file.alloc,
            allocated: 0,
        };
        std::fs::write(folder.join(format!("{name}.sums")), header.encode())?;
        note.extents.insert(file, 0);
    }
    let log = DirtyLogRecord {
        sequence: 1,
        volume: VOLUME,
        regions: Some([].into()),
    };
    disk.run(VOLUME, &DiskOp::WriteLog(log))
        .map_err(|fault| anyhow::anyhow!("the log: {fault:?}"))?;
    disk.note(&note);
    Ok(())
}
