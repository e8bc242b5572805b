//! A disk that is gone for good: what only it held is lost.

use std::ops::Range;

use rand::RngExt;
use volumed_core::{BLOCK_SIZE, DiskNumber, ExtentIndex, LostBlocks, Request};

use super::super::disk::SimDisk;
use super::super::model::SECTOR;
use super::{Checked, Rig, empty_space};

/// Sectors of a block.
const SECTORS: u64 = BLOCK_SIZE / SECTOR;

impl Rig {
    /// Another disk takes the place of one of them while no process runs. (In the daemon it would
    /// have another number; here nothing names the one before any more.)
    pub(super) fn lose_a_disk(&mut self) {
        let gone = DiskNumber(self.rng.random_range(0..2));
        self.disks.insert(gone, SimDisk::new(self.broken));
        self.spaces.insert(gone, empty_space());
        for extent in self
            .placed
            .files(gone, true)
            .into_iter()
            .map(|file| file.extent)
        {
            self.lost.insert(extent, LostBlocks::all());
            if let Some(placed) = self.placed.extents.get_mut(&extent) {
                placed.replicas.clear();
            }
            // Nothing that rotted is there any more.
            self.harmed.retain(|(of, _)| *of != extent);
            self.doubtful.retain(|(of, _)| *of != extent);
        }
        for placed in self.placed.extents.values_mut() {
            placed.replicas.retain(|(disk, _)| *disk != gone);
        }
    }

    /// The store calls blocks well.
    pub(super) fn mend(&mut self, extent: ExtentIndex, blocks: &Range<u32>) {
        if let Some(lost) = self.lost.get_mut(&extent) {
            lost.mend(blocks);
            if lost.is_empty() {
                self.lost.remove(&extent);
            }
        }
    }

    /// Whether the store calls a block lost in which one of these sectors is.
    pub(super) fn is_lost_in(&self, sectors: &Range<u64>) -> bool {
        let blocks = sectors.start / SECTORS..sectors.end.div_ceil(SECTORS);
        self.lost.iter().any(|(extent, lost)| {
            let first = extent.start() / BLOCK_SIZE;
            let within = |block: u64| block.saturating_sub(first).min(1 << 14) as u32;
            lost.any_in(&(within(blocks.start)..within(blocks.end)))
        })
    }

    /// Makes everything zero that is lost.
    pub(super) fn write_lost(&mut self) -> Checked {
        for (extent, lost) in self.lost.clone() {
            for (first, count) in lost.runs() {
                let fua = self.rng.random_bool(0.5);
                self.submit(Request::WriteZeroes {
                    offset: extent.start() + u64::from(first) * BLOCK_SIZE,
                    length: u64::from(count) * BLOCK_SIZE,
                    fua,
                    no_hole: false,
                })?;
                self.drain()?;
            }
        }
        if !self.lost.is_empty() {
            return Err("V13: what was lost and replaced is not well".to_owned());
        }
        Ok(())
    }
}
