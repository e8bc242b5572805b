//! The measures that read. Each is taken on a new mount with nothing cached.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::time::Instant;

use anyhow::ensure;

use super::bed::{BIG, BLOCK, Bed, SMALL};
use super::measures::Taken;

/// How much one `read` of a sequential read asks for, in bytes.
const STEP: usize = 1 << 20;
const RANDOM_READS: usize = 200;

fn taken(count: usize, since: Instant) -> Taken {
    Taken {
        count,
        time: since.elapsed(),
        durable: None,
    }
}

/// Reads the large file from its beginning to its end.
pub fn sequential_read(bed: &mut Bed) -> anyhow::Result<Taken> {
    // Not zeros: the kernel gives no pages for those before they are written to.
    let mut read = vec![1; bed.big.len()];
    let started = Instant::now();
    let mut file = File::open(bed.mount.path(BIG))?;
    for piece in read.chunks_mut(STEP) {
        file.read_exact(piece)?;
    }
    let ended = file.read(&mut [0])? == 0;
    let taken = taken(read.len() / STEP, started);
    ensure!(ended && read == bed.big, "other bytes than were written");
    Ok(taken)
}

/// Reads blocks of the large file in no order.
pub fn random_reads(bed: &mut Bed) -> anyhow::Result<Taken> {
    let end = bed.big.len() - BLOCK;
    let mut block = vec![0; BLOCK];
    let started = Instant::now();
    let file = File::open(bed.mount.path(BIG))?;
    for _ in 0..RANDOM_READS {
        let at = bed.noise.below(end);
        file.read_exact_at(&mut block, at as u64)?;
        ensure!(block == bed.big[at..at + BLOCK], "other bytes at {at}");
    }
    Ok(taken(RANDOM_READS, started))
}

/// Lists the small files.
pub fn list(bed: &mut Bed) -> anyhow::Result<Taken> {
    let started = Instant::now();
    let entries = fs::read_dir(bed.mount.path(SMALL))?;
    let mut names = entries
        .map(|entry| Ok(entry?.file_name()))
        .collect::<std::io::Result<Vec<_>>>()?;
    let taken = taken(names.len(), started);
    names.sort_unstable();
    let expected = bed.files("").map(|(name, _)| name[1..].to_owned());
    ensure!(
        names.into_iter().eq(expected.map(OsString::from)),
        "other names"
    );
    Ok(taken)
}

/// Asks for the attributes of each small file.
pub fn stat(bed: &mut Bed) -> anyhow::Result<Taken> {
    let started = Instant::now();
    let mut count = 0;
    for (name, _) in bed.files(SMALL) {
        let length = fs::metadata(bed.mount.path(&name))?.len();
        ensure!(length == BLOCK as u64, "{name} has {length} bytes");
        count += 1;
    }
    Ok(taken(count, started))
}

/// Reads each small file.
pub fn read_small(bed: &mut Bed) -> anyhow::Result<Taken> {
    let started = Instant::now();
    let mut count = 0;
    for (name, bytes) in bed.files(SMALL) {
        let read = fs::read(bed.mount.path(&name))?;
        ensure!(read == bytes, "other bytes in {name}");
        count += 1;
    }
    Ok(taken(count, started))
}
