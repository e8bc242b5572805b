//! The head of one volume: splits requests, orders them, places extents, keeps the dirty log ahead
//! of the writes, and answers when every in-sync replica has (V3).

mod absences;
mod agree;
mod compare;
mod copy;
mod dirty;
mod empty;
mod extents;
mod flush;
mod give_up;
mod lost;
mod map;
mod members;
mod order;
mod piece;
mod resync;
mod round;
mod space;
mod split;
mod start;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use bytes::Bytes;

use crate::message::{Answer, ExtentFile, Message, OpId};
use crate::placement::Placement;
use crate::rules::Rules;
use crate::{
    Alloc, ByteCount, DiskNumber, Epoch, ExtentIndex, Incarnation, IoError, LostBlocks,
    RegionIndex, Reply, Request, VolumeId,
};

use absences::Absences;
pub use absences::Lacks;
use agree::Agreements;
pub use compare::{Comparison, Depth, Difference};
use copy::Copies;
pub use copy::CopyProgress;
use dirty::Dirty;
use empty::Empty;
use extents::Extents;
use flush::Flushes;
use members::Members;
use order::Lanes;
use piece::Piece;
pub use resync::ResyncProgress;
use round::Round;
use space::Space;
use start::Beginning;

/// Milliseconds of a clock that only goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(pub u64);

/// Tells a client's requests apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What can be tuned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadSettings {
    /// How many regions may be dirty; at least 64, at most [`MOST_LISTED`](crate::message::MOST_LISTED).
    pub max_dirty: usize,
    /// A region that was not written for so many milliseconds is cleaned.
    pub clean_after: u64,
}

impl HeadSettings {
    /// What V5 says for so many replicas.
    pub fn for_replicas(replicas: u8) -> Self {
        Self {
            max_dirty: if replicas > 1 { 1024 } else { 4096 },
            clean_after: 10_000,
        }
    }
}

/// What a head begins with.
#[derive(Debug, Clone)]
pub struct HeadStart {
    /// The volume.
    pub volume: VolumeId,
    /// Higher than any head's before.
    pub epoch: Epoch,
    /// The volume's virtual size.
    pub size: ByteCount,
    /// Blocks that may take space on all disks together.
    pub quota: Option<u64>,
    /// Tuning.
    pub settings: HeadSettings,
    /// Every disk that may hold extents of the volume now; others can [join](HeadEvent::Join).
    pub disks: BTreeSet<DiskNumber>,
    /// What the store says.
    pub extents: BTreeMap<ExtentIndex, Placement>,
    /// Blocks that were lost with disks: all of each extent that is placed nowhere, at least.
    pub lost: BTreeMap<ExtentIndex, LostBlocks>,
    /// Disks that the store says may lack what was acknowledged (V4).
    pub stale: BTreeSet<DiskNumber>,
    /// When each of them fell behind that lacks no more than what changed since, by the store.
    pub fell_behind: BTreeMap<DiskNumber, Alloc>,
    /// The incarnation of each disk that was in sync when the head before ended, as far as the store
    /// knows (V7).
    pub incarnations: BTreeMap<DiskNumber, Incarnation>,
}

