//! One piece of a request on its way: ordered, placed, marked, sent, answered.

use std::ops::Range;

use bytes::Bytes;

use crate::chunk::CHUNK_SIZE;
use crate::message::{Ask, ExtentFile, OpId, ReplicaError};
use crate::rules::Rule;
use crate::{
    Alloc, BLOCK_SIZE, DiskNumber, EXTENT_SIZE, ExtentIndex, IoError, REGION_SIZE, RegionIndex,
    Reply,
};

use super::compare::Depth;
use super::copy::Step;
use super::order::Blocks;
use super::round::Then;
use super::{Head, HeadEffect, Lacks, Pending, RequestId, map};

/// Offsets are in bytes from the start of the extent.
#[derive(Debug, Clone)]
pub(super) enum Work {
    Read {
        offset: u32,
        length: u32,
    },
    Map {
        offset: u32,
        length: u32,
    },
    /// `clear`: zeroes that need not be written where there is a hole.
    Write {
        offset: u32,
        data: Bytes,
        durable: bool,
        clear: bool,
    },
    /// Whole blocks; `keep` takes space for them.
    Zero {
        offset: u32,
        length: u32,
        durable: bool,
        keep: bool,
    },
    /// The whole extent is freed.
    Unplace,
    /// A part of copying the extent to another disk.
    Copy(Step),
    /// Making replicas equal in whole blocks of a region, among those in sync or on a disk that is resynced.
    Agree {
        offset: u32,
        length: u32,
        with: Option<DiskNumber>,
    },
    /// Finding out whether replicas are equal in a region, which begins at this byte.
    Compare {
        offset: u32,
        depth: Depth,
    },
}

impl Work {
    pub fn changes(&self) -> bool {
        let looks = matches!(
            self,
            Self::Read { .. } | Self::Map { .. } | Self::Compare { .. }
        );
        !looks
    }

    /// What is not placed reads zero, and need not be placed for this.
    fn needs_no_place(&self) -> bool {
        match self {
            Self::Read { .. }
            | Self::Map { .. }
            | Self::Unplace
            | Self::Copy(_)
            | Self::Agree { .. }
            | Self::Compare { .. } => true,
            Self::Write { clear, .. } => *clear,
            Self::Zero { keep, .. } => !keep,
        }
    }

    /// Blocks of it that are holes will take space.
    pub fn needs_space(&self) -> bool {
        matches!(
            self,
            Self::Write { clear: false, .. } | Self::Zero { keep: true, .. }
        )
    }

