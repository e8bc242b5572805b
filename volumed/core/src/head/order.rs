//! Pieces that share a block of an extent are ordered as they came (V3). Reads are ordered with
//! writes too: a read then never sees a block half written, or data and sum of two writes.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::ExtentIndex;
use crate::message::OpId;

/// Blocks of an extent, first and last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blocks(pub u32, pub u32);

#[derive(Debug)]
struct Entry {
    op: OpId,
    blocks: Blocks,
    changes: bool,
}

impl Entry {
    fn conflicts(&self, other: &Self) -> bool {
        (self.changes || other.changes)
            && self.blocks.0 <= other.blocks.1
            && other.blocks.0 <= self.blocks.1
    }
}

/// What is under way in each extent, in the order of arrival.
#[derive(Debug, Default)]
pub(super) struct Lanes(BTreeMap<ExtentIndex, Vec<Entry>>);

impl Lanes {
    pub fn enter(&mut self, extent: ExtentIndex, op: OpId, blocks: Blocks, changes: bool) {
        self.0.entry(extent).or_default().push(Entry {
            op,
            blocks,
            changes,
        });
    }

    /// Whether an earlier piece is in the way.
    pub fn blocked(&self, extent: ExtentIndex, op: OpId) -> bool {
        let Some(lane) = self.0.get(&extent) else {
            return false;
        };
        let Some(at) = lane.iter().position(|entry| entry.op == op) else {
            return false;
        };
        lane[..at]
            .iter()
            .any(|earlier| earlier.conflicts(&lane[at]))
    }

    /// Takes a piece out; answers those for which nothing else is in the way now.
    pub fn leave(&mut self, extent: ExtentIndex, op: OpId) -> Vec<OpId> {
        let Some(lane) = self.0.get_mut(&extent) else {
            return Vec::new();
        };
        let Some(at) = lane.iter().position(|entry| entry.op == op) else {
            return Vec::new();
        };
        let left = lane.remove(at);
        let goes_on = |&later: &usize| {
            let entry = &lane[later];
            entry.conflicts(&left) && !lane[..later].iter().any(|other| other.conflicts(entry))
        };
        let freed = (at..lane.len()).filter(goes_on);
        let freed = freed.map(|later| lane[later].op).collect();
        if lane.is_empty() {
            self.0.remove(&extent);
        }
        freed
    }

    /// The extents of a range in which something is under way.
    pub fn busy_in(&self, range: RangeInclusive<ExtentIndex>) -> impl Iterator<Item = ExtentIndex> {
        self.0.range(range).map(|(&extent, _)| extent)
    }

    /// The pieces of an extent.
    pub fn of(&self, extent: ExtentIndex) -> Vec<OpId> {
        self.0
            .get(&extent)
            .into_iter()
            .flatten()
            .map(|entry| entry.op)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Blocks, Lanes};
    use crate::ExtentIndex;
    use crate::message::OpId;

    #[test]
    fn writes_wait_for_what_they_share_a_block_with() {
        let (mut lanes, extent) = (Lanes::default(), ExtentIndex(0));
        lanes.enter(extent, OpId(1), Blocks(0, 4), false);
        lanes.enter(extent, OpId(2), Blocks(4, 8), false);
        lanes.enter(extent, OpId(3), Blocks(4, 4), true);
        lanes.enter(extent, OpId(4), Blocks(5, 9), true);
        lanes.enter(extent, OpId(5), Blocks(0, 0), false);
        let blocked = |lanes: &Lanes| {
            (1..=5)
                .map(|op| lanes.blocked(extent, OpId(op)))
                .collect::<Vec<_>>()
        };
        assert_eq!(blocked(&lanes), [false, false, true, true, false]);
        assert_eq!(lanes.leave(extent, OpId(2)), [OpId(4)]);
        assert_eq!(blocked(&lanes), [false, false, true, false, false]);
        assert_eq!(lanes.leave(extent, OpId(1)), [OpId(3)]);
        assert!(!lanes.blocked(extent, OpId(3)));
    }
}
