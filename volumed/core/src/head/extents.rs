//! Which extents are placed, and placing them: ahead of a sequential writer one, two, four, eight.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::message::{Ask, ExtentFile};
use crate::placement::Placement;
use crate::{
    ByteCount, DiskNumber, EXTENT_SIZE, ExtentIndex, IoError, REGIONS_PER_EXTENT, RegionIndex,
};

use super::piece::{Stage, Work};
use super::round::Then;
use super::{Head, HeadEffect, PlaceFailure};

/// The most extents that are taken at once.
const MOST_AHEAD: u64 = 8;

#[derive(Debug)]
pub(super) struct Extents {
    placed: BTreeMap<ExtentIndex, Placement>,
    placing: BTreeSet<ExtentIndex>,
    size: ByteCount,
    /// Where a sequential writer goes on, and how many extents were taken for it.
    run: (ExtentIndex, u64),
}

impl Extents {
    pub fn new(placed: BTreeMap<ExtentIndex, Placement>, size: ByteCount) -> Self {
        Self {
            placed,
            placing: BTreeSet::new(),
            size,
            run: (ExtentIndex(u64::MAX), 0),
        }
    }

    pub fn placed(&self) -> &BTreeMap<ExtentIndex, Placement> {
        &self.placed
    }

    pub fn get(&self, extent: ExtentIndex) -> Option<&Placement> {
        self.placed.get(&extent)
    }

    /// The files that a disk should hold.
    pub fn on(&self, disk: DiskNumber) -> BTreeSet<ExtentFile> {
        let placed = self.placed.iter();
        let here = placed.filter(|(_, placed)| placed.replicas.iter().any(|(on, _)| *on == disk));
        here.map(|(&extent, placed)| ExtentFile {
            extent,
            alloc: placed.alloc,
        })
        .collect()
    }

    /// The extents of a range that are placed or being placed.
    pub fn known_in(&self, range: RangeInclusive<ExtentIndex>) -> BTreeSet<ExtentIndex> {
        let placed = self.placed.range(range.clone()).map(|(&extent, _)| extent);
        placed.chain(self.placing.range(range).copied()).collect()
    }

    /// The extents to place now for a writer of `extent`.
    fn take(&mut self, extent: ExtentIndex) -> Vec<ExtentIndex> {
        let count = if self.run.0 == extent {
            (self.run.1 * 2).min(MOST_AHEAD)
        } else {
            1
        };
        let end = (extent.0 + count).min(self.size.0.div_ceil(EXTENT_SIZE));
        self.run = (ExtentIndex(end), count);
        let free = |extent: &ExtentIndex| {
            !self.placed.contains_key(extent) && !self.placing.contains(extent)
        };
        let taken: Vec<_> = (extent.0..end).map(ExtentIndex).filter(free).collect();
        self.placing.extend(&taken);
        taken
    }
}

impl Head {
    pub(super) fn place(&mut self, extent: ExtentIndex, effects: &mut Vec<HeadEffect>) {
        if !self.extents.placing.contains(&extent) {
            effects.push(HeadEffect::Place(self.extents.take(extent)));
        }
    }

    pub(super) fn adopt(
        &mut self,
        extent: ExtentIndex,
        placement: Placement,
        effects: &mut Vec<HeadEffect>,
    ) {
        let ask = Ask::Adopt {
            file: ExtentFile {
                extent,
                alloc: placement.alloc,
            },
        };
        let asks = placement
            .in_sync()
            .map(|disk| (disk, ask.clone()))
            .collect();
        self.begin_round(Then::Adopt(extent, placement), asks, effects);
    }

    pub(super) fn adopted(
        &mut self,
        extent: ExtentIndex,
        placement: Placement,
        well: bool,
        effects: &mut Vec<HeadEffect>,
    ) {
        self.extents.placing.remove(&extent);
        // Placed it is in any case: the record says so, and another alloc must not take its place.
        self.extents.placed.insert(extent, placement);
        if !well {
            return self.fail_placing(extent, IoError::Io, effects);
        }
        for op in self.lanes.of(extent) {
            self.advance(op, effects);
        }
    }

    pub(super) fn place_failed(
        &mut self,
        extent: ExtentIndex,
        failure: PlaceFailure,
        effects: &mut Vec<HeadEffect>,
    ) {
        self.extents.placing.remove(&extent);
        let error = match failure {
            PlaceFailure::NoSpace => IoError::NoSpace,
            PlaceFailure::Exhausted => IoError::Exhausted,
            PlaceFailure::Failed => IoError::Io,
        };
        self.fail_placing(extent, error, effects);
    }

    fn fail_placing(&mut self, extent: ExtentIndex, error: IoError, effects: &mut Vec<HeadEffect>) {
        for op in self.lanes.of(extent) {
            if self
                .pieces
                .get(&op)
                .is_some_and(|piece| piece.stage == Stage::Placing)
            {
                self.complete(op, Err(error), effects);
            }
        }
    }

    pub(super) fn unplaced(
        &mut self,
        extent: ExtentIndex,
        result: Result<(), PlaceFailure>,
        effects: &mut Vec<HeadEffect>,
    ) {
        let unplaces = |op: &crate::message::OpId| {
            self.pieces.get(op).is_some_and(|piece| {
                matches!(piece.work, Work::Unplace) && piece.stage == Stage::Sent
            })
        };
        let Some(op) = self.lanes.of(extent).into_iter().find(unplaces) else {
            return;
        };
        let placement = match result {
            Ok(()) => self.extents.placed.remove(&extent),
            Err(_) => None,
        };
        let Some(placement) = placement else {
            return self.complete(op, Err(IoError::Io), effects);
        };
        let first = extent.0 * REGIONS_PER_EXTENT;
        self.dirty
            .forget((first..first + REGIONS_PER_EXTENT).map(RegionIndex));
        self.flushes.forget(extent);
        let ask = Ask::Remove {
            file: ExtentFile {
                extent,
                alloc: placement.alloc,
            },
        };
        let asks: Vec<_> = placement
            .in_sync()
            .map(|disk| (disk, ask.clone()))
            .collect();
        if asks.is_empty() {
            return self.complete(op, Ok(Some(Bytes::new())), effects);
        }
        self.begin_round(Then::Piece(op), asks, effects);
    }
}
