//! Asking several replicas and waiting for all of them.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::message::{Answer, Ask, ExtentFile, Message, OpId, ReplicaError};
use crate::placement::Placement;
use crate::rules::Rule;
use crate::{DiskNumber, ExtentIndex, RegionIndex};

use super::copy::Step;
use super::piece::to_client;
use super::{Head, HeadEffect};

/// What follows when all have answered.
#[derive(Debug)]
pub(super) enum Then {
    Promise,
    Join(DiskNumber),
    Joined(DiskNumber),
    /// Where what is to be reconciled next begins.
    Reconcile(Option<ExtentIndex>),
    Piece(OpId),
    Grant,
    /// How many holes a piece has.
    Holes(OpId),
    /// So many blocks.
    GaveBack(u64),
    /// Which extents are empty on a disk.
    Empty(DiskNumber),
    Adopt(ExtentIndex, Placement),
    Receive(ExtentFile),
    Step(OpId, Step),
    /// The chunk that begins at this byte.
    Stored(OpId, u32),
    /// What was copied elsewhere is removed.
    Left(ExtentIndex),
    Sync,
    Mark(BTreeSet<RegionIndex>),
    TakeBack(BTreeSet<RegionIndex>),
    Settle(BTreeSet<RegionIndex>),
    Unmark(BTreeSet<RegionIndex>),
}

#[derive(Debug)]
pub(super) struct Round {
    then: Then,
    asked: BTreeSet<DiskNumber>,
    result: Result<Bytes, ReplicaError>,
    /// The extent's copy was asked the same: it may refuse without harm, and is given up then.
    copy: Option<AskedCopy>,
}

#[derive(Debug)]
struct AskedCopy {
    extent: ExtentIndex,
    disk: DiskNumber,
    result: Result<(), ReplicaError>,
}

impl Head {
    pub(super) fn promise(&mut self, effects: &mut Vec<HeadEffect>) {
        let asks = self.disks.iter().map(|&disk| (disk, Ask::Promise));
        self.begin_round(Then::Promise, asks.collect(), effects);
    }

    /// Has the replica of one more disk promise the epoch.
    pub(super) fn join(&mut self, disk: DiskNumber, effects: &mut Vec<HeadEffect>) {
        if !self.disks.contains(&disk) && self.joining.insert(disk) {
            self.begin_round(Then::Join(disk), vec![(disk, Ask::Promise)], effects);
        }
    }

    /// The replica of a disk without extents of the volume is gone: what it was asked has no answer.
    pub(super) fn leave(&mut self, disk: DiskNumber, effects: &mut Vec<HeadEffect>) {
        let asked = self
            .rounds
            .iter()
            .filter(|(_, round)| round.asked.contains(&disk));
        let asked: Vec<OpId> = asked.map(|(&op, _)| op).collect();
        for op in asked {
            let answer = Answer::of_absent(self.volume, disk, self.epoch, op);
            self.answer(answer, effects);
        }
        self.disks.remove(&disk);
        self.incarnations.remove(&disk);
        self.space.leave(disk);
    }

    /// Tells every replica what the store places on it from an extent on, so that it makes up for what
    /// a fenced head placed or freed and did not come to tell (V1).
    fn reconcile(&mut self, from: ExtentIndex, effects: &mut Vec<HeadEffect>) {
        let (placed, next) = self.extents.some_from(from);
        let ask = |&disk: &DiskNumber| {
            let here = placed.iter().filter(|(_, placed)| placed.is_on(disk));
            let held = here.map(|(&extent, placed)| ExtentFile {
                extent,
                alloc: placed.alloc,
            });
            let held = held.collect();
            let until = next;
            (disk, Ask::Reconcile { from, until, held })
        };
        let asks = self.disks.iter().map(ask).collect();
        self.begin_round(Then::Reconcile(next), asks, effects);
    }

    /// The store places nothing on a disk that joins: its replica forgets what an earlier head did not
    /// come to tell it of, marks among it.
    fn reconcile_empty(&mut self, disk: DiskNumber, effects: &mut Vec<HeadEffect>) {
        let nothing = Ask::Reconcile {
            from: ExtentIndex(0),
            until: None,
            held: BTreeSet::new(),
        };
        self.begin_round(Then::Joined(disk), vec![(disk, nothing)], effects);
    }

    fn started(&mut self, result: Result<Bytes, ReplicaError>, effects: &mut Vec<HeadEffect>) {
        self.started = result.is_ok();
        let outcome = result.map(|_| ()).map_err(to_client);
        effects.push(HeadEffect::Started(outcome));
    }

    /// Sends the asks; answers the round's number.
    pub(super) fn begin_round(
        &mut self,
        then: Then,
        asks: Vec<(DiskNumber, Ask)>,
        effects: &mut Vec<HeadEffect>,
    ) -> OpId {
        let op = self.new_op();
        if asks.is_empty() {
            // An extent with no in-sync replica, or a set of regions that nobody holds.
            let nobody = match then {
                Then::Piece(_) | Then::Promise | Then::Step(..) => Err(ReplicaError::NoExtent),
                _ => Ok(Bytes::new()),
            };
            self.end_round(op, then, nobody, effects);
            return op;
        }
        let asked = asks.iter().map(|(disk, _)| *disk).collect();
        self.rounds.insert(
            op,
            Round {
                then,
                asked,
                result: Ok(Bytes::new()),
                copy: None,
            },
        );
        let messages = asks
            .into_iter()
            .map(|(disk, ask)| self.message(disk, op, ask));
        effects.extend(messages);
        op
    }

