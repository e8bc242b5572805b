//! Which extents are placed, and placing them: ahead of a sequential writer one, two, four, eight.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::format::PlacementPage;
use crate::message::{Ask, ExtentFile};
use crate::placement::{Placement, Role};
use crate::{
    Alloc, ByteCount, DiskNumber, EXTENT_SIZE, ExtentIndex, IoError, LostBlocks,
    REGIONS_PER_EXTENT, RegionIndex,
};

use super::piece::{Stage, Work};
use super::round::Then;
use super::{Head, HeadEffect, PlaceFailure};

/// The most extents that one message to a replica names: its size is bounded, a volume's is not.
const RECONCILED_AT_ONCE: usize = 1024;

/// The most extents that are taken at once.
const MOST_AHEAD: u64 = 8;

#[derive(Debug)]
pub(super) struct Extents {
    placed: BTreeMap<ExtentIndex, Placement>,
    /// What is lost of them: all of each that is placed nowhere.
    pub lost: BTreeMap<ExtentIndex, LostBlocks>,
    placing: BTreeSet<ExtentIndex>,
    /// V4: disks that may lack what was acknowledged, whatever they hold of the volume, by the store.
    stale: BTreeSet<DiskNumber>,
    /// Those of which the store is to say so.
    excluding: BTreeSet<DiskNumber>,
    /// Extents whose replicas change just now: a copy becomes one, and one of those before may be none then; or the one
    /// that is named is given up.
    pub switching: BTreeMap<ExtentIndex, Option<DiskNumber>>,
    /// Extents whose records are to be removed, and when they were placed.
    to_unplace: BTreeMap<ExtentIndex, Alloc>,
    /// Whether records are being removed.
    unplacing: bool,
    size: ByteCount,
    /// Where a sequential writer goes on, and how many extents were taken for it.
    run: (ExtentIndex, u64),
}

impl Extents {
    pub fn new(
        placed: BTreeMap<ExtentIndex, Placement>,
        lost: BTreeMap<ExtentIndex, LostBlocks>,
        stale: BTreeSet<DiskNumber>,
        size: ByteCount,
    ) -> Self {
        Self {
            placed,
            lost,
            placing: BTreeSet::new(),
            stale,
            excluding: BTreeSet::new(),
            switching: BTreeMap::new(),
            to_unplace: BTreeMap::new(),
            unplacing: false,
            size,
            run: (ExtentIndex(u64::MAX), 0),
        }
    }

    pub fn get(&self, extent: ExtentIndex) -> Option<&Placement> {
        self.placed.get(&extent)
    }

