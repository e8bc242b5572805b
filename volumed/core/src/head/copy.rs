//! Copying an extent to another disk while clients read and write it: chunk by chunk, from its start.
//!
//! What is before the frontier is the same on both disks, since every change there goes to both; beyond
//! it nothing has been written to the copy. A chunk is copied as a piece that holds up the clients'
//! pieces of its blocks. So is taking the copy for a replica: it is settled, gets the marks that the
//! others have (V5), and the store's record names it, while no other piece of the extent is on its way.
//! Until then nothing relies on the copy, and one that fails, or whose disk left, is dropped.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::chunk::CHUNK_SIZE;
use crate::message::{Ask, ExtentFile, OpId, ReplicaError};
use crate::placement::Placement;
use crate::rules::{Rule, Rules};
use crate::{BLOCK_SIZE, DiskNumber, EXTENT_SIZE, ExtentIndex, Incarnation};

use super::extents::regions_of;
use super::order::Blocks;
use super::piece::{Piece, Work};
use super::round::Then;
use super::{Head, HeadEffect, Lacks, PlaceFailure};

/// What a piece of a copy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Copies a chunk, which begins at this byte of the extent.
    Chunk(u32),
    /// Takes the copy for the replica.
    Switch,
    /// Removes a copy that was given up.
    Drop(DiskNumber, ExtentFile),
    /// Gives a replica up that is one too many.
    GiveUp(DiskNumber, ExtentFile),
}

/// How far a copy has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyProgress {
    /// So many bytes from the extent's start are the same on both disks;
    /// [`HeadEvent::CopyOn`](super::HeadEvent::CopyOn) copies more.
    Copied(u32),
    /// The copy is the replica now, and what it was made from is removed; or the replica that was to go is gone.
    Done,
    /// The replica that was to go stays for now: no other one is here and in sync, something else of the extent changes,
    /// or the store was not changed.
    Stays,
    /// There is no copy under way: its record is to be removed, then
    /// [`HeadEvent::DropCopy`](super::HeadEvent::DropCopy) follows.
    Failed(ReplicaError),
    /// The files of a copy that was given up are gone: another one may begin on that disk.
    Dropped,
}

#[derive(Debug)]
struct Copy {
    file: ExtentFile,
    to: DiskNumber,
    /// The disk's.
    incarnation: Option<Incarnation>,
    /// Bytes from the start of the extent.
    frontier: u32,
    /// Whether a piece of the copy is on its way.
    stepping: bool,
}

/// The copies under way, at most one of an extent.
#[derive(Debug)]
pub(super) struct Copies {
    rules: Rules,
    under_way: BTreeMap<ExtentIndex, Copy>,
    /// Those whose records are being changed, and the pieces that wait for it.
    pub switching: BTreeMap<ExtentIndex, OpId>,
    /// Extents that are held twice, until what was copied is removed.
    leaving: BTreeSet<ExtentIndex>,
}

impl Copies {
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            under_way: BTreeMap::new(),
            switching: BTreeMap::new(),
            leaving: BTreeSet::new(),
        }
    }

    /// Whether the replicas of an extent change.
    pub fn is_changing(&self, extent: ExtentIndex) -> bool {
        self.under_way.contains_key(&extent) || self.switching.contains_key(&extent)
    }

    /// Whether some extent counts twice, for a moment.
    pub fn is_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// What the copy of an extent must be told of a piece, and on which disk: the part before the
    /// frontier. It need not be durable, since the whole copy is settled in the end.
    pub fn ask(&self, extent: ExtentIndex, work: &Work) -> Option<(DiskNumber, Ask)> {
        let copy = self.under_way.get(&extent)?;
        let file = copy.file;
        let before = |offset: u32| copy.frontier.checked_sub(offset).filter(|it| *it > 0);
        let durable = false;
        let ask = match work {
            Work::Write {
                offset,
                data,
                clear,
                ..
            } => {
                let length = data.len().min(before(*offset)? as usize);
                Ask::Write {
                    file,
                    offset: *offset,
                    data: data.slice(..length),
                    durable,
                    clear: *clear,
                }
            }
            Work::Zero {
                offset,
                length,
                keep,
                ..
            } => Ask::Zero {
                file,
                offset: *offset,
                length: before(*offset)?.min(*length),
                durable,
                keep: *keep,
            },
            _ => return None,
        };
        self.rules.kept(Rule::CopyBoth).then_some((copy.to, ask))
    }
}