/// What a head is told.
#[derive(Debug)]
pub enum HeadEvent {
    /// Have every replica promise the epoch (V1); [`HeadEffect::Started`] follows.
    Start,
    /// A client asks.
    Request(RequestId, Request),
    /// A replica answers.
    Answer(Answer),
    /// The extent's files and then its record are durable.
    Placed(ExtentIndex, Placement),
    /// The extent could not be placed.
    PlaceFailed(ExtentIndex, PlaceFailure),
    /// The extents' records are durably removed, or could not be removed.
    Unplaced(Vec<ExtentIndex>, Result<(), PlaceFailure>),
    /// How [`HeadEffect::Mend`] ended.
    Mended(OpId, Result<(), PlaceFailure>),
    /// A disk without extents of the volume may get some from now on, or a stale one is to be resynced.
    /// Only once the head [has it](Head::has), since its replica must promise the epoch first (V1).
    Join(DiskNumber),
    /// A disk answers nothing any more, or from now on with another replica, which has to
    /// [join](Self::Join). What it was asked it did or not. One that holds something of the volume is
    /// recorded stale, unless it is the last in sync.
    Leave(DiskNumber),
    /// How [`HeadEffect::Exclude`] ended, and when the disk fell behind, if that was to be noted; an error says that
    /// the store could not be reached, or names a later head.
    Excluded(DiskNumber, Result<Option<Alloc>, PlaceFailure>),
    /// How [`HeadEffect::Include`] ended.
    Included(DiskNumber, Result<(), PlaceFailure>),
    /// Go on with the resync of a disk.
    ResyncOn(DiskNumber),
    /// A replica of the region was found to be damaged: it is to be made good from another (V10).
    Repair(RegionIndex),
    /// Compare what the in-sync replicas hold of a region; [`HeadEffect::Compared`] follows.
    Compare(RegionIndex, Depth),
    /// Copy the extent to the disk: the store notes it there as [incoming](crate::placement::Role),
    /// and its files are there and empty. [`HeadEffect::Copy`] follows, and after each further step.
    BeginCopy(ExtentFile, DiskNumber),
    /// Go on with the copy of the extent.
    CopyOn(ExtentIndex),
    /// How [`HeadEffect::Switch`] or [`HeadEffect::GiveUp`] ended: the extent's placement as the store has it now.
    Switched(ExtentIndex, Result<Placement, PlaceFailure>),
    /// The store does not note a copy any more that failed, or that an earlier head left: remove it.
    DropCopy(ExtentFile, DiskNumber),
    /// The extent has more replicas than it is to have, and the one on the disk is to go. [`HeadEffect::Copy`] tells how
    /// it ended.
    GiveUp(ExtentFile, DiskNumber),
    /// The volume's size was raised to this, durably; a lower one changes nothing.
    Grow(ByteCount),
    /// From now on so many blocks may take space on all disks together.
    Quota(Option<u64>),
    /// Somebody needs space on a disk: what it granted and is not needed is to be given back.
    Recall(DiskNumber),
    /// Time went by.
    Tick,
    /// Make everything durable and clean; [`HeadEffect::Settled`] follows.
    Settle,
}

/// Why an extent could not be placed or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceFailure {
    /// No disk has room.
    NoSpace,
    /// The node has no descriptor or memory left just now.
    Exhausted,
    /// A disk or the store failed.
    Failed,
}

/// What a head wants done.
#[derive(Debug)]
pub enum HeadEffect {
    /// Every replica promised the epoch, or one did not.
    Started(Result<(), IoError>),
    /// Answer the client.
    Reply(RequestId, Reply),
    /// Send this to the replica that it names.
    Send(Message),
    /// Place these extents: make their files durable, then their record. One that was lost with its
    /// disks keeps all its blocks lost by the same change of the store.
    Place(Vec<ExtentIndex>),
    /// Remove the records of these extents, which share a placement page, where they are still
    /// these; [`HeadEvent::Unplaced`] follows before the next such effect.
    Unplace(Vec<ExtentFile>),
    /// These blocks of an extent were lost and hold something again, durably: have the store call them
    /// well. [`HeadEvent::Mended`] with the same number follows; nobody was answered before.
    Mend(OpId, ExtentIndex, Range<u32>),
    /// Record durably that the disk may lack what was acknowledged (V4), unless a later head has the
    /// volume; [`HeadEvent::Excluded`] follows. When it fell behind is noted by the alloc of an extent that would be
    /// placed now; not so of one that may lack anything.
    Exclude(DiskNumber, Lacks),
    /// Record durably that the disk, under the incarnation that the head knows, holds all that was
    /// acknowledged; [`HeadEvent::Included`] follows. After an [exclusion](Self::Exclude) before it.
    Include(DiskNumber),
    /// The disk, without which some extent has no replica in sync, came back without what was not
    /// flushed. This head cannot go on: another one has to begin, whose clients know that something may
    /// be lost (V9).
    Lost(DiskNumber),
    /// How the resync of a disk goes.
    Resync(DiskNumber, ResyncProgress),
    /// What [`HeadEvent::Compare`] found of the region.
    Compared(RegionIndex, Comparison),
    /// How the copy of an extent goes.
    Copy(ExtentIndex, CopyProgress),
    /// Have the store name the copy on the disk in place of what it was made from;
    /// [`HeadEvent::Switched`] follows. Nothing of the extent is on its way until then.
    Switch(ExtentFile, DiskNumber),
    /// Have the store name the replica on the disk no more; [`HeadEvent::Switched`] follows. Nothing of the extent is on
    /// its way until then.
    GiveUp(ExtentFile, DiskNumber),
    /// Everything is durable and clean, or cannot be made so.
    Settled(Result<(), IoError>),
}

#[derive(Debug)]
struct Pending {
    remaining: usize,
    error: Option<IoError>,
    /// How many pieces need space.
    claims: usize,
    /// Those that are ready, and how many blocks each needs: space is taken for all or none.
    claiming: Vec<(OpId, u32)>,
    /// Of a read or a map: its parts in order.
    parts: Vec<Bytes>,
    /// Of a map: how many runs its answer may have.
    most_runs: Option<usize>,
}