    /// Those of a placement's disks that are in sync, the one nearest to the head first (V4).
    pub fn in_sync<'a>(
        &'a self,
        placement: &'a Placement,
    ) -> impl Iterator<Item = DiskNumber> + Clone + 'a {
        let in_sync = placement.in_sync(&self.stale);
        in_sync.filter(|disk| !self.excluding.contains(disk))
    }

    /// Whether the store says that the disk may lack something.
    pub fn is_stale(&self, disk: DiskNumber) -> bool {
        self.stale.contains(&disk)
    }

    /// Whether the store is to say so, for the first time or anew.
    pub fn is_excluding(&self, disk: DiskNumber) -> bool {
        self.excluding.contains(&disk)
    }

    /// Whether the disk may lack something, whether or not the store says so.
    pub fn is_out(&self, disk: DiskNumber) -> bool {
        self.stale.contains(&disk) || self.excluding.contains(&disk)
    }

    /// Disks that may lack something.
    pub fn out(&self) -> impl Iterator<Item = DiskNumber> {
        self.stale.union(&self.excluding).copied()
    }

    /// Every extent from one on, in their order.
    pub fn placed_from(
        &self,
        extent: ExtentIndex,
    ) -> impl Iterator<Item = (ExtentIndex, &Placement)> {
        self.placed
            .range(extent..)
            .map(|(extent, placed)| (*extent, placed))
    }

    /// Disks that hold some extent, in sync or not.
    pub fn holders(&self) -> BTreeSet<DiskNumber> {
        let full = |it: &&(DiskNumber, Role)| it.1 == Role::Full;
        let replicas = self.placed.values().flat_map(|placed| &placed.replicas);
        replicas.filter(full).map(|(disk, _)| *disk).collect()
    }

    /// The disk is to be recorded stale.
    pub fn exclude(&mut self, disk: DiskNumber) {
        self.excluding.insert(disk);
    }

    /// The disk is recorded stale.
    pub fn excluded(&mut self, disk: DiskNumber) {
        self.excluding.remove(&disk);
        self.stale.insert(disk);
    }

    /// The disk is recorded in sync.
    pub fn include(&mut self, disk: DiskNumber) {
        self.stale.remove(&disk);
    }

    /// The extents that the disk holds, in sync or not.
    pub fn full_on(&self, disk: DiskNumber) -> impl Iterator<Item = ExtentIndex> {
        let placed = self.placed.iter().filter(move |it| it.1.is_full_on(disk));
        placed.map(|(&extent, _)| extent)
    }

    /// Whether each extent that the disk holds in sync is so on another one, too.
    pub fn can_do_without(&self, disk: DiskNumber) -> bool {
        self.others_hold(disk, &BTreeSet::from([disk]))
    }

    /// Whether each extent that the disk holds in sync is so on one that is not among `without`, and stays so
    /// once the copies are replicas that are about to be, and those that are given up are none.
    pub fn others_hold(&self, disk: DiskNumber, without: &BTreeSet<DiskNumber>) -> bool {
        self.placed.iter().all(|(extent, placed)| {
            let switching = self.switching.get(extent);
            let leaves = switching.copied().flatten();
            let copy = placed.replicas.iter().filter(|it| it.1 == Role::Incoming);
            let copy = copy
                .map(|it| it.0)
                .filter(|it| switching.is_some() && !self.is_out(*it));
            let holders = self.in_sync(placed).chain(copy);
            let holders: Vec<_> = holders.filter(|it| Some(*it) != leaves).collect();
            let others = holders.iter().filter(|it| !without.contains(it)).count();
            !holders.contains(&disk) || others > usize::from(switching == Some(&None))
        })
    }

    /// The regions that are dirty by a disk that holds them in sync. What another disk's log still says of
    /// an extent that it held earlier marks nothing here (V5).
    pub fn dirty(
        &self,
        by_disk: &BTreeMap<DiskNumber, Option<BTreeSet<RegionIndex>>>,
    ) -> BTreeSet<RegionIndex> {
        let mut dirty = BTreeSet::new();
        for (&disk, marked) in by_disk {
            let held = |region: &RegionIndex| {
                let placed = self.get(region.extent());
                placed.is_some_and(|placed| self.in_sync(placed).any(|holder| holder == disk))
            };
            if let Some(marked) = marked {
                dirty.extend(marked.iter().filter(|it| held(it)));
            } else {
                dirty.extend(self.full_on(disk).flat_map(regions_of).filter(held));
            }
        }
        dirty
    }

    /// Up to [`RECONCILED_AT_ONCE`] extents from `from` on: where they begin, they, before which extent they
    /// end, and where the next begin, if there are any. Those that are being placed are passed over: the
    /// store may have them already, and a disk that was started anew knows of them by that.
    pub fn some_from(
        &self,
        mut from: ExtentIndex,
    ) -> (
        ExtentIndex,
        BTreeMap<ExtentIndex, &Placement>,
        Option<ExtentIndex>,
        Option<ExtentIndex>,
    ) {
        while self.placing.contains(&from) {
            from = ExtentIndex(from.0 + 1);
        }
        let gap = self.placing.range(from..).next().copied();
        let before =
            |(extent, _): &(&ExtentIndex, &Placement)| gap.is_none_or(|gap| **extent < gap);
        let placed = self.placed.range(from..).take_while(before);
        let mut placed = placed.map(|(&extent, on)| (extent, on));
        let some = placed.by_ref().take(RECONCILED_AT_ONCE).collect();
        match (placed.next(), gap) {
            (Some((next, _)), _) => (from, some, Some(next), Some(next)),
            (None, Some(gap)) => (from, some, Some(gap), Some(ExtentIndex(gap.0 + 1))),
            (None, None) => (from, some, None, None),
        }
    }

    /// The extents of a range that are placed or being placed.
    pub fn known_in(&self, range: RangeInclusive<ExtentIndex>) -> BTreeSet<ExtentIndex> {
        let placed = self.placed.range(range.clone()).map(|(&extent, _)| extent);
        placed.chain(self.placing.range(range).copied()).collect()
    }

    /// The volume has this size now.
    pub fn grow(&mut self, size: ByteCount) {
        self.size = size;
    }

    /// The extent is placed elsewhere now; answers where it was.
    pub fn replace(&mut self, extent: ExtentIndex, placement: Placement) -> Option<Placement> {
        self.placed.insert(extent, placement)
    }

    /// Whether the disk holds the extent, not only a copy that is being made.
    pub fn is_full_on(&self, file: ExtentFile, disk: DiskNumber) -> bool {
        let placed = self.get(file.extent);
        placed.is_some_and(|placed| placed.alloc == file.alloc && placed.is_full_on(disk))
    }

    /// The store notes a copy of the extent on the disk.
    pub fn note_copy(&mut self, extent: ExtentIndex, to: DiskNumber) {
        if let Some(placement) = self.placed.get_mut(&extent) {
            placement.replicas.push((to, Role::Incoming));
        }
    }

    /// The store does not note it any more.
    pub fn forget_copy(&mut self, file: ExtentFile, disk: DiskNumber) {
        let placement = self.placed.get_mut(&file.extent);
        if let Some(placement) = placement.filter(|placement| placement.alloc == file.alloc) {
            placement
                .replicas
                .retain(|it| *it != (disk, Role::Incoming));
        }
    }

    /// The extent's record is to be removed.
    pub fn free(&mut self, extent: ExtentIndex, alloc: Alloc) {
        self.to_unplace.insert(extent, alloc);
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
            let placed = self.placed.get(extent);
            placed.is_none_or(Placement::is_lost) && !self.placing.contains(extent)
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
        let joining = self
            .members
            .joining()
            .filter(|disk| placement.is_full_on(*disk));
        let disks = self.extents.in_sync(&placement).chain(joining);
        let asks = disks.map(|disk| (disk, ask.clone())).collect();
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

    /// Has the records of what waits for it removed, one placement page at a time: each is one change
    /// of the store, however many extents of the page are freed.
    pub(super) fn unplace(&mut self, effects: &mut Vec<HeadEffect>) {
        if self.extents.unplacing {
            return;
        }
        let Some((first, _)) = self.extents.to_unplace.first_key_value() else {
            return;
        };
        let page = PlacementPage::locate(*first).0;
        let same = |&extent: &ExtentIndex, _: &mut _| PlacementPage::locate(extent).0 == page;
        let files = self.extents.to_unplace.extract_if(.., same);
        let files = files.map(|(extent, alloc)| ExtentFile { extent, alloc });
        effects.push(HeadEffect::Unplace(files.collect()));
        self.extents.unplacing = true;
    }

    pub(super) fn unplaced(
        &mut self,
        extents: &[ExtentIndex],
        result: Result<(), PlaceFailure>,
        effects: &mut Vec<HeadEffect>,
    ) {
        self.extents.unplacing = false;
        for &extent in extents {
            self.unplaced_one(extent, result, effects);
        }
    }

    fn unplaced_one(
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
        self.extents.lost.remove(&extent);
        self.dirty.forget(regions_of(extent));
        self.members.forget(extent);
        self.absences.forget(extent);
        self.agreements.forget(extent);
        self.flushes.forget(extent);
        let ask = Ask::Remove {
            file: ExtentFile {
                extent,
                alloc: placement.alloc,
            },
        };
        self.free_copy(extent, effects);
        // Those that are not here learn of it when they join.
        let here = |(disk, _): &&(DiskNumber, Role)| self.disks.contains(disk);
        let on = placement.replicas.iter().filter(here);
        let asks: Vec<_> = on.map(|(disk, _)| (*disk, ask.clone())).collect();
        if asks.is_empty() {
            return self.complete(op, Ok(Some(Bytes::new())), effects);
        }
        self.begin_round(Then::Piece(op), asks, effects);
    }
}

/// The regions of an extent.
pub(super) fn regions_of(extent: ExtentIndex) -> impl Iterator<Item = RegionIndex> {
    let first = extent.0 * REGIONS_PER_EXTENT;
    (first..first + REGIONS_PER_EXTENT).map(RegionIndex)
}