impl Head {
    /// The store notes a copy of the extent on `to`, and its files are there.
    pub(super) fn begin_copy(
        &mut self,
        file: ExtentFile,
        to: DiskNumber,
        effects: &mut Vec<HeadEffect>,
    ) {
        let extent = file.extent;
        let placed = self.extents.get(extent);
        let possible = placed.is_some_and(|placed| placed.alloc == file.alloc && !placed.is_on(to));
        if !possible || !self.has(to) || self.copies.is_changing(extent) {
            let failed = CopyProgress::Failed(ReplicaError::NoExtent);
            return effects.push(HeadEffect::Copy(extent, failed));
        }
        self.extents.note_copy(extent, to);
        let copy = Copy {
            file,
            to,
            incarnation: self.incarnation(to),
            frontier: 0,
            stepping: true,
        };
        self.copies.under_way.insert(extent, copy);
        let asks = vec![(to, Ask::Receive { file })];
        self.begin_round(Then::Receive(file), asks, effects);
    }

    pub(super) fn copy_begun(
        &mut self,
        file: ExtentFile,
        result: Result<(), ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        match result {
            Ok(()) => self.copied_up_to(file.extent, 0, effects),
            Err(error) => self.copy_failed(file.extent, error, effects),
        }
    }

    /// Copies the next chunk, or takes the whole copy for the replica.
    pub(super) fn copy_on(&mut self, extent: ExtentIndex, effects: &mut Vec<HeadEffect>) {
        let Some(copy) = self.copies.under_way.get_mut(&extent) else {
            let failed = CopyProgress::Failed(ReplicaError::NoExtent);
            return effects.push(HeadEffect::Copy(extent, failed));
        };
        if copy.stepping {
            return;
        }
        copy.stepping = true;
        let step = if u64::from(copy.frontier) < EXTENT_SIZE {
            Step::Chunk(copy.frontier)
        } else {
            Step::Switch
        };
        self.enter_step(extent, step);
    }

    /// The store does not note the copy any more. Whatever was sent to it has ended when its files go.
    pub(super) fn drop_copy(&mut self, file: ExtentFile, disk: DiskNumber) {
        let under_way = self.copies.under_way.get(&file.extent);
        if under_way.is_some_and(|copy| copy.to == disk && copy.file == file) {
            self.copies.under_way.remove(&file.extent);
        }
        self.extents.forget_copy(file, disk);
        self.enter_step(file.extent, Step::Drop(disk, file));
    }

    pub(super) fn enter_step(&mut self, extent: ExtentIndex, step: Step) {
        let op = self.new_op();
        let piece = Piece::new(None, 0, extent, Work::Copy(step));
        let blocks = if self.rules.kept(Rule::CopyAlone) {
            piece.blocks()
        } else {
            let last = (EXTENT_SIZE / BLOCK_SIZE - 1) as u32;
            Blocks(last, last)
        };
        self.lanes.enter(extent, op, blocks, true);
        self.pieces.insert(op, piece);
        self.ready.push_back(op);
    }

    /// Nothing is in the way of a piece of a copy.
    pub(super) fn step(
        &mut self,
        op: OpId,
        extent: ExtentIndex,
        step: Step,
        effects: &mut Vec<HeadEffect>,
    ) {
        let asks = match (step, self.copies.under_way.get(&extent)) {
            (Step::GiveUp(disk, file), _) => return self.give_up(op, file, disk, effects),
            // It became the replica before it could be dropped.
            (Step::Drop(disk, file), _) if self.extents.is_full_on(file, disk) => {
                return self.step_answered(op, step, Ok(Bytes::new()), effects);
            }
            (Step::Drop(disk, file), _) => vec![(disk, Ask::Remove { file })],
            (Step::Chunk(_), Some(_)) if self.is_unsure(op) => {
                return self.step_answered(op, step, Err(ReplicaError::Disk), effects);
            }
            (Step::Chunk(offset), Some(copy)) => {
                let ask = Ask::Fetch {
                    file: copy.file,
                    offset,
                    length: CHUNK_SIZE,
                };
                let placed = self.extents.get(extent);
                let nearest = placed.and_then(|placed| self.extents.in_sync(placed).next());
                nearest.map(|disk| (disk, ask)).into_iter().collect()
            }
            (Step::Switch, Some(copy)) => {
                if !self.rules.kept(Rule::CopySettled) {
                    return self.step_answered(op, step, Ok(Bytes::new()), effects);
                }
                let regions = regions_of(extent).collect();
                vec![(copy.to, Ask::Settle { regions })]
            }
            // It was given up meanwhile.
            (_, None) => return self.complete(op, Ok(None), effects),
        };
        self.begin_round(Then::Step(op, step), asks, effects);
    }

