//! Blocks that do not match their sums (V10), noted until they are written whole.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::{BLOCK_SIZE, BLOCKS_PER_REGION, BlockIndex, EXTENT_SIZE, ExtentIndex, RegionIndex};

use super::regions::Span;
use super::{BadBlock, Replica, ReplicaEffect};

/// Blocks of one volume on one disk that do not hold what was written there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Damage {
    /// Blocks of the volume, at most [`Self::MOST`], and the checksum of what was found in each: what still
    /// holds that was not written since. [`HOLE`](crate::sums::HOLE) if it could not be read.
    pub blocks: BTreeMap<BlockIndex, u32>,
    /// More were found than are noted.
    pub more: bool,
}

impl Damage {
    /// So many blocks are noted: a disk that lost more has to be replaced anyhow.
    pub const MOST: usize = 1024;

    /// Whether nothing is known to be damaged.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty() && !self.more
    }

    /// The regions of the noted blocks.
    pub fn regions(&self) -> impl Iterator<Item = RegionIndex> {
        let region = |block: &BlockIndex| RegionIndex::of(block.0 * BLOCK_SIZE);
        self.blocks.keys().map(region)
    }

    /// Whether that was news.
    fn note(&mut self, block: BlockIndex, found: u32) -> bool {
        if self.blocks.len() < Self::MOST || self.blocks.contains_key(&block) {
            return self.blocks.insert(block, found) != Some(found);
        }
        let new = !self.more;
        self.more |= new;
        new
    }

    /// Whether any of these blocks was noted.
    fn mend(&mut self, blocks: Range<BlockIndex>) -> bool {
        let mended: Vec<_> = self.blocks.range(blocks).map(|(block, _)| *block).collect();
        for block in &mended {
            self.blocks.remove(block);
        }
        !mended.is_empty()
    }
}

impl Replica {
    /// What is known to be damaged.
    pub fn damage(&self) -> &Damage {
        &self.damage
    }

    /// What an earlier process knew to be damaged. To be told before the first event.
    pub fn recall_damage(&mut self, damage: Damage) {
        self.damage = damage;
    }

    /// A check of everything begins: what was not noted for want of room is found again.
    pub fn scrub_begins(&mut self, effects: &mut Vec<ReplicaEffect>) {
        if std::mem::take(&mut self.damage.more) {
            effects.push(ReplicaEffect::DamageChanged);
        }
    }

    /// A block of an extent does not match its sum; blocks count from the extent's start.
    pub(super) fn found_damaged(
        &mut self,
        extent: ExtentIndex,
        BadBlock { block, found }: BadBlock,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        if self.damage.note(block_of(extent, block), found) {
            effects.push(ReplicaEffect::DamageChanged);
        }
    }

    /// Whether blocks of a span are known to be damaged.
    pub(super) fn is_damaged(&self, span: Span) -> bool {
        let first = block_of(span.extent, span.first);
        let end = BlockIndex(first.0 + u64::from(span.count));
        self.damage.blocks.range(first..end).next().is_some()
    }

    /// What is known to be damaged of a region.
    pub(super) fn damaged_in(&self, region: RegionIndex) -> Vec<BadBlock> {
        let first = region.0 * BLOCKS_PER_REGION as u64;
        let blocks = BlockIndex(first)..BlockIndex(first + BLOCKS_PER_REGION as u64);
        let start = region.extent().start() / BLOCK_SIZE;
        let of = |(at, &found): (&BlockIndex, &u32)| BadBlock {
            block: (at.0 - start) as u32,
            found,
        };
        self.damage.blocks.range(blocks).map(of).collect()
    }

    /// The span holds what was written there last.
    pub(super) fn found_well(&mut self, span: Span, effects: &mut Vec<ReplicaEffect>) {
        let first = block_of(span.extent, span.first);
        let end = BlockIndex(first.0 + u64::from(span.count));
        if self.damage.mend(first..end) {
            effects.push(ReplicaEffect::DamageChanged);
        }
    }

    /// The extent is gone, and what was damaged with it.
    pub(super) fn forget_damage(&mut self, extent: ExtentIndex, effects: &mut Vec<ReplicaEffect>) {
        let count = (EXTENT_SIZE / BLOCK_SIZE) as u32;
        let first = 0;
        self.found_well(
            Span {
                extent,
                first,
                count,
            },
            effects,
        );
    }
}

fn block_of(extent: ExtentIndex, block: u32) -> BlockIndex {
    BlockIndex(extent.start() / BLOCK_SIZE + u64::from(block))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_bounded_and_says_so() {
        let mut damage = Damage::default();
        for block in 0..Damage::MOST as u64 {
            assert!(damage.note(BlockIndex(block), 7));
            assert!(!damage.note(BlockIndex(block), 7), "known already");
        }
        assert!(!damage.more);
        assert!(damage.note(BlockIndex(9), 8), "it rotted on");
        assert!(
            damage.note(BlockIndex(9999), 7),
            "that there are more is news"
        );
        assert!(!damage.note(BlockIndex(9998), 7), "but only once");
        assert!(damage.more && damage.blocks.len() == Damage::MOST);
        assert!(damage.mend(BlockIndex(10)..BlockIndex(20)));
        assert!(!damage.mend(BlockIndex(10)..BlockIndex(20)));
        assert_eq!(damage.blocks.len(), Damage::MOST - 10);
        assert!(damage.note(BlockIndex(9999), 7), "there is room again");
    }
}