/// The state machine of one volume's head.
#[derive(Debug)]
pub struct Head {
    rules: Rules,
    volume: VolumeId,
    epoch: Epoch,
    size: ByteCount,
    now: Moment,
    disks: BTreeSet<DiskNumber>,
    /// Of the disks that answered the promise (V7).
    incarnations: BTreeMap<DiskNumber, Incarnation>,
    /// Disks that hold something of the volume and left, or were not here from the beginning, each with the
    /// incarnation under which it was in sync last, as far as that is known.
    left: BTreeMap<DiskNumber, Option<Incarnation>>,
    /// Disks whose replicas were asked to promise the epoch after the start.
    joining: BTreeSet<DiskNumber>,
    extents: Extents,
    copies: Copies,
    members: Members,
    absences: Absences,
    agreements: Agreements,
    beginning: Beginning,
    dirty: Dirty,
    flushes: Flushes,
    space: Space,
    empty: Empty,
    lanes: Lanes,
    requests: BTreeMap<RequestId, Pending>,
    pieces: BTreeMap<OpId, Piece>,
    rounds: BTreeMap<OpId, Round>,
    /// What was asked of disks that left.
    absent: VecDeque<(OpId, DiskNumber)>,
    /// Pieces that may be able to go on. A queue and not a call: as many as a client sent could
    /// otherwise lie on the stack at once.
    ready: VecDeque<OpId>,
    next_op: u64,
    /// Every replica promised the epoch and holds what the store says.
    started: bool,
    settling: bool,
}

impl Head {
    /// A head that has to be started.
    pub fn new(start: HeadStart) -> Self {
        Self::keeping(Rules::default(), start)
    }

    /// The same, of a head that keeps these rules.
    pub fn keeping(rules: Rules, start: HeadStart) -> Self {
        let extents = Extents::new(start.extents, start.lost, start.stale, start.size);
        let (dirty, beginning) = (BTreeSet::new(), Beginning::new(start.incarnations));
        Self {
            rules,
            volume: start.volume,
            epoch: start.epoch,
            size: start.size,
            now: Moment::default(),
            disks: start.disks,
            incarnations: BTreeMap::new(),
            left: BTreeMap::new(),
            joining: BTreeSet::new(),
            extents,
            copies: Copies::new(rules),
            members: Members::default(),
            absences: Absences::new(start.fell_behind),
            agreements: Agreements::default(),
            beginning,
            flushes: Flushes::new(rules, &dirty),
            dirty: Dirty::new(rules, start.settings, dirty),
            space: Space::new(rules, start.quota),
            empty: Empty::default(),
            lanes: Lanes::default(),
            requests: BTreeMap::new(),
            pieces: BTreeMap::new(),
            rounds: BTreeMap::new(),
            absent: VecDeque::new(),
            ready: VecDeque::new(),
            next_op: 0,
            started: false,
            settling: false,
        }
    }

    /// The epoch that the head serves under.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The volume's virtual size.
    pub fn size(&self) -> ByteCount {
        self.size
    }

    /// Whether extents may be placed on a disk.
    pub fn has(&self, disk: DiskNumber) -> bool {
        self.started && self.disks.contains(&disk) && !self.extents.is_out(disk)
    }

    /// Where every extent is, from one on.
    pub fn placed_from(
        &self,
        extent: ExtentIndex,
    ) -> impl Iterator<Item = (ExtentIndex, &Placement)> {
        self.extents.placed_from(extent)
    }

    /// The in-sync replicas of an extent, the nearest first, and its file on each.
    pub fn in_sync(&self, extent: ExtentIndex) -> Vec<(DiskNumber, ExtentFile)> {
        let Some(placement) = self.extents.get(extent) else {
            return Vec::new();
        };
        let alloc = placement.alloc;
        let disks = self.extents.in_sync(placement);
        disks
            .map(|disk| (disk, ExtentFile { extent, alloc }))
            .collect()
    }

    /// Whether something of an extent is lost.
    pub fn is_lost_in(&self, extent: ExtentIndex) -> bool {
        self.extents.lost.contains_key(&extent)
    }

    /// Whether the disk's replica promised the head's epoch, and was not given up since; it may be on its way
    /// to be in sync.
    pub fn serves(&self, disk: DiskNumber) -> bool {
        self.disks.contains(&disk)
    }

    /// Whether the head goes on without the disk, which may lack something.
    pub fn does_without(&self, disk: DiskNumber) -> bool {
        self.extents.is_out(disk)
    }

    /// The disks that may lack something.
    pub fn stale(&self) -> impl Iterator<Item = DiskNumber> {
        self.extents.out()
    }