    fn volatile(&self) -> bool {
        matches!(
            self,
            Self::Write { durable: false, .. }
                | Self::Zero { durable: false, .. }
                | Self::Agree { .. }
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Something earlier is in the way.
    Ordering,
    /// Its extent is being placed.
    Placing,
    /// Space is being taken for its request (V12).
    Claiming,
    /// Its regions are being marked dirty (V5).
    Marking,
    /// The replicas, or the store, have it.
    Sent,
}

#[derive(Debug)]
pub(super) struct Piece {
    /// The client's, if it is a part of one.
    pub request: Option<RequestId>,
    /// Its place among the parts of a read or a map.
    part: usize,
    pub extent: ExtentIndex,
    pub work: Work,
    pub stage: Stage,
    /// Blocks that are reserved for it on each of its replicas; those that answered do so no more.
    pub reserved: Option<u32>,
    /// Whether it counts as a writer of its regions.
    pub writes: bool,
    /// Whether it replaces blocks that are lost.
    pub mends: bool,
}

impl Piece {
    pub fn new(request: Option<RequestId>, part: usize, extent: ExtentIndex, work: Work) -> Self {
        Self {
            request,
            part,
            extent,
            work,
            stage: Stage::Ordering,
            reserved: None,
            writes: false,
            mends: false,
        }
    }

    fn range(&self) -> (u64, u64) {
        let (offset, length) = match &self.work {
            Work::Read { offset, length }
            | Work::Map { offset, length }
            | Work::Zero { offset, length, .. }
            | Work::Agree { offset, length, .. } => (*offset, *length),
            Work::Write { offset, data, .. } => (*offset, data.len() as u32),
            Work::Copy(Step::Chunk(offset)) => (*offset, CHUNK_SIZE),
            Work::Compare { offset, .. } => (*offset, REGION_SIZE as u32),
            Work::Unplace | Work::Copy(_) => (0, EXTENT_SIZE as u32),
        };
        (offset.into(), u64::from(offset) + u64::from(length))
    }

    pub fn blocks(&self) -> Blocks {
        let (start, end) = self.range();
        Blocks((start / BLOCK_SIZE) as u32, ((end - 1) / BLOCK_SIZE) as u32)
    }

    pub fn all_blocks(&self) -> Range<u32> {
        let Blocks(first, last) = self.blocks();
        first..last + 1
    }

    /// The blocks that it covers from end to end.
    pub fn whole_blocks(&self) -> Range<u32> {
        let (start, end) = self.range();
        start.div_ceil(BLOCK_SIZE) as u32..(end / BLOCK_SIZE) as u32
    }

    pub fn block_count(&self) -> u32 {
        let Blocks(first, last) = self.blocks();
        last - first + 1
    }

    /// Asks how many of its blocks are holes.
    pub fn holes(&self, alloc: Alloc) -> Ask {
        let (start, end) = self.range();
        let file = ExtentFile {
            extent: self.extent,
            alloc,
        };
        Ask::Holes {
            file,
            offset: start as u32,
            length: (end - start) as u32,
        }
    }

    pub fn regions(&self) -> impl Iterator<Item = RegionIndex> + Clone + use<> {
        let (start, end) = self.range();
        let start = self.extent.start() + start;
        let end = self.extent.start() + end - 1;
        (RegionIndex::of(start).0..=RegionIndex::of(end).0).map(RegionIndex)
    }
}

impl Head {
    /// Takes a piece as far as it can go now.
    pub(super) fn advance(&mut self, op: OpId, effects: &mut Vec<HeadEffect>) {
        let Some(piece) = self.pieces.get_mut(&op) else {
            return;
        };
        let waits = matches!(piece.stage, Stage::Claiming | Stage::Sent);
        if waits || self.lanes.blocked(piece.extent, op) {
            return;
        }
        let extent = piece.extent;
        if let Work::Copy(step) = piece.work {
            piece.stage = Stage::Sent;
            return self.step(op, extent, step, effects);
        }
        if let Work::Agree { .. } = piece.work {
            return self.agree(op, effects);
        }
        if let Work::Compare { depth, .. } = piece.work {
            piece.stage = Stage::Sent;
            return self.ask_for_comparison(op, depth, effects);
        }
        if self.agreements.is_unsure(piece.regions()) {
            return self.complete(op, Err(IoError::Io), effects);
        }
        if let Some(end) = self.extents.meets_lost(self.rules, piece) {
            return self.complete(op, end, effects);
        }
        let placement = self.extents.get(extent);
        if placement.is_none() && piece.work.needs_no_place() {
            return self.complete(op, Ok(None), effects);
        }
        let unplaces = matches!(piece.work, Work::Unplace);
        let Some(placement) = placement.filter(|it| unplaces || !it.is_lost()) else {
            piece.stage = Stage::Placing;
            return self.place(extent, effects);
        };
        match piece.work {
            Work::Read { .. }
            | Work::Map { .. }
            | Work::Copy(_)
            | Work::Agree { .. }
            | Work::Compare { .. } => {}
            Work::Unplace => {
                piece.stage = Stage::Sent;
                let alloc = placement.alloc;
                return self.extents.free(extent, alloc);
            }
            Work::Write { .. } | Work::Zero { .. } => {
                if piece.work.needs_space() && piece.reserved.is_none() {
                    return self.claim(op, effects);
                }
                if !self.dirty.acquire(piece.regions(), self.now) {
                    piece.stage = Stage::Marking;
                    self.dirty.wait(op);
                    return self.mark(effects);
                }
                piece.writes = true;
            }
        }
        piece.stage = Stage::Sent;
        let mut disks: Vec<_> = self.extents.in_sync(placement).collect();
        if !piece.work.changes() {
            let asks = asks(extent, placement.alloc, disks, &piece.work);
            self.ask_one(Then::Piece(op), asks, effects);
            return;
        }
        let followers = self.members.followers(&piece.regions());
        disks.extend(followers.iter().filter(|disk| placement.is_full_on(**disk)));
        let asks = asks(extent, placement.alloc, disks, &piece.work);
        let copy = self.copies.ask(extent, &piece.work);
        let round = self.begin_round(Then::Piece(op), asks, effects);
        if let Some((disk, ask)) = copy {
            self.ask_copy(round, (extent, disk, ask), effects);
        }
    }

    /// Every replica answered a piece: the bytes of a read or the runs of a map, if any.
    pub(super) fn piece_answered(
        &mut self,
        op: OpId,
        result: Result<Bytes, ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        if result.is_err() {
            self.followers_may_differ(op, effects);
        }
        match result {
            Ok(_) if self.mends(op) => self.mend(op, effects),
            Err(error) if self.may_differ(op) && error != ReplicaError::Fenced => {
                self.agree_after(op, to_client(error), effects);
            }
            result => self.complete(op, result.map(Some).map_err(to_client), effects),
        }
    }

    /// Those on their way to be in sync may have made a change that failed.
    fn followers_may_differ(&mut self, op: OpId, effects: &mut Vec<HeadEffect>) {
        let piece = self.pieces.get(&op).filter(|it| it.work.changes());
        let Some(piece) = piece.filter(|_| self.rules.kept(Rule::FollowersBehind)) else {
            return;
        };
        for disk in self.members.fall_behind(&piece.regions()) {
            self.exclude(disk, Lacks::Changes, effects);
        }
    }

    /// Whether a change that failed may have made replicas differ.
    fn may_differ(&self, op: OpId) -> bool {
        let Some(piece) = self.pieces.get(&op) else {
            return false;
        };
        let changes = matches!(piece.work, Work::Write { .. } | Work::Zero { .. });
        let placed = self.extents.get(piece.extent).filter(|_| changes);
        placed.is_some_and(|placed| self.extents.in_sync(placed).nth(1).is_some())
            && self.rules.kept(Rule::AgreeAfter)
    }

    /// A piece came to its end; `None` in place of what was read or mapped means zeroes.
    pub(super) fn complete(
        &mut self,
        op: OpId,
        result: Result<Option<Bytes>, IoError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        let Some(piece) = self.pieces.remove(&op) else {
            return;
        };
        if let Some(blocks) = piece.reserved
            && piece.stage != Stage::Sent
        {
            self.release(piece.extent, blocks);
        }
        if piece.writes {
            self.dirty.release(piece.regions());
            // Also after a failure: some replica may have the bytes, and a later flush must cover them.
            if piece.work.volatile() {
                self.flushes.wrote(piece.extent);
            }
        }
        self.ready.extend(self.lanes.leave(piece.extent, op));
        self.finish_part(&piece, result, effects);
        if piece.writes {
            self.writer_left(effects);
        }
    }

    fn finish_part(
        &mut self,
        piece: &Piece,
        result: Result<Option<Bytes>, IoError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        let Some(request) = piece.request else {
            return;
        };
        let Some(pending) = self.requests.get_mut(&request) else {
            return;
        };
        pending.remaining -= 1;
        let mut failed = Vec::new();
        match result {
            Ok(data) => match piece.work {
                Work::Read { length, .. } => {
                    let zeroes = || Bytes::from(vec![0; length as usize]);
                    pending.parts[piece.part] = data.unwrap_or_else(zeroes);
                }
                Work::Map { length, .. } => {
                    pending.parts[piece.part] = data.unwrap_or_else(|| map::unplaced(length));
                }
                _ => {}
            },
            Err(error) => {
                pending.error = Some(error);
                failed = std::mem::take(&mut pending.claiming);
            }
        }
        if pending.remaining == 0
            && let Some(pending) = self.requests.remove(&request)
        {
            effects.push(HeadEffect::Reply(request, pending.reply()));
        }
        // Nothing of the request was sent yet, and nothing will be.
        for (op, _) in failed {
            if let Some(piece) = self.pieces.get_mut(&op) {
                piece.stage = Stage::Ordering;
                self.ready.push_back(op);
            }
        }
    }
}

impl Pending {
    /// What the client is answered when every part is there.
    pub fn reply(self) -> Reply {
        match (self.error, self.most_runs) {
            (Some(error), _) => Err(error),
            (None, Some(most)) => Ok(map::join(self.parts, most)),
            (None, None) => Ok(join(self.parts)),
        }
    }
}

fn join(mut parts: Vec<Bytes>) -> Bytes {
    match parts.len() {
        0 => Bytes::new(),
        1 => std::mem::take(&mut parts[0]),
        _ => Bytes::from(parts.concat()),
    }
}

/// One for each of the disks.
fn asks(
    extent: ExtentIndex,
    alloc: Alloc,
    disks: Vec<DiskNumber>,
    work: &Work,
) -> Vec<(DiskNumber, Ask)> {
    let file = ExtentFile { extent, alloc };
    let ask = match work {
        &Work::Read { offset, length } => Ask::Read {
            file,
            offset,
            length,
        },
        &Work::Map { offset, length } => Ask::Map {
            file,
            offset,
            length,
        },
        &Work::Write {
            offset,
            ref data,
            durable,
            clear,
        } => Ask::Write {
            file,
            offset,
            data: data.clone(),
            durable,
            clear,
        },
        &Work::Zero {
            offset,
            length,
            durable,
            keep,
        } => Ask::Zero {
            file,
            offset,
            length,
            durable,
            keep,
        },
        Work::Unplace => Ask::Remove { file },
        // Their steps ask by themselves.
        Work::Copy(_) | Work::Agree { .. } | Work::Compare { .. } => return Vec::new(),
    };
    disks.into_iter().map(|disk| (disk, ask.clone())).collect()
}

pub(super) fn to_client(error: ReplicaError) -> IoError {
    match error {
        ReplicaError::NoSpace => IoError::NoSpace,
        ReplicaError::Exhausted => IoError::Exhausted,
        ReplicaError::Fenced => IoError::Gone,
        ReplicaError::Restarted
        | ReplicaError::Corrupt
        | ReplicaError::NoExtent
        | ReplicaError::Disk
        | ReplicaError::Unreachable => IoError::Io,
    }
}
