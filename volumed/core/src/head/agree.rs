//! Making replicas equal in some blocks of an extent: they say what they hold, and those that hold
//! something else than the first of them get what it has. So it goes
//!
//! - when a head begins, with every region that was dirty (V6): nobody is served of it before;
//! - when a change failed that some replica may have made all the same;
//! - when a block was damaged on one replica, and not on another (V10);
//! - region by region, with a disk that is resynced.
//!
//! It is a piece, or in the second case the end of one, and holds up what comes behind it.

mod durable;
mod runs;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::digest;
use crate::message::{Ask, ExtentFile, OpId, ReplicaError};
use crate::{
    BLOCK_SIZE, DiskNumber, ExtentIndex, IoError, REGION_SIZE, REGIONS_PER_EXTENT, RegionIndex,
};

use super::piece::{Piece, Stage, Work, to_client};
use super::round::{Answers, Then};
use super::{Head, HeadEffect, Lacks};

use runs::{Run, runs};

/// How many agreements of regions run at once: each has every replica read a region.
const AT_ONCE: usize = 4;

/// How often one is begun anew, since a replica was lost or had no means, before it is given up for now.
const MOST_TRIES: u32 = 4;

const BLOCK: u32 = BLOCK_SIZE as u32;

#[derive(Debug)]
struct Agreement {
    extent: ExtentIndex,
    /// In bytes from the start of the extent, whole blocks.
    offset: u32,
    length: u32,
    /// The disk that is resynced, if it is for that.
    with: Option<DiskNumber>,
    /// What the piece ends with.
    outcome: Result<Option<Bytes>, IoError>,
    runs: VecDeque<Run>,
    tries: u32,
    /// Whether the regions are marked on all that take part.
    marked: bool,
    /// Whether somebody was given blocks that may not be durable there.
    replaced: bool,
}

/// What is being made equal, and what waits for its turn.
#[derive(Debug, Default)]
pub(super) struct Agreements {
    running: BTreeMap<OpId, Agreement>,
    /// Those of whole regions.
    regions: BTreeSet<OpId>,
    waiting: BTreeSet<OpId>,
    /// Regions in which replicas may differ and could not be made equal: nobody is served of them until
    /// they are.
    unsure: BTreeSet<RegionIndex>,
}

impl Agreements {
    /// Whether something of the regions may differ from replica to replica, and is not being made equal.
    pub fn is_unsure(&self, mut regions: impl Iterator<Item = RegionIndex>) -> bool {
        !self.unsure.is_empty() && regions.any(|region| self.unsure.contains(&region))
    }

    /// All such regions.
    pub fn unsure(&self) -> impl Iterator<Item = RegionIndex> {
        self.unsure.iter().copied()
    }

    /// The extent is freed.
    pub fn forget(&mut self, extent: ExtentIndex) {
        self.unsure.retain(|region| region.extent() != extent);
    }
}

impl Head {
    /// Makes a region equal once nothing is under way in it, among the in-sync replicas or on the disk
    /// that is resynced.
    pub(super) fn enter_agreement(&mut self, region: RegionIndex, with: Option<DiskNumber>) {
        let op = self.new_op();
        let within = region.0 % REGIONS_PER_EXTENT * REGION_SIZE;
        let work = Work::Agree {
            offset: within as u32,
            length: REGION_SIZE as u32,
            with,
        };
        let piece = Piece::new(None, 0, region.extent(), work);
        self.lanes.enter(region.extent(), op, piece.blocks(), true);
        self.pieces.insert(op, piece);
        self.ready.push_back(op);
    }

    /// Makes a region equal of which a replica is damaged, if there are others.
    pub(super) fn repair(&mut self, region: RegionIndex) {
        let placed = self.extents.get(region.extent());
        let several = placed.is_some_and(|it| self.extents.in_sync(it).nth(1).is_some());
        let within = (region.0 % REGIONS_PER_EXTENT * REGION_SIZE) as u32;
        let same = |op: &OpId| {
            let work = self.pieces.get(op).map(|piece| &piece.work);
            matches!(work, Some(Work::Agree { offset, with: None, .. }) if *offset == within)
        };
        let under_way = self.lanes.of(region.extent()).iter().any(same);
        if several && self.started && !under_way {
            self.enter_agreement(region, None);
        }
    }