    /// Asks one more of a round that began just now: the extent's copy.
    pub(super) fn ask_copy(
        &mut self,
        op: OpId,
        (extent, disk, ask): (ExtentIndex, DiskNumber, Ask),
        effects: &mut Vec<HeadEffect>,
    ) {
        let Some(round) = self.rounds.get_mut(&op) else {
            return;
        };
        round.asked.insert(disk);
        round.copy = Some(AskedCopy {
            extent,
            disk,
            result: Ok(()),
        });
        effects.push(self.message(disk, op, ask));
    }

    fn message(&self, disk: DiskNumber, op: OpId, ask: Ask) -> HeadEffect {
        HeadEffect::Send(Message {
            volume: self.volume,
            disk,
            incarnation: self.incarnations.get(&disk).copied().unwrap_or_default(),
            epoch: self.epoch,
            op,
            ask,
        })
    }

    pub(super) fn answer(&mut self, answer: Answer, effects: &mut Vec<HeadEffect>) {
        // V12: what was said to another head, or of another volume, means nothing here.
        let mine = answer.epoch == self.epoch || !self.rules.kept(Rule::OwnAnswers);
        if answer.volume != self.volume || !mine {
            return;
        }
        let Some(round) = self.rounds.get_mut(&answer.op) else {
            return;
        };
        if !round.asked.remove(&answer.disk) {
            return;
        }
        if matches!(round.then, Then::Promise | Then::Join(_)) {
            self.incarnations.insert(answer.disk, answer.incarnation);
        }
        let copy = round.copy.as_mut().filter(|copy| copy.disk == answer.disk);
        let (reserved, returned) = match round.then {
            // Nothing was reserved for the copy.
            Then::Piece(_) if copy.is_some() => (None, 0),
            Then::Piece(op) => (self.pieces.get(&op).and_then(|piece| piece.reserved), 0),
            Then::GaveBack(blocks) => (None, blocks),
            _ => (None, 0),
        };
        self.space
            .answered(&answer, reserved.unwrap_or(0), returned);
        match answer.result {
            Ok(data) if round.result.is_ok() && !data.is_empty() => round.result = Ok(data),
            Ok(_) => {}
            Err(error) if copy.is_some() => {
                if let Some(copy) = copy {
                    copy.result = Err(error);
                }
            }
            // V4: with one replica it is the last in sync and never recorded stale; clients get
            // the error. With more, it would be recorded stale here before the round can end well.
            Err(_) if !self.rules.kept(Rule::OneRefuses) && !round.asked.is_empty() => {}
            Err(error) => round.result = Err(error),
        }
        let every = self.rules.kept(Rule::EveryReplica);
        if (round.asked.is_empty() || !every)
            && let Some(round) = self.rounds.remove(&answer.op)
        {
            if let Some(copy) = round.copy {
                self.compare(&copy, &round.result, effects);
            }
            self.end_round(answer.op, round.then, round.result, effects);
        }
    }

    /// What the replicas and the copy did must be the same. Of an unaligned write into a damaged block
    /// both refuse to do anything; of whatever else went wrong, nobody knows.
    fn compare(
        &mut self,
        copy: &AskedCopy,
        replicas: &Result<Bytes, ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        let error = match (copy.result, replicas) {
            (Ok(()), Ok(_)) | (Err(ReplicaError::Corrupt), Err(ReplicaError::Corrupt)) => return,
            (Err(error), _) => error,
            (_, Err(error)) => *error,
        };
        if self.rules.kept(Rule::CopyGivenUp) {
            self.copy_failed(copy.extent, error, effects);
        }
    }

    fn end_round(
        &mut self,
        op: OpId,
        then: Then,
        result: Result<Bytes, ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        match then {
            Then::Promise if result.is_ok() => self.reconcile(ExtentIndex(0), effects),
            Then::Reconcile(Some(next)) if result.is_ok() => self.reconcile(next, effects),
            Then::Promise | Then::Reconcile(_) => self.started(result, effects),
            Then::Join(disk) if result.is_ok() => self.reconcile_empty(disk, effects),
            Then::Join(disk) | Then::Joined(disk) => {
                self.joining.remove(&disk);
                if result.is_ok() {
                    self.disks.insert(disk);
                }
            }
            Then::Piece(piece) => self.piece_answered(piece, result, effects),
            Then::Grant => self.space.granted(result.map(|_| ())),
            Then::Holes(piece) => self.space.counted(piece, result),
            // What a failed disk has no use for, nobody needs.
            Then::GaveBack(_) => {}
            Then::Empty(disk) => self.found_empty(disk, result.ok()),
            Then::Adopt(extent, placement) => {
                self.adopted(extent, placement, result.is_ok(), effects);
            }
            Then::Receive(file) => self.copy_begun(file, result.map(|_| ()), effects),
            Then::Step(op, step) => self.step_answered(op, step, result, effects),
            Then::Stored(op, offset) => self.stored(op, offset, result.map(|_| ()), effects),
            Then::Left(extent) => self.left(extent, effects),
            Then::Sync => self.synced(op, result.is_ok(), effects),
            Then::Mark(regions) => self.marked(&regions, result.map(|_| ()), effects),
            Then::TakeBack(regions) => self.taken_back(&regions, effects),
            Then::Settle(regions) => self.settled(regions, result.map(|_| ()), effects),
            Then::Unmark(regions) => self.unmarked(&regions, result.map(|_| ()), effects),
        }
    }
}