    /// Those of them that hold something of the volume.
    pub fn lacking(&self) -> BTreeSet<DiskNumber> {
        let stale: BTreeSet<_> = self.extents.out().collect();
        if stale.is_empty() {
            return stale;
        }
        &stale & &self.extents.holders()
    }

    /// Whether the disk was asked to join and has not said yes or no.
    pub fn joins(&self, disk: DiskNumber) -> bool {
        self.joining.contains(&disk)
    }

    /// The disks that hold something of the volume, and left or were never here: they are to join, those that
    /// may lack something once their files are made.
    pub fn away(&self) -> BTreeSet<DiskNumber> {
        let left = self.left.keys().copied();
        let away = left.chain(self.extents.out());
        away.filter(|disk| !self.disks.contains(disk)).collect()
    }

    /// The disks that serve the head and lack nothing, each with its incarnation.
    pub fn serving(&self) -> impl Iterator<Item = (DiskNumber, Incarnation)> {
        let here = self
            .disks
            .iter()
            .filter(|disk| !self.extents.is_out(**disk));
        here.filter_map(|disk| Some((*disk, *self.incarnations.get(disk)?)))
    }

    /// The incarnation under which a disk's replica serves this head, once it promised.
    pub fn incarnation(&self, disk: DiskNumber) -> Option<Incarnation> {
        self.incarnations.get(&disk).copied()
    }

    /// Blocks that take space on all disks together, as far as these said so.
    pub fn allocated(&self) -> u64 {
        self.space.allocated()
    }

    /// How many regions are dirty.
    pub fn dirty_regions(&self) -> usize {
        self.dirty.len()
    }

    /// Whether no request is unanswered.
    pub fn is_idle(&self) -> bool {
        self.requests.is_empty()
    }

    /// Takes one event.
    pub fn handle(&mut self, now: Moment, event: HeadEvent, effects: &mut Vec<HeadEffect>) {
        self.now = self.now.max(now);
        match event {
            HeadEvent::Start => self.promise(effects),
            HeadEvent::Request(id, request) => self.request(id, request, effects),
            HeadEvent::Answer(answer) => self.answer(answer, effects),
            HeadEvent::Placed(extent, placement) => self.adopt(extent, placement, effects),
            HeadEvent::PlaceFailed(extent, failure) => self.place_failed(extent, failure, effects),
            HeadEvent::Unplaced(extents, result) => self.unplaced(&extents, result, effects),
            HeadEvent::Mended(op, result) => self.mended(op, result, effects),
            HeadEvent::Join(disk) => self.join(disk, effects),
            HeadEvent::Leave(disk) => self.leave(disk, effects),
            HeadEvent::Excluded(disk, result) => self.excluded(disk, result, effects),
            HeadEvent::Included(disk, result) => self.included(disk, result.is_ok(), effects),
            HeadEvent::ResyncOn(disk) => self.resync_on(disk, effects),
            HeadEvent::Repair(region) => self.repair(region),
            HeadEvent::Compare(region, depth) => self.compare_replicas_of(region, depth, effects),
            HeadEvent::BeginCopy(file, to) => self.begin_copy(file, to, effects),
            HeadEvent::CopyOn(extent) => self.copy_on(extent, effects),
            HeadEvent::Switched(extent, result) => self.switched(extent, result, effects),
            HeadEvent::DropCopy(file, disk) => self.drop_copy(file, disk),
            HeadEvent::GiveUp(file, disk) => self.begin_to_give_up(file, disk, effects),
            HeadEvent::Grow(size) => {
                self.size = self.size.max(size);
                self.extents.grow(self.size);
            }
            HeadEvent::Quota(quota) => self.space.limit(quota),
            HeadEvent::Recall(disk) => self.give_back(Some(disk), effects),
            HeadEvent::Tick if self.started => {
                self.exclude_again(effects);
                self.agree_again();
                self.clean_idle(effects);
                self.give_back_idle(effects);
                self.look_for_empty(effects);
            }
            HeadEvent::Tick => {}
            HeadEvent::Settle => {
                self.settling = true;
                self.give_back(None, effects);
                self.clean(effects);
            }
        }
        self.go_on(effects);
        self.unplace(effects);
    }

    /// Takes every piece as far as it can go.
    fn go_on(&mut self, effects: &mut Vec<HeadEffect>) {
        loop {
            while let Some(op) = self.ready.pop_front() {
                self.advance(op, effects);
            }
            self.answer_for_absent(effects);
            self.serve_claims(effects);
            if self.ready.is_empty() && self.absent.is_empty() {
                return;
            }
        }
    }

    fn new_op(&mut self) -> OpId {
        self.next_op += 1;
        OpId(self.next_op)
    }
}
