//! Whether replicas in sync hold the same, for whoever doubts it.
//!
//! A comparison is a piece that changes nothing: it comes behind the changes of the region that are under way,
//! and those that come later wait for it. So replicas that differ while it looks do so for good.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::digest::{self, Digest};
use crate::message::{Ask, ExtentFile, OpId};
use crate::{
    BLOCK_SIZE, BLOCKS_PER_REGION, DiskNumber, REGION_SIZE, REGIONS_PER_EXTENT, RegionIndex,
};

use super::piece::{Piece, Work};
use super::round::{Answers, Then};
use super::{Head, HeadEffect};

const BLOCK: u32 = BLOCK_SIZE as u32;

/// What replicas are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The checksums that they keep of the blocks.
    Sums,
    /// What the blocks hold, which is read and must match its checksums.
    Bytes,
}

/// What a comparison of a region found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// Fewer than two replicas are in sync.
    Alone,
    /// One of them did not say what it holds.
    Unknown,
    /// Where they differ; nowhere if there is none.
    Differences(Vec<Difference>),
}

/// Blocks side by side of which some replicas hold something else than the first whose blocks are not damaged, or
/// that are damaged on all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Counted from the extent's start.
    pub blocks: Range<u32>,
    /// Who holds something else.
    pub on: BTreeSet<DiskNumber>,
    /// What these hold does not match its checksums.
    pub damaged: bool,
}

impl Head {
    /// Compares a region once nothing that changes it is under way.
    pub(super) fn compare_replicas_of(
        &mut self,
        region: RegionIndex,
        depth: Depth,
        effects: &mut Vec<HeadEffect>,
    ) {
        let found = match self.extents.get(region.extent()) {
            _ if !self.started => Comparison::Unknown,
            None => Comparison::Differences(Vec::new()),
            Some(placed) if self.extents.in_sync(placed).nth(1).is_none() => Comparison::Alone,
            Some(_) => return self.enter_comparison(region, depth),
        };
        effects.push(HeadEffect::Compared(region, found));
    }

    fn enter_comparison(&mut self, region: RegionIndex, depth: Depth) {
        let op = self.new_op();
        let offset = (region.0 % REGIONS_PER_EXTENT * REGION_SIZE) as u32;
        let piece = Piece::new(None, 0, region.extent(), Work::Compare { offset, depth });
        self.lanes.enter(region.extent(), op, piece.blocks(), false);
        self.pieces.insert(op, piece);
        self.ready.push_back(op);
    }

    /// Nothing is in the way any more.
    pub(super) fn ask_for_comparison(
        &mut self,
        op: OpId,
        depth: Depth,
        effects: &mut Vec<HeadEffect>,
    ) {
        let Some(piece) = self.pieces.get(&op) else {
            return;
        };
        let (extent, offset) = (piece.extent, piece.blocks().0 * BLOCK);
        let Some(placed) = self.extents.get(extent) else {
            return self.end_comparison(op, Comparison::Differences(Vec::new()), effects);
        };
        let alloc = placed.alloc;
        let (file, length) = (ExtentFile { extent, alloc }, REGION_SIZE as u32);
        let ask = match depth {
            Depth::Sums => Ask::Sums {
                file,
                offset,
                length,
            },
            Depth::Bytes => Ask::Digest {
                file,
                offset,
                length,
            },
        };
        let disks = self.extents.in_sync(placed);
        let asks: Vec<_> = disks.map(|disk| (disk, ask.clone())).collect();
        if asks.len() < 2 {
            return self.end_comparison(op, Comparison::Alone, effects);
        }
        self.begin_round(Then::Compare(op), asks, effects);
    }