    /// Tries again what could not be made equal.
    pub(super) fn agree_again(&mut self) {
        for region in std::mem::take(&mut self.agreements.unsure) {
            self.enter_agreement(region, None);
        }
    }

    /// Nothing is in the way of an agreement any more, or it has what it waited for.
    pub(super) fn agree(&mut self, op: OpId, effects: &mut Vec<HeadEffect>) {
        if let Some(agreement) = self.agreements.running.get(&op) {
            let waits = self
                .pieces
                .get(&op)
                .is_some_and(|it| it.stage == Stage::Marking);
            if waits && !agreement.marked {
                self.mark_for(op, effects);
            }
            return;
        }
        let region_wide = self.agreements.regions.len();
        if region_wide >= AT_ONCE {
            self.agreements.waiting.insert(op);
            return;
        }
        let Some(piece) = self.pieces.get(&op) else {
            return;
        };
        let Work::Agree {
            offset,
            length,
            with,
        } = piece.work
        else {
            return;
        };
        self.agreements.waiting.remove(&op);
        self.agreements.regions.insert(op);
        let agreement = Agreement {
            extent: piece.extent,
            offset,
            length,
            with,
            outcome: Ok(None),
            runs: VecDeque::new(),
            tries: 0,
            marked: false,
            replaced: false,
        };
        self.agreements.running.insert(op, agreement);
        self.compare_replicas(op, effects);
    }

    /// A change failed that some may have made: the piece ends once all hold the same.
    pub(super) fn agree_after(&mut self, op: OpId, error: IoError, effects: &mut Vec<HeadEffect>) {
        let Some(piece) = self.pieces.get(&op) else {
            return;
        };
        let blocks = piece.all_blocks();
        let agreement = Agreement {
            extent: piece.extent,
            offset: blocks.start * BLOCK,
            length: blocks.len() as u32 * BLOCK,
            with: None,
            outcome: Err(error),
            runs: VecDeque::new(),
            tries: 0,
            // As for the change itself.
            marked: true,
            replaced: false,
        };
        self.agreements.running.insert(op, agreement);
        self.compare_replicas(op, effects);
    }

    /// Who takes part, the one first that the others follow, and the extent's file.
    fn participants(&self, agreement: &Agreement) -> Option<(ExtentFile, Vec<DiskNumber>)> {
        let extent = agreement.extent;
        let placed = self.extents.get(extent)?;
        let alloc = placed.alloc;
        let mut disks: Vec<_> = self.extents.in_sync(placed).collect();
        if let Some(with) = agreement.with {
            let here = placed.is_full_on(with) && self.members.is_resyncing(with);
            here.then(|| disks.push(with))?;
        }
        Some((ExtentFile { extent, alloc }, disks))
    }

    fn compare_replicas(&mut self, op: OpId, effects: &mut Vec<HeadEffect>) {
        let Some(agreement) = self.agreements.running.get_mut(&op) else {
            return;
        };
        agreement.tries += 1;
        agreement.runs.clear();
        // The disk that is resynced may have refused its marks.
        agreement.marked &= agreement.with.is_none();
        let Some(agreement) = self.agreements.running.get(&op) else {
            return;
        };
        let (offset, length) = (agreement.offset, agreement.length);
        let Some((file, disks)) = self.participants(agreement) else {
            return self.agreed(op, effects);
        };
        let alone = disks.len() < 2;
        if alone && agreement.with.is_none() {
            return self.agreed(op, effects);
        }
        if alone || agreement.tries > MOST_TRIES {
            return self.unsure(op, effects);
        }
        let ask = Ask::Digest {
            file,
            offset,
            length,
        };
        let asks = disks.into_iter().map(|disk| (disk, ask.clone())).collect();
        self.begin_round(Then::Digest(op), asks, effects);
    }

