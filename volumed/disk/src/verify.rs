//! Checking a region without anybody having asked for its bytes (V10).

use volumed_core::format::{decode_sums, sums_offset};
use volumed_core::message::ExtentFile;
use volumed_core::replica::{DiskAnswer, DiskResult};
use volumed_core::sums::{HOLE, SumsPage, verify};
use volumed_core::{BLOCK_SIZE, BLOCKS_PER_REGION, REGIONS_PER_EXTENT, RegionIndex, VolumeId};

use crate::Disk;
use crate::direct::{Blocks, each_block, open_direct};
use crate::open::open_to_read;
use crate::slots::read_up_to;

/// Blocks read at once.
const AT_ONCE: usize = 256;

impl Disk {
    /// Reads the blocks of a region that take space, past the page cache, and compares them with their
    /// sums. The files are opened for it alone: those that clients use stay open.
    pub(crate) fn verify(
        &self,
        volume: VolumeId,
        file: ExtentFile,
        region: RegionIndex,
        expected: Option<&SumsPage>,
    ) -> DiskResult {
        let found = self.compare(volume, file, region, expected);
        let (blocks, damaged) = found.map_err(|error| self.fault(&error))?;
        for block in &damaged {
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
    ) -> std::io::Result<(u32, Vec<u32>)> {
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
        let mut blocks = Blocks::new(AT_ONCE * BLOCK_SIZE as usize);
        let (mut read, mut damaged) = (0, Vec::new());
        for run in runs(&page) {
            let sums = &page[run.clone()];
            let offset = (first + run.start) as u64 * BLOCK_SIZE;
            let memory = blocks.first(run.len() * BLOCK_SIZE as usize);
            each_block(&data, offset, memory, |at, block| {
                if block.is_none_or(|block| verify(block, &[sums[at]]).is_err()) {
                    damaged.push((first + run.start + at) as u32);
                }
            });
            read += run.len() as u32;
        }
        Ok((read, damaged))
    }
}

/// Runs of blocks that take space, none longer than what is read at once.
fn runs(page: &SumsPage) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let start = next + page[next..].iter().position(|&sum| sum != HOLE)?;
        let most = &page[start..page.len().min(start + AT_ONCE)];
        let length = most.iter().position(|&sum| sum == HOLE);
        next = start + length.unwrap_or(most.len());
        Some(start..next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_cover_what_takes_space_and_nothing_else() {
        let mut page = [HOLE; BLOCKS_PER_REGION];
        for taken in [0..1, 5..7, 400..1024] {
            page[taken].fill(9);
        }
        let found: Vec<_> = runs(&page).collect();
        assert_eq!(found, [0..1, 5..7, 400..656, 656..912, 912..1024]);
        assert_eq!(runs(&[HOLE; BLOCKS_PER_REGION]).count(), 0);
    }
}