    /// Replicas said what they hold.
    pub(super) fn compared(&mut self, op: OpId, answers: &Answers, effects: &mut Vec<HeadEffect>) {
        let Some((extent, work)) = self.pieces.get(&op).map(|it| (it.extent, it.work.clone()))
        else {
            return;
        };
        let Work::Compare { offset, depth } = work else {
            return;
        };
        let unpack = match depth {
            Depth::Sums => digest::of_sums,
            Depth::Bytes => digest::unpack,
        };
        let said = answers.done.iter();
        let said: BTreeMap<_, _> = said.map(|(disk, said)| (*disk, unpack(said))).collect();
        let placed = self.extents.get(extent).into_iter();
        let nearest = placed.flat_map(|placed| self.extents.in_sync(placed));
        let nearest: Vec<_> = nearest.filter(|disk| said.contains_key(disk)).collect();
        let whole = said.values().all(|it| it.len() == BLOCKS_PER_REGION);
        let found = if answers.refused.is_empty() && whole {
            let first = offset / BLOCK;
            Comparison::Differences(differences(&said, &nearest, first))
        } else {
            Comparison::Unknown
        };
        self.end_comparison(op, found, effects);
    }

    fn end_comparison(&mut self, op: OpId, found: Comparison, effects: &mut Vec<HeadEffect>) {
        let region = self.pieces.get(&op).and_then(|it| it.regions().next());
        effects.extend(region.map(|region| HeadEffect::Compared(region, found)));
        self.complete(op, Ok(None), effects);
    }
}

/// Where disks, the nearest first, said something else of blocks from `first` on.
fn differences(
    said: &BTreeMap<DiskNumber, Vec<Digest>>,
    nearest: &[DiskNumber],
    first: u32,
) -> Vec<Difference> {
    let mut found: Vec<Difference> = Vec::new();
    let of = |disk: &DiskNumber, at: u32| {
        let digest = said.get(disk).and_then(|it| it.get(at as usize));
        digest.copied().unwrap_or(Digest::Damaged)
    };
    for at in 0..BLOCKS_PER_REGION as u32 {
        let held = nearest.iter().map(|disk| of(disk, at));
        let truth = held.clone().find(|held| *held != Digest::Damaged);
        let differ = nearest
            .iter()
            .zip(held)
            .filter(|(_, held)| Some(*held) != truth);
        let damaged = differ.clone().all(|(_, held)| held == Digest::Damaged);
        let on: BTreeSet<_> = differ.map(|(disk, _)| *disk).collect();
        if on.is_empty() {
            continue;
        }
        let block = first + at;
        match found.last_mut() {
            Some(last) if last.blocks.end == block && last.on == on && last.damaged == damaged => {
                last.blocks.end += 1;
            }
            _ => found.push(Difference {
                blocks: block..block + 1,
                on,
                damaged,
            }),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: DiskNumber = DiskNumber(1);
    const B: DiskNumber = DiskNumber(2);
    const C: DiskNumber = DiskNumber(3);

    fn found(held: [&[Digest]; 3]) -> Vec<(Range<u32>, Vec<u16>, bool)> {
        let mut said = BTreeMap::new();
        for (disk, held) in [A, B, C].into_iter().zip(held) {
            let mut held = held.to_vec();
            held.resize(BLOCKS_PER_REGION, Digest::Hole);
            said.insert(disk, held);
        }
        let found = differences(&said, &[B, A, C], 2048);
        let parts = found.into_iter().map(|it| {
            let on = it.on.into_iter().map(|disk| disk.0).collect();
            (it.blocks, on, it.damaged)
        });
        parts.collect()
    }

    #[test]
    fn the_nearest_that_is_not_damaged_is_what_the_others_differ_from() {
        use Digest::{Damaged, Holds, Hole};
        let same = [Holds(5), Hole];
        assert!(found([&same, &same, &same]).is_empty());
        let a = [Holds(7), Holds(7), Damaged, Holds(4), Damaged];
        let b = [Holds(7), Holds(8), Holds(2), Damaged, Damaged];
        let c = [Holds(7), Holds(8), Holds(3), Holds(4), Damaged];
        let expected = [
            (2049..2050, vec![1], false),
            (2050..2051, vec![1, 3], false),
            (2051..2052, vec![2], true),
            (2052..2053, vec![1, 2, 3], true),
        ];
        assert_eq!(found([&a, &b, &c]), expected);
    }

    #[test]
    fn neighbours_that_differ_alike_are_one() {
        use Digest::{Holds, Hole};
        let (a, b) = ([Holds(1); 9], [Hole; 9]);
        assert_eq!(found([&a, &b, &b]), [(2048..2057, vec![1], false)]);
    }
}