    /// Replicas said what they hold.
    pub(super) fn digested(&mut self, op: OpId, answers: Answers, effects: &mut Vec<HeadEffect>) {
        let Answers { done, refused } = answers;
        if !refused.is_empty() {
            return self.one_refused(op, &refused, effects);
        }
        let Some(agreement) = self.agreements.running.get(&op) else {
            return;
        };
        let said: BTreeMap<_, _> = done
            .iter()
            .map(|(disk, said)| (*disk, digest::unpack(said)))
            .collect();
        let Some((_, disks)) = self.participants(agreement) else {
            return self.agreed(op, effects);
        };
        // One may have left or come meanwhile.
        if disks.iter().any(|disk| !said.contains_key(disk)) {
            return self.compare_replicas(op, effects);
        }
        let truths = disks.iter().filter(|disk| Some(**disk) != agreement.with);
        let truths: Vec<_> = truths.copied().collect();
        let first = agreement.offset / BLOCK;
        let runs = runs(&said, &disks, &truths, first, agreement.length / BLOCK);
        if let Some(agreement) = self.agreements.running.get_mut(&op) {
            agreement.runs = runs;
        }
        self.go_on_agreeing(op, effects);
    }

    /// Marks, then copies, as long as something differs.
    fn go_on_agreeing(&mut self, op: OpId, effects: &mut Vec<HeadEffect>) {
        let Some(agreement) = self.agreements.running.get(&op) else {
            return;
        };
        let region = RegionIndex::of(agreement.extent.start() + u64::from(agreement.offset));
        let with = agreement.with;
        let marks = !agreement.runs.is_empty()
            || with.is_some_and(|disk| {
                self.dirty.knows(region) || self.members.may_be_marked(disk, region)
            });
        if marks && !agreement.marked {
            return self.mark_for(op, effects);
        }
        let Some(run) = agreement.runs.front() else {
            return self.agreed(op, effects);
        };
        let (offset, length) = run.bytes();
        let from = run.from;
        let Some((file, _)) = self.participants(agreement) else {
            return self.agreed(op, effects);
        };
        let ask = Ask::Fetch {
            file,
            offset,
            length,
        };
        self.begin_round(Then::Fetched(op), vec![(from, ask)], effects);
    }

    /// V5: a region is marked on all that take part before one of them is changed, and while it is, it
    /// counts as being written.
    fn mark_for(&mut self, op: OpId, effects: &mut Vec<HeadEffect>) {
        let agreement = self.agreements.running.get(&op);
        if agreement.is_none_or(|it| self.participants(it).is_none()) {
            return self.agreed(op, effects);
        }
        let Some(piece) = self.pieces.get_mut(&op) else {
            return;
        };
        if !piece.writes {
            if !self.dirty.acquire(piece.regions(), self.now) {
                piece.stage = Stage::Marking;
                self.dirty.wait(op);
                return self.mark(effects);
            }
            piece.writes = true;
            piece.stage = Stage::Sent;
        }
        let regions = piece.regions().collect();
        let Some(agreement) = self.agreements.running.get_mut(&op) else {
            return;
        };
        agreement.marked = true;
        let asks = agreement.with.map(|disk| (disk, Ask::Mark { regions }));
        self.begin_round(Then::MarkedFor(op), asks.into_iter().collect(), effects);
    }

    pub(super) fn marked_for(
        &mut self,
        op: OpId,
        result: Result<(), ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        match result {
            Ok(()) => self.go_on_agreeing(op, effects),
            Err(error) => {
                let agreement = self.agreements.running.get(&op);
                let with = agreement.and_then(|it| it.with);
                let refused = with.map(|disk| (disk, error));
                self.one_refused(op, &refused.into_iter().collect(), effects);
            }
        }
    }

