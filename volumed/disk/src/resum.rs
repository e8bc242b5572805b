//! Summing a suspect region anew (V8, V10).

use std::fs::File;

use volumed_core::message::ExtentFile;
use volumed_core::replica::{BadBlock, DiskAnswer, DiskResult};
use volumed_core::sums::{SumsPage, allocated, keep_damage, sum, sum_anew};
use volumed_core::{BLOCK_SIZE, EXTENT_SIZE, REGION_SIZE, RegionIndex, VolumeId};

use crate::Disk;
use crate::direct::{Blocks, open_direct};
use crate::extent_file::OpenExtent;

const BLOCK: usize = BLOCK_SIZE as usize;

impl Disk {
    /// Sums what the disk really holds, not what the page cache has. Where they differ although the sync
    /// went well, an earlier sync failed and what was written is lost: such a block gets the sum of
    /// what was written, so that reading it is an error and never quietly old.
    pub(crate) fn resum(
        &self,
        volume: VolumeId,
        file: ExtentFile,
        region: RegionIndex,
        before: Option<Box<SumsPage>>,
        damaged: &[BadBlock],
    ) -> DiskResult {
        let extent = self.extent(volume, file)?;
        // As it was counted at the start, so before anything leaves the page cache.
        let before = sums_before(&extent, region, before).map_err(|error| self.fault(&error))?;
        extent.sync_data().map_err(|error| self.fail(&error))?;
        let read = || {
            let direct = open_direct(&self.layout.data(volume, file))?;
            let (blocks, cached) = real_and_cached(&extent, direct.as_ref(), region)?;
            let Before {
                page: before,
                allocated,
            } = &before;
            let first = (offset_of(region) / BLOCK_SIZE) as u32;
            let mut page = sum_anew(blocks.bytes(), before);
            let damaged = damaged.iter();
            let damaged = damaged.map(|bad| ((bad.block - first) as usize, bad.found));
            keep_damage(blocks.bytes(), before, damaged, &mut page);
            let lost = lost(blocks.bytes(), &cached, &mut page);
            extent.store_sums(file, first, &page[..])?;
            let before = *allocated;
            let bad = |at: usize| BadBlock {
                block: first + at as u32,
                found: sum(&blocks.bytes()[at * BLOCK..][..BLOCK]),
            };
            let lost = lost.into_iter().map(bad).collect();
            Ok::<_, std::io::Error>(DiskAnswer::Summed { page, before, lost })
        };
        let answer = read().map_err(|error| self.fault(&error))?;
        if let DiskAnswer::Summed { lost, .. } = &answer {
            for BadBlock { block, .. } in lost {
                tracing::error!(disk = %self.id(), %volume, extent = %file.extent, block, "a write was lost by a sync that failed");
            }
        }
        Ok(answer)
    }
}

/// A region before it is summed anew.
struct Before {
    /// Its sums; what they are of blocks that take space means nothing.
    page: Box<SumsPage>,
    /// How many blocks were counted as taking space.
    allocated: u32,
}

fn sums_before(
    extent: &OpenExtent,
    region: RegionIndex,
    known: Option<Box<SumsPage>>,
) -> std::io::Result<Before> {
    let counted = known.as_ref().map(|page| allocated(&page[..]));
    let mut page = match known {
        Some(page) => page,
        None => extent.load_sums(region)?,
    };
    extent.count_written(region, &mut page)?;
    let allocated = counted.unwrap_or_else(|| allocated(&page[..]));
    Ok(Before { page, allocated })
}

/// Bytes from the start of the extent.
fn offset_of(region: RegionIndex) -> u64 {
    region.0 * REGION_SIZE % EXTENT_SIZE
}

/// What the disk has of a region, and the blocks that the page cache had. A file system that cannot be
/// read directly says nothing of what differs.
fn real_and_cached(
    extent: &OpenExtent,
    direct: Option<&File>,
    region: RegionIndex,
) -> std::io::Result<(Blocks, Vec<Option<Vec<u8>>>)> {
    let offset = offset_of(region);
    let cached = match direct {
        Some(_) => cached(extent, offset as u32)?,
        None => Vec::new(),
    };
    extent.forget_cached(offset, REGION_SIZE)?;
    let mut blocks = Blocks::new(REGION_SIZE as usize);
    let memory = blocks.first(REGION_SIZE as usize);
    match direct {
        Some(file) => std::os::unix::fs::FileExt::read_exact_at(file, memory, offset)?,
        None => extent.read(offset as u32, memory)?,
    }
    Ok((blocks, cached))
}

