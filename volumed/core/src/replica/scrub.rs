//! Checking what nobody reads (V10): region by region, beside whatever clients do.
//!
//! A check excludes nobody. A block that somebody changed since it began says nothing, whatever was
//! read of it; every other one must match the sum that it had then.

use std::collections::{BTreeMap, BTreeSet};

use crate::message::ExtentFile;
use crate::{BLOCK_SIZE, BLOCKS_PER_REGION, REGIONS_PER_EXTENT, RegionIndex};

use super::regions::{Span, Touch};
use super::{DiskAnswer, DiskOp, DiskResult, Doing, Replica, ReplicaEffect};

/// The check of a region that is under way.
#[derive(Debug)]
pub(super) struct Scrubbing {
    file: ExtentFile,
    region: RegionIndex,
    /// Blocks of the extent that may have changed since it began.
    touched: BTreeSet<u32>,
}

impl Replica {
    /// Begins to check the first region at or behind `from` of an extent that holds something, and
    /// answers which; nothing if there is none. One at a time: [`ReplicaEffect::Scrubbed`] tells of
    /// its end. A region whose sums do not count is summed anew instead.
    pub fn scrub(
        &mut self,
        from: RegionIndex,
        effects: &mut Vec<ReplicaEffect>,
    ) -> Option<RegionIndex> {
        debug_assert!(self.scrubbing.is_none(), "one at a time");
        let file = self.held.not_empty(from.extent())?;
        let extent = file.extent;
        let region = from.max(RegionIndex(extent.0 * REGIONS_PER_EXTENT));
        if self.regions.is_suspect(region) {
            self.resum(file, region, effects);
            let blocks = Some(0);
            effects.push(ReplicaEffect::Scrubbed { region, blocks });
            return Some(region);
        }
        let changes = self.doing.values().filter_map(|doing| match doing {
            Doing::Change { pinned, .. } if pinned.extent == extent => Some(*pinned),
            _ => None,
        });
        let touched = changes.flat_map(blocks).collect();
        self.scrubbing = Some(Scrubbing {
            file,
            region,
            touched,
        });
        let expected = self.regions.known(region);
        let op = DiskOp::Verify {
            file,
            region,
            expected,
        };
        self.start(Doing::Verify, op, effects);
        Some(region)
    }

    /// Begins to sum anew the next region whose sums do not count and that nobody uses, unless one is
    /// on its way or a new owner waits; false when there is none behind those that were tried. The next
    /// time it begins with the first one again.
    pub fn resum_one(&mut self, effects: &mut Vec<ReplicaEffect>) -> bool {
        let loads = |doing: &Doing| matches!(doing, Doing::Load { .. });
        if self.promising.is_some() || self.doing.values().any(loads) {
            return true;
        }
        let mut suspects = self.regions.suspect_regions();
        suspects.retain(|region| *region >= self.resum_from);
        let found = suspects.into_iter().find(|region| {
            let file = self.held.get(region.extent()).map(|held| held.file);
            file.is_some_and(|file| self.resum(file, *region, effects))
        });
        self.resum_from = found.map_or(RegionIndex(0), |region| RegionIndex(region.0 + 1));
        found.is_some()
    }

    fn resum(
        &mut self,
        file: ExtentFile,
        region: RegionIndex,
        effects: &mut Vec<ReplicaEffect>,
    ) -> bool {
        if self.failed {
            return false;
        }
        let touched = self.regions.touch(region);
        if let Touch::Load { suspect } = touched {
            self.load(file, region, suspect, effects);
        }
        matches!(touched, Touch::Load { .. })
    }

    /// Blocks of a span are about to change.
    pub(super) fn note_change(&mut self, span: Span) {
        if let Some(scrubbing) = &mut self.scrubbing
            && scrubbing.file.extent == span.extent
        {
            scrubbing.touched.extend(blocks(span));
        }
    }

    pub(super) fn verified(&mut self, result: DiskResult, effects: &mut Vec<ReplicaEffect>) {
        let Some(Scrubbing {
            file,
            region,
            touched,
        }) = self.scrubbing.take()
        else {
            return;
        };
        let mut checked = None;
        if !self.holds(file) {
            checked = Some(0);
        } else if let Ok(DiskAnswer::Verified { blocks, damaged }) = result {
            checked = Some(blocks);
            let damaged: BTreeMap<_, _> = damaged.iter().map(|bad| (bad.block, *bad)).collect();
            let first = (region.0 % REGIONS_PER_EXTENT) as u32 * BLOCKS_PER_REGION as u32;
            for block in first..first + BLOCKS_PER_REGION as u32 {
                if touched.contains(&block) {
                    continue;
                }
                if let Some(&bad) = damaged.get(&block) {
                    self.found_damaged(file.extent, bad, effects);
                } else {
                    let offset = block * BLOCK_SIZE as u32;
                    let block = Span::new(file.extent, offset, BLOCK_SIZE as u32);
                    self.found_well(block, effects);
                }
            }
        }
        effects.push(ReplicaEffect::Scrubbed {
            region,
            blocks: checked,
        });
    }
}

fn blocks(span: Span) -> std::ops::Range<u32> {
    span.first..span.first + span.count
}