    /// The blocks of the first run are here.
    pub(super) fn fetched(
        &mut self,
        op: OpId,
        result: Result<Bytes, ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        let Some(agreement) = self.agreements.running.get(&op) else {
            return;
        };
        let Some(run) = agreement.runs.front() else {
            return self.agreed(op, effects);
        };
        let chunk = match result {
            Ok(chunk) => chunk,
            Err(error) => {
                let refused = BTreeMap::from([(run.from, error)]);
                return self.one_refused(op, &refused, effects);
            }
        };
        let (offset, length) = run.bytes();
        let Some((file, disks)) = self.participants(agreement) else {
            return self.agreed(op, effects);
        };
        let ask = Ask::Replace {
            file,
            offset,
            length,
            chunk,
        };
        let to = run.to.iter().filter(|disk| disks.contains(disk));
        let asks = to.map(|disk| (*disk, ask.clone())).collect();
        self.begin_round(Then::Replaced(op), asks, effects);
    }

    /// Those that lacked the blocks of the first run have them, or one refused.
    pub(super) fn replaced(&mut self, op: OpId, answers: &Answers, effects: &mut Vec<HeadEffect>) {
        if !answers.refused.is_empty() {
            return self.one_refused(op, &answers.refused, effects);
        }
        if let Some(agreement) = self.agreements.running.get_mut(&op) {
            agreement.runs.pop_front();
            agreement.replaced = true;
        }
        self.go_on_agreeing(op, effects);
    }

    /// Some cannot take part: without those that can be done without, it begins anew.
    fn one_refused(
        &mut self,
        op: OpId,
        refused: &BTreeMap<DiskNumber, ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        let fenced = refused.values().any(|it| *it == ReplicaError::Fenced);
        let passing =
            |error: ReplicaError| matches!(error, ReplicaError::Exhausted | ReplicaError::Corrupt);
        for (&disk, &error) in refused {
            if !fenced && !passing(error) {
                self.exclude(disk, Lacks::after(error), effects);
            }
        }
        if fenced {
            self.end_agreement(op, Some(IoError::Gone), effects);
        } else {
            self.compare_replicas(op, effects);
        }
    }

    /// A piece that waits for marks cannot have them.
    pub(super) fn fail_marking(
        &mut self,
        op: OpId,
        error: ReplicaError,
        effects: &mut Vec<HeadEffect>,
    ) {
        if self.agreements.running.contains_key(&op) {
            self.unsure(op, effects);
        } else {
            self.complete(op, Err(to_client(error)), effects);
        }
    }

    /// What may differ cannot be made equal now.
    fn unsure(&mut self, op: OpId, effects: &mut Vec<HeadEffect>) {
        let Some(agreement) = self.agreements.running.get(&op) else {
            return;
        };
        if let Some(disk) = agreement.with {
            self.stop_resync(disk, effects);
        } else {
            let regions = self.pieces.get(&op).map(Piece::regions);
            self.agreements.unsure.extend(regions.into_iter().flatten());
        }
        self.end_agreement(op, None, effects);
    }

    /// All that take part hold the same.
    fn agreed(&mut self, op: OpId, effects: &mut Vec<HeadEffect>) {
        if self.make_durable(op, effects) {
            return;
        }
        let Some(agreement) = self.agreements.running.get(&op) else {
            return;
        };
        if let Some(disk) = agreement.with {
            let region = RegionIndex::of(agreement.extent.start() + u64::from(agreement.offset));
            self.caught_up(disk, region);
        }
        self.end_agreement(op, None, effects);
    }

    /// The piece ends with what it was to end with, unless with an error.
    fn end_agreement(&mut self, op: OpId, error: Option<IoError>, effects: &mut Vec<HeadEffect>) {
        self.agreements.regions.remove(&op);
        let Some(agreement) = self.agreements.running.remove(&op) else {
            return;
        };
        let outcome = error.map_or(agreement.outcome, Err);
        self.complete(op, outcome, effects);
        if let Some(disk) = agreement.with {
            self.step_ended(disk, effects);
        }
        if self.agreements.regions.len() < AT_ONCE
            && let Some(next) = self.agreements.waiting.pop_first()
        {
            self.ready.push_back(next);
        }
    }
}