/// The blocks of a region that the page cache has.
fn cached(extent: &OpenExtent, offset: u32) -> std::io::Result<Vec<Option<Vec<u8>>>> {
    let mut blocks = Vec::with_capacity(REGION_SIZE as usize / BLOCK);
    for at in (0..REGION_SIZE as u32).step_by(BLOCK) {
        let mut block = vec![0; BLOCK];
        let there = extent.read_now(offset + at, &mut block)?;
        blocks.push(there.then_some(block));
    }
    Ok(blocks)
}

/// Blocks of the region that the cache had otherwise than the disk has them; their sums become those of
/// what the cache had.
fn lost(real: &[u8], cached: &[Option<Vec<u8>>], page: &mut SumsPage) -> Vec<usize> {
    let mut lost = Vec::new();
    for (at, (real, cached)) in real.chunks(BLOCK).zip(cached).enumerate() {
        if let Some(cached) = cached.as_deref().filter(|cached| *cached != real) {
            page[at] = sum(cached);
            lost.push(at);
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bytes::Bytes;
    use volumed_core::format::DirtyLogRecord;
    use volumed_core::replica::DiskOp;
    use volumed_core::sums::{HOLE, verify};
    use volumed_core::{Alloc, BLOCKS_PER_REGION, ExtentIndex};

    use super::*;
    use crate::{DiskSettings, SpaceSettings};

    const VOLUME: VolumeId = VolumeId(7);
    const FILE: ExtentFile = ExtentFile {
        extent: ExtentIndex(1),
        alloc: Alloc(1),
    };
    const REGION: RegionIndex = RegionIndex(17);

    fn open(folder: &tempfile::TempDir) -> Disk {
        let settings = DiskSettings {
            path: folder.path().join("disk"),
            space: SpaceSettings::default(),
            open_extents: 8,
        };
        Disk::open(settings).expect("a disk")
    }

    /// So many blocks of zeroes or of something, from a block of the region on.
    fn write(block: u32, blocks: usize, byte: u8) -> DiskOp {
        DiskOp::Write {
            file: FILE,
            offset: (4 << 20) + block * BLOCK as u32,
            data: Bytes::from(vec![byte; blocks * BLOCK]),
            durable: false,
            first: None,
            last: None,
        }
    }

    fn zero(block: u32, blocks: u32, keep: bool) -> DiskOp {
        DiskOp::Zero {
            file: FILE,
            offset: (4 << 20) + block * BLOCK as u32,
            length: blocks * BLOCK as u32,
            durable: false,
            keep,
        }
    }

    #[test]
    fn blocks_of_a_dirty_region_are_counted_though_their_sums_were_not_stored() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = open(&folder);
        disk.create_extents(VOLUME, &[FILE]).expect("an extent");
        let record = DirtyLogRecord {
            sequence: 1,
            volume: VOLUME,
            regions: Some(BTreeSet::from([REGION])),
        };
        let ops = [
            DiskOp::WriteLog(record),
            write(0, 10, 7),
            write(20, 10, 0),
            zero(3, 2, false),
            zero(40, 4, true),
        ];
        for op in ops {
            disk.run(VOLUME, &op).expect("done");
        }
        drop(disk);
        let disk = open(&folder);
        let found = disk.recover(VOLUME, [FILE]).expect("what is there");
        let taken = 10 - 2 + 10 + 4;
        assert_eq!(found.extents, [(FILE, taken)]);
        let resum = DiskOp::Resum {
            file: FILE,
            region: REGION,
            before: None,
            damaged: Vec::new(),
        };
        let Ok(DiskAnswer::Summed { page, before, lost }) = disk.run(VOLUME, &resum) else {
            panic!("not summed")
        };
        assert_eq!(
            (before, allocated(&page[..]), lost.len()),
            (taken, taken, 0)
        );
        assert_eq!([page[3], page[4], page[30]], [HOLE; 3]);
    }

    #[test]
    fn what_the_cache_alone_had_is_an_error_to_read() {
        let mut real = vec![0; 4 * BLOCK];
        real[..2 * BLOCK].fill(1);
        let block = |fill| Some(vec![fill; BLOCK]);
        // As it is on the disk, lost, lost in a hole, not cached.
        let cached = [block(1), block(2), block(3), None];
        let mut page = sum_anew(&real, &[HOLE; BLOCKS_PER_REGION]);
        assert_eq!(lost(&real, &cached, &mut page), [1, 2]);
        let reads = |at: usize| verify(&real[at * BLOCK..][..BLOCK], &[page[at]]).is_ok();
        assert_eq!([0, 1, 2, 3].map(reads), [true, false, false, true]);
    }
}