    pub(super) fn step_answered(
        &mut self,
        op: OpId,
        step: Step,
        result: Result<Bytes, ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        let Some(extent) = self.pieces.get(&op).map(|piece| piece.extent) else {
            return;
        };
        match (step, result, self.copies.under_way.get(&extent)) {
            (Step::Chunk(offset), Ok(chunk), Some(copy)) => {
                let ask = Ask::Store {
                    file: copy.file,
                    offset,
                    length: CHUNK_SIZE,
                    chunk,
                };
                let asks = vec![(copy.to, ask)];
                self.begin_round(Then::Stored(op, offset), asks, effects);
            }
            (Step::Switch, Ok(_), Some(copy)) => {
                let mut regions = self.dirty.share(regions_of(extent));
                regions.retain(|_| self.rules.kept(Rule::CopyMarks));
                let asks = (!regions.is_empty()).then_some((copy.to, Ask::Mark { regions }));
                self.extents.switching.insert(extent, None);
                self.begin_round(Then::CopyMarked(op), asks.into_iter().collect(), effects);
            }
            (Step::Chunk(_) | Step::Switch, Err(error), _) => {
                self.copy_failed(extent, error, effects);
                self.complete(op, Ok(None), effects);
            }
            (Step::Drop(..), ..) => {
                effects.push(HeadEffect::Copy(extent, CopyProgress::Dropped));
                self.complete(op, Ok(None), effects);
            }
            (Step::GiveUp(..), ..) | (_, _, None) => self.complete(op, Ok(None), effects),
        }
    }

    /// Whether replicas may differ in what a piece copies (V6).
    pub(super) fn is_unsure(&self, op: OpId) -> bool {
        let unsure = |piece: &Piece| self.agreements.is_unsure(piece.regions());
        self.pieces.get(&op).is_some_and(unsure)
    }

    /// The copy is a replica but for the store's record.
    pub(super) fn copy_marked(
        &mut self,
        op: OpId,
        result: Result<(), ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        let Some(extent) = self.pieces.get(&op).map(|piece| piece.extent) else {
            return;
        };
        match (result, self.copies.under_way.get(&extent)) {
            // V4: what changed of the extent it does not know by itself.
            (Ok(()), Some(copy)) => {
                let asks = self.missed_to_keep(copy.to).into_iter().collect();
                self.begin_round(Then::CopyKnows(op), asks, effects);
            }
            (result, _) => self.not_switched(op, extent, result, effects),
        }
    }

    /// The copy's disk knows what stale ones missed.
    pub(super) fn copy_knows(
        &mut self,
        op: OpId,
        result: Result<(), ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        let Some(extent) = self.pieces.get(&op).map(|piece| piece.extent) else {
            return;
        };
        match (result, self.copies.under_way.get(&extent)) {
            (Ok(()), Some(copy)) => {
                effects.push(HeadEffect::Switch(copy.file, copy.to));
                self.copies.switching.insert(extent, op);
            }
            (result, _) => self.not_switched(op, extent, result, effects),
        }
    }

    fn not_switched(
        &mut self,
        op: OpId,
        extent: ExtentIndex,
        result: Result<(), ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        self.extents.switching.remove(&extent);
        let error = result.err().unwrap_or(ReplicaError::NoExtent);
        self.copy_failed(extent, error, effects);
        self.complete(op, Ok(None), effects);
    }

    pub(super) fn stored(
        &mut self,
        op: OpId,
        offset: u32,
        result: Result<(), ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        let Some(extent) = self.pieces.get(&op).map(|piece| piece.extent) else {
            return;
        };
        match result {
            // Before the piece leaves: whoever waits for it must find the frontier where it is now.
            Ok(()) => self.copied_up_to(extent, offset + CHUNK_SIZE, effects),
            Err(error) => self.copy_failed(extent, error, effects),
        }
        self.complete(op, Ok(None), effects);
    }

