//! Pieces that share a block of an extent are ordered as they came (V3). Reads are ordered with
//! writes too: a read then never sees a block half written, or data and sum of two writes.
//!
//! A piece waits only for the ones just before it: a write for the last write and the reads since, a
//! read for the last write. Those have waited for the rest, so that as many pieces of one block as
//! clients like to send cost each of them no more than a few steps.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::ExtentIndex;
use crate::message::OpId;

/// Blocks of an extent, first and last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blocks(pub u32, pub u32);

#[derive(Debug)]
struct Entry {
    blocks: Blocks,
    /// Earlier pieces that are in the way.
    waits: usize,
    /// Later pieces that wait for this one.
    followers: Vec<OpId>,
}

/// Who came last in a run of blocks; it begins at its key in [`Lane::runs`].
#[derive(Debug, Clone)]
struct Run {
    last: u32,
    write: Option<OpId>,
    /// Reads that came after the write.
    reads: BTreeSet<OpId>,
}

/// What is under way in one extent.
#[derive(Debug, Default)]
struct Lane {
    entries: BTreeMap<OpId, Entry>,
    /// Disjoint; only pieces that are under way are named.
    runs: BTreeMap<u32, Run>,
}

/// What is under way in each extent.
#[derive(Debug, Default)]
pub(super) struct Lanes(BTreeMap<ExtentIndex, Lane>);

impl Lanes {
    /// Takes in a piece, later than all before it.
    pub fn enter(&mut self, extent: ExtentIndex, op: OpId, blocks: Blocks, changes: bool) {
        self.0.entry(extent).or_default().enter(op, blocks, changes);
    }

    /// Whether an earlier piece is in the way.
    pub fn blocked(&self, extent: ExtentIndex, op: OpId) -> bool {
        let lane = self.0.get(&extent);
        let entry = lane.and_then(|lane| lane.entries.get(&op));
        entry.is_some_and(|entry| entry.waits > 0)
    }

    /// Takes out a piece that nothing is in the way of; answers those for which nothing else is now.
    pub fn leave(&mut self, extent: ExtentIndex, op: OpId) -> Vec<OpId> {
        let Some(lane) = self.0.get_mut(&extent) else {
            return Vec::new();
        };
        let freed = lane.leave(op);
        if lane.entries.is_empty() {
            self.0.remove(&extent);
        }
        freed
    }

    /// The extents of a range in which something is under way.
    pub fn busy_in(&self, range: RangeInclusive<ExtentIndex>) -> impl Iterator<Item = ExtentIndex> {
        self.0.range(range).map(|(&extent, _)| extent)
    }

    /// Whether nothing is under way in an extent.
    pub fn is_idle(&self, extent: ExtentIndex) -> bool {
        !self.0.contains_key(&extent)
    }

    /// The pieces of an extent, as they came.
    pub fn of(&self, extent: ExtentIndex) -> Vec<OpId> {
        let lane = self.0.get(&extent).into_iter();
        lane.flat_map(|lane| lane.entries.keys().copied()).collect()
    }
}

impl Lane {
    fn enter(&mut self, op: OpId, blocks: Blocks, changes: bool) {
        self.cut(blocks);
        let before = if changes {
            self.write(op, blocks)
        } else {
            self.read(op, blocks)
        };
        for earlier in &before {
            if let Some(entry) = self.entries.get_mut(earlier) {
                entry.followers.push(op);
            }
        }
        let entry = Entry {
            blocks,
            waits: before.len(),
            followers: Vec::new(),
        };
        self.entries.insert(op, entry);
    }

    /// Has no run reach over the first or the last of the blocks.
    fn cut(&mut self, blocks: Blocks) {
        for at in [blocks.0, blocks.1 + 1] {
            if let Some((_, run)) = self.runs.range_mut(..at).next_back()
                && run.last >= at
            {
                let rest = run.clone();
                run.last = at - 1;
                self.runs.insert(at, rest);
            }
        }
    }

    /// A write comes last in all its blocks; answers what came last before.
    fn write(&mut self, op: OpId, blocks: Blocks) -> BTreeSet<OpId> {
        let mut before = BTreeSet::new();
        while let Some((&first, _)) = self.runs.range(blocks.0..=blocks.1).next()
            && let Some(run) = self.runs.remove(&first)
        {
            if run.reads.is_empty() {
                before.extend(run.write);
            } else {
                // They have waited for the write.
                before.extend(run.reads);
            }
        }
        let run = Run {
            last: blocks.1,
            write: Some(op),
            reads: BTreeSet::new(),
        };
        self.runs.insert(blocks.0, run);
        before
    }

    /// A read joins those since the last write; answers the writes.
    fn read(&mut self, op: OpId, blocks: Blocks) -> BTreeSet<OpId> {
        let (mut before, mut gaps) = (BTreeSet::new(), Vec::new());
        let mut next = blocks.0;
        for (&first, run) in self.runs.range_mut(blocks.0..=blocks.1) {
            if next < first {
                gaps.push((next, first - 1));
            }
            before.extend(run.write);
            run.reads.insert(op);
            next = run.last + 1;
        }
        if next <= blocks.1 {
            gaps.push((next, blocks.1));
        }
        self.runs.extend(gaps.into_iter().map(|(first, last)| {
            let run = Run {
                last,
                write: None,
                reads: BTreeSet::from([op]),
            };
            (first, run)
        }));
        before
    }

