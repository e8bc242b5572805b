//! Checking a region without anybody having asked for its bytes (V10).

use std::fs::File;
use std::ops::Range;

use rustix::fs::SeekFrom;
use rustix::io::Errno;
use volumed_core::format::{decode_sums, sums_offset};
use volumed_core::message::ExtentFile;
use volumed_core::replica::{BadBlock, DiskAnswer, DiskResult};
use volumed_core::sums::{HOLE, SumsPage, allocated, sum, verify};
use volumed_core::{
    BLOCK_SIZE, BLOCKS_PER_REGION, REGION_SIZE, REGIONS_PER_EXTENT, RegionIndex, VolumeId,
};

use crate::Disk;
use crate::direct::{Blocks, each_block, open_direct};
use crate::open::open_to_read;
use crate::slots::read_up_to;

/// Blocks read at once.
const AT_ONCE: usize = 256;

impl Disk {
    /// Reads the blocks of a region that take space, past the page cache, and compares them with their
    /// sums; and those that hold something although their sum says that they are holes. The files are
    /// opened for it alone: those that clients use stay open.
    pub(crate) fn verify(
        &self,
        volume: VolumeId,
        file: ExtentFile,
        region: RegionIndex,
        expected: Option<&SumsPage>,
    ) -> DiskResult {
        let found = self.compare(volume, file, region, expected);
        let (blocks, damaged) = found.map_err(|error| self.fault(&error))?;
        for BadBlock { block, .. } in &damaged {
            tracing::warn!(disk = %self.id(), %volume, extent = %file.extent, block, "a block does not match its checksum");
        }
        Ok(DiskAnswer::Verified { blocks, damaged })
    }

    fn compare(
        &self,
        volume: VolumeId,
        file: ExtentFile,
        region: RegionIndex,
        expected: Option<&SumsPage>,
    ) -> std::io::Result<(u32, Vec<BadBlock>)> {
        let page = if let Some(page) = expected {
            Box::new(*page)
        } else {
            let sums = open_to_read(&self.layout.sums(volume, file))?;
            let page = read_up_to(&sums, sums_offset(region, 0), BLOCK_SIZE as usize)?;
            decode_sums(&page)
        };
        let path = self.layout.data(volume, file);
        let data = match open_direct(&path)? {
            Some(data) => data,
            None => open_to_read(&path)?,
        };
        let first = (region.0 % REGIONS_PER_EXTENT) as usize * BLOCKS_PER_REGION;
        let mut looked_at = page.map(|sum| sum != HOLE);
        mark_data(&data, first, &mut looked_at)?;
        let mut blocks = Blocks::new(AT_ONCE * BLOCK_SIZE as usize);
        let mut damaged = Vec::new();
        for run in runs(&looked_at) {
            let sums = &page[run.clone()];
            let offset = (first + run.start) as u64 * BLOCK_SIZE;
            let memory = blocks.first(run.len() * BLOCK_SIZE as usize);
            each_block(&data, offset, memory, |at, block| {
                if block.is_none_or(|block| verify(block, &[sums[at]]).is_err()) {
                    damaged.push(BadBlock {
                        block: (first + run.start + at) as u32,
                        found: block.map_or(HOLE, sum),
                    });
                }
            });
        }
        Ok((allocated(&page[..]), damaged))
    }
}

/// Marks the blocks of a region, the first of which is `first`, that the file holds something for.
fn mark_data(
    file: &File,
    first: usize,
    marks: &mut [bool; BLOCKS_PER_REGION],
) -> std::io::Result<()> {
    let seek = |place| match rustix::fs::seek(file, place) {
        Ok(at) => Ok(Some(at)),
        Err(Errno::NXIO) => Ok(None),
        Err(error) => Err(std::io::Error::from(error)),
    };
    let start = first as u64 * BLOCK_SIZE;
    let end = start + REGION_SIZE;
    let mut at = start;
    while let Some(data) = seek(SeekFrom::Data(at))?.filter(|data| *data < end) {
        at = seek(SeekFrom::Hole(data))?.unwrap_or(end).min(end);
        let blocks = (data - start) / BLOCK_SIZE..(at - start).div_ceil(BLOCK_SIZE);
        marks[blocks.start as usize..blocks.end as usize].fill(true);
    }
    Ok(())
}

/// Runs of marked blocks, none longer than what is read at once.
fn runs(marks: &[bool; BLOCKS_PER_REGION]) -> impl Iterator<Item = Range<usize>> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let start = next + marks[next..].iter().position(|&marked| marked)?;
        let most = &marks[start..marks.len().min(start + AT_ONCE)];
        let length = most.iter().position(|&marked| !marked);
        next = start + length.unwrap_or(most.len());
        Some(start..next)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn runs_cover_what_is_marked_and_nothing_else() {
        let mut marks = [false; BLOCKS_PER_REGION];
        for taken in [0..1, 5..7, 400..1024] {
            marks[taken].fill(true);
        }
        let found: Vec<_> = runs(&marks).collect();
        assert_eq!(found, [0..1, 5..7, 400..656, 656..912, 912..1024]);
        assert_eq!(runs(&[false; BLOCKS_PER_REGION]).count(), 0);
    }

    #[test]
    fn what_a_file_holds_is_marked() {
        let file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).expect("a file");
        file.set_len(16 * REGION_SIZE).expect("a long one");
        for block in [1023, 1024, 1030, 2047, 2048] {
            let written = file.write_all_at(&[1], block * BLOCK_SIZE);
            written.expect("a block");
        }
        let mut marks = [false; BLOCKS_PER_REGION];
        mark_data(&file, BLOCKS_PER_REGION, &mut marks).expect("looked");
        // A file system may hold more than was written.
        for held in [0, 6, 1023] {
            assert!(marks[held], "{held}");
        }
        assert!(!marks[500]);
        let mut marks = [false; BLOCKS_PER_REGION];
        mark_data(&file, 15 * BLOCKS_PER_REGION, &mut marks).expect("looked");
        assert!(!marks.contains(&true));
    }
}