    fn copied_up_to(&mut self, extent: ExtentIndex, frontier: u32, effects: &mut Vec<HeadEffect>) {
        if let Some(copy) = self.copies.under_way.get_mut(&extent) {
            (copy.frontier, copy.stepping) = (frontier, false);
            effects.push(HeadEffect::Copy(extent, CopyProgress::Copied(frontier)));
        }
    }

    /// The copy lacks something by now, or may: nothing more is sent to it.
    pub(super) fn copy_failed(
        &mut self,
        extent: ExtentIndex,
        error: ReplicaError,
        effects: &mut Vec<HeadEffect>,
    ) {
        if self.copies.under_way.remove(&extent).is_some() {
            effects.push(HeadEffect::Copy(extent, CopyProgress::Failed(error)));
        }
    }

    /// The disk left, and may come back without what it had: nothing more is sent to its copies. One that is
    /// settled, and of which only the store's word lacks, has all.
    pub(super) fn give_up_copies(&mut self, disk: DiskNumber, effects: &mut Vec<HeadEffect>) {
        let gone = |(extent, copy): &(&ExtentIndex, &Copy)| {
            copy.to == disk && !self.copies.switching.contains_key(extent)
        };
        let gone: Vec<_> = self.copies.under_way.iter().filter(gone).collect();
        let gone: Vec<_> = gone.into_iter().map(|(extent, _)| *extent).collect();
        for extent in gone {
            if self.rules.kept(Rule::CopyLeft) {
                self.copy_failed(extent, ReplicaError::Unreachable, effects);
            }
        }
    }

    /// The store's record names the copy, maybe in place of a replica, or as before.
    pub(super) fn switched(
        &mut self,
        extent: ExtentIndex,
        result: Result<Placement, PlaceFailure>,
        effects: &mut Vec<HeadEffect>,
    ) {
        let Some(op) = self.copies.switching.remove(&extent) else {
            return;
        };
        let leaves = self.extents.switching.remove(&extent).flatten();
        let Ok(placement) = result else {
            if self.copies.under_way.contains_key(&extent) {
                self.copy_failed(extent, ReplicaError::Disk, effects);
            } else {
                effects.push(HeadEffect::Copy(extent, CopyProgress::Stays));
            }
            return self.complete(op, Ok(None), effects);
        };
        let copy = self.copies.under_way.remove(&extent);
        let alloc = placement.alloc;
        let file = ExtentFile { extent, alloc };
        let now = placement.replicas.clone();
        let before = self.extents.replace(extent, placement);
        let before = before.map(|it| it.replicas).unwrap_or_default();
        if let Some(disk) = leaves {
            self.members.forget_on(disk, extent);
        }
        let left = before
            .iter()
            .filter(|(disk, _)| now.iter().all(|(on, _)| on != disk));
        let removes = left.map(|(disk, _)| (*disk, Ask::Remove { file }));
        let came = now.iter().filter(|it| !before.contains(it));
        let adopts = came.map(|(disk, _)| (*disk, Ask::Adopt { file }));
        let asks = removes.chain(adopts).collect();
        self.copies.leaving.insert(extent);
        self.begin_round(Then::Left(extent), asks, effects);
        if let Some(copy) = copy {
            self.miss(&copy, effects);
        }
        self.complete(op, Ok(None), effects);
    }

    /// V4: a replica whose disk left while the store named it is not here, or another one.
    fn miss(&mut self, copy: &Copy, effects: &mut Vec<HeadEffect>) {
        let same = self.disks.contains(&copy.to) && self.incarnation(copy.to) == copy.incarnation;
        if !same && !self.exclude(copy.to, Lacks::Anything, effects) {
            self.left.insert(copy.to, copy.incarnation);
        }
    }

    pub(super) fn left(&mut self, extent: ExtentIndex, effects: &mut Vec<HeadEffect>) {
        self.copies.leaving.remove(&extent);
        effects.push(HeadEffect::Copy(extent, CopyProgress::Done));
    }

    /// The extent is freed, and a copy of it is nothing any more.
    pub(super) fn free_copy(&mut self, extent: ExtentIndex, effects: &mut Vec<HeadEffect>) {
        self.copy_failed(extent, ReplicaError::NoExtent, effects);
    }
}
