//! The measures that change something. The clock stands still while it is looked whether the last
//! change was durable: after its fsync, and before the file is closed.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::bed::{BIG, BLOCK, Bed, SMALL, check, is_durable, is_durably_gone};
use super::measures::Taken;

/// How much one `write` of a sequential write brings, in bytes.
const STEP: usize = 1 << 20;
const APPENDED: usize = 1024;
const APPENDS: usize = 20;
const RANDOM_WRITES: usize = 20;
/// Odd, so that the last one leaves another name; s3fs copies the object in each.
const FILE_RENAMES: usize = 201;
const DIRECTORY_RENAMES: usize = 11;

/// Writes the large file.
pub fn sequential_write(bed: &mut Bed) -> anyhow::Result<Taken> {
    let started = Instant::now();
    let mut file = File::create(bed.mount.path(BIG))?;
    for piece in bed.big.chunks(STEP) {
        file.write_all(piece)?;
    }
    file.sync_all()?;
    let time = started.elapsed();
    let durable = is_durable(&mut bed.mount, BIG, &bed.big)?;
    // After a kill this one may fail: the file was of the mount before.
    drop(file);
    check(&bed.mount, BIG, &bed.big)?;
    bed.has_big = true;
    Ok(Taken {
        count: bed.big.len() / STEP,
        time,
        durable: Some(durable),
    })
}

/// Creates the small files.
pub fn create(bed: &mut Bed) -> anyhow::Result<Taken> {
    fs::create_dir(bed.mount.path(SMALL))?;
    let started = Instant::now();
    let mut last = None;
    for (name, bytes) in bed.files(SMALL) {
        // The one before is closed here, within the time.
        drop(last.take());
        let mut file = File::create_new(bed.mount.path(&name))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        last = Some((file, name, bytes.to_owned()));
    }
    let time = started.elapsed();
    let (file, name, bytes) = last.context("there are small files")?;
    let durable = is_durable(&mut bed.mount, &name, &bytes)?;
    drop(file);
    for (name, bytes) in bed.files(SMALL) {
        check(&bed.mount, &name, bytes)?;
    }
    bed.has_small = true;
    Ok(Taken {
        count: bed.small.len() / BLOCK,
        time,
        durable: Some(durable),
    })
}

/// Renames there and back again, and ends there. The time that it took.
fn rename(bed: &Bed, name: &str, other: &str, times: usize) -> anyhow::Result<Duration> {
    let mut names = [bed.mount.path(name), bed.mount.path(other)];
    let started = Instant::now();
    for _ in 0..times {
        fs::rename(&names[0], &names[1])?;
        names.swap(0, 1);
    }
    Ok(started.elapsed())
}

/// Renames the large file.
pub fn rename_file(bed: &mut Bed) -> anyhow::Result<Taken> {
    let other = "renamed";
    let time = rename(bed, BIG, other, FILE_RENAMES)?;
    let durable =
        is_durable(&mut bed.mount, other, &bed.big)? && is_durably_gone(&mut bed.mount, BIG)?;
    check(&bed.mount, other, &bed.big)?;
    rename(bed, other, BIG, 1)?;
    Ok(Taken {
        count: FILE_RENAMES,
        time,
        durable: Some(durable),
    })
}

/// Renames the directory of the small files.
pub fn rename_directory(bed: &mut Bed) -> anyhow::Result<Taken> {
    let other = "moved";
    let time = rename(bed, SMALL, other, DIRECTORY_RENAMES)?;
    let last = |bed: &Bed, directory| {
        let last = bed.files(directory).next_back();
        last.map(|(name, bytes)| (name, bytes.to_owned()))
            .context("there are small files")
    };
    let (gone, _) = last(bed, SMALL)?;
    let (name, bytes) = last(bed, other)?;
    let durable =
        is_durable(&mut bed.mount, &name, &bytes)? && is_durably_gone(&mut bed.mount, &gone)?;
    for (name, bytes) in bed.files(other) {
        check(&bed.mount, &name, bytes)?;
    }
    rename(bed, other, SMALL, 1)?;
    Ok(Taken {
        count: DIRECTORY_RENAMES,
        time,
        durable: Some(durable),
    })
}

/// Appends to the large file, which is opened for each append.
pub fn append(bed: &mut Bed) -> anyhow::Result<Taken> {
    let bytes = bed.noise.bytes(APPENDED);
    let started = Instant::now();
    let mut last = None;
    for _ in 0..APPENDS {
        drop(last.take());
        let path = bed.mount.path(BIG);
        let mut file = File::options().append(true).open(path)?;
        file.write_all(&bytes)?;
        bed.big.extend_from_slice(&bytes);
        file.sync_all()?;
        last = Some(file);
    }
    let time = started.elapsed();
    let durable = is_durable(&mut bed.mount, BIG, &bed.big)?;
    drop(last);
    check(&bed.mount, BIG, &bed.big)?;
    Ok(Taken {
        count: APPENDS,
        time,
        durable: Some(durable),
    })
}

/// Writes blocks of the large file in no order.
pub fn random_writes(bed: &mut Bed) -> anyhow::Result<Taken> {
    let blocks = bed.big.len() / BLOCK;
    let bytes = bed.noise.bytes(BLOCK);
    let started = Instant::now();
    let file = File::options()
        .read(true)
        .write(true)
        .open(bed.mount.path(BIG))?;
    for _ in 0..RANDOM_WRITES {
        let at = bed.noise.below(blocks) * BLOCK;
        file.write_all_at(&bytes, at as u64)?;
        bed.big[at..at + BLOCK].copy_from_slice(&bytes);
        file.sync_all()?;
    }
    let time = started.elapsed();
    let durable = is_durable(&mut bed.mount, BIG, &bed.big)?;
    drop(file);
    check(&bed.mount, BIG, &bed.big)?;
    Ok(Taken {
        count: RANDOM_WRITES,
        time,
        durable: Some(durable),
    })
}

/// Removes the small files and, after the time, their directory.
pub fn delete(bed: &mut Bed) -> anyhow::Result<Taken> {
    bed.has_small = false;
    let started = Instant::now();
    let mut last = String::new();
    for (name, _) in bed.files(SMALL) {
        fs::remove_file(bed.mount.path(&name))?;
        last = name;
    }
    let time = started.elapsed();
    let durable = is_durably_gone(&mut bed.mount, &last)?;
    let left = fs::read_dir(bed.mount.path(SMALL)).map_or(0, Iterator::count);
    ensure!(left == 0, "{left} files are still there");
    // A directory that nothing is in may be gone by itself.
    let _ = fs::remove_dir(bed.mount.path(SMALL));
    Ok(Taken {
        count: bed.small.len() / BLOCK,
        time,
        durable: Some(durable),
    })
}
