//! Extents that hold nothing, say after many small trims, lose their records, so that their files go.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, Bytes};

use crate::message::Ask;
use crate::{DiskNumber, ExtentIndex};

use super::piece::{Piece, Work};
use super::round::Then;
use super::{Head, HeadEffect, Moment};

#[derive(Debug, Default)]
pub(super) struct Empty {
    /// Those of each disk that were empty when it was asked last.
    seen: BTreeMap<DiskNumber, BTreeSet<ExtentIndex>>,
    /// When the disks were asked last.
    asked: Moment,
}

impl Head {
    /// Asks every disk for its empty extents, as often as idle regions are cleaned.
    pub(super) fn look_for_empty(&mut self, effects: &mut Vec<HeadEffect>) {
        if self.settling || self.empty.asked.0 + self.clean_after() > self.now.0 {
            return;
        }
        self.empty.asked = self.now;
        let in_sync = self
            .disks
            .iter()
            .filter(|disk| !self.extents.is_out(**disk));
        for disk in in_sync.copied().collect::<Vec<_>>() {
            self.begin_round(Then::Empty(disk), vec![(disk, Ask::Empty)], effects);
        }
    }

    /// Frees those of a disk's empty extents that were so the last time, too: one that was just placed
    /// is about to be written. One of which something is lost does not read zero.
    ///
    /// Nothing is lost: whatever was written and answered, the disk has counted before it told of the
    /// extent, and whatever is on its way is in the extent's lane. What comes later waits behind.
    pub(super) fn found_empty(&mut self, disk: DiskNumber, found: Option<Bytes>) {
        let mut found = found.unwrap_or_default();
        let mut empty = BTreeSet::new();
        while let Ok(extent) = found.try_get_u64_le() {
            empty.insert(ExtentIndex(extent));
        }
        let seen = self.empty.seen.entry(disk).or_default();
        let before = std::mem::replace(seen, empty.clone());
        if self.settling {
            return;
        }
        for &extent in empty.intersection(&before) {
            let placement = self.extents.get(extent);
            let nearest = placement.and_then(|on| self.extents.in_sync(on).next());
            let lost = self.is_lost_in(extent);
            if nearest == Some(disk) && !lost && self.lanes.is_idle(extent) {
                let op = self.new_op();
                let piece = Piece::new(None, 0, extent, Work::Unplace);
                let (blocks, changes) = (piece.blocks(), piece.work.changes());
                self.lanes.enter(extent, op, blocks, changes);
                self.pieces.insert(op, piece);
                self.ready.push_back(op);
            }
        }
    }
}