    fn leave(&mut self, op: OpId) -> Vec<OpId> {
        let Some(left) = self.entries.remove(&op) else {
            return Vec::new();
        };
        debug_assert_eq!(
            left.waits, 0,
            "what waits for it would overtake the earlier"
        );
        self.forget(op, left.blocks);
        let mut freed = left.followers;
        freed.retain(|later| {
            let entry = self.entries.get_mut(later);
            entry.is_some_and(|entry| {
                entry.waits -= 1;
                entry.waits == 0
            })
        });
        freed
    }

    fn forget(&mut self, op: OpId, blocks: Blocks) {
        let mut empty = Vec::new();
        for (&first, run) in self.runs.range_mut(blocks.0..=blocks.1) {
            run.reads.remove(&op);
            run.write = run.write.filter(|write| *write != op);
            if run.write.is_none() && run.reads.is_empty() {
                empty.push(first);
            }
        }
        for first in empty {
            self.runs.remove(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{Blocks, Lanes};
    use crate::ExtentIndex;
    use crate::message::OpId;

    const EXTENT: ExtentIndex = ExtentIndex(0);

    #[test]
    fn writes_wait_for_what_they_share_a_block_with() {
        let mut lanes = Lanes::default();
        lanes.enter(EXTENT, OpId(1), Blocks(0, 4), false);
        lanes.enter(EXTENT, OpId(2), Blocks(4, 8), false);
        lanes.enter(EXTENT, OpId(3), Blocks(4, 4), true);
        lanes.enter(EXTENT, OpId(4), Blocks(5, 9), true);
        lanes.enter(EXTENT, OpId(5), Blocks(0, 0), false);
        let blocked = |lanes: &Lanes| {
            (1..=5)
                .map(|op| lanes.blocked(EXTENT, OpId(op)))
                .collect::<Vec<_>>()
        };
        assert_eq!(blocked(&lanes), [false, false, true, true, false]);
        assert_eq!(lanes.leave(EXTENT, OpId(2)), [OpId(4)]);
        assert_eq!(blocked(&lanes), [false, false, true, false, false]);
        assert_eq!(lanes.leave(EXTENT, OpId(1)), [OpId(3)]);
        assert!(!lanes.blocked(EXTENT, OpId(3)));
    }

    #[test]
    fn many_writes_of_one_block_wait_for_one_each() {
        let mut lanes = Lanes::default();
        for op in 0..65_536 {
            lanes.enter(EXTENT, OpId(op), Blocks(7, 7), true);
        }
        for op in 0..65_536 {
            let entry = &lanes.0[&EXTENT].entries[&OpId(op)];
            assert_eq!((entry.waits, lanes.blocked(EXTENT, OpId(op))), (0, false));
            assert!(entry.followers.len() <= 1);
            let next = (op < 65_535).then_some(OpId(op + 1));
            assert_eq!(lanes.leave(EXTENT, OpId(op)), Vec::from_iter(next));
        }
        assert!(lanes.0.is_empty());
    }

    proptest! {
        /// Against comparing every piece with every earlier one.
        #[test]
        fn a_piece_waits_exactly_while_an_earlier_one_shares_a_block(
            pieces in vec((0..12_u32, 0..6_u32, any::<bool>(), any::<prop::sample::Index>()), 1..60),
        ) {
            let (mut lanes, mut model) = (Lanes::default(), Vec::new());
            let conflict = |a: &(OpId, Blocks, bool), b: &(OpId, Blocks, bool)| {
                (a.2 || b.2) && a.1.0 <= b.1.1 && b.1.0 <= a.1.1
            };
            let blocked = |model: &[(OpId, Blocks, bool)], at: usize| {
                model[..at].iter().any(|earlier| conflict(earlier, &model[at]))
            };
            for (number, (first, length, changes, leaves)) in pieces.into_iter().enumerate() {
                let op = OpId(number as u64);
                let blocks = Blocks(first, first + length);
                lanes.enter(EXTENT, op, blocks, changes);
                model.push((op, blocks, changes));
                if number % 3 > 0 {
                    let free: Vec<_> =
                        (0..model.len()).filter(|&at| !blocked(&model, at)).collect();
                    let was: Vec<_> = model.clone();
                    let left = model.remove(free[leaves.index(free.len())]);
                    let freed: Vec<_> = (0..model.len())
                        .filter(|&at| !blocked(&model, at))
                        .map(|at| model[at].0)
                        .filter(|op| {
                            let at = was.iter().position(|piece| piece.0 == *op).unwrap_or(0);
                            blocked(&was, at)
                        })
                        .collect();
                    prop_assert_eq!(lanes.leave(EXTENT, left.0), freed);
                }
                for at in 0..model.len() {
                    prop_assert_eq!(lanes.blocked(EXTENT, model[at].0), blocked(&model, at));
                }
                let left: Vec<_> = model.iter().map(|piece| piece.0).collect();
                prop_assert_eq!(lanes.of(EXTENT), left);
            }
        }
    }
}
