//! Asking replicas, and what follows once all have answered.
//!
//! What changes something is asked of every replica that has to have it (V3). One that refuses while
//! others did it is recorded stale before the round ends well (V4, `members.rs`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::message::{Answer, Ask, ExtentFile, Message, OpId, ReplicaError};
use crate::placement::Placement;
use crate::rules::Rule;
use crate::{DiskNumber, ExtentIndex, RegionIndex};

use super::copy::Step;
use super::{Head, HeadEffect};

/// What follows when all have answered.
#[derive(Debug)]
pub(super) enum Then {
    Promise,
    Join(DiskNumber),
    /// Where what is to be reconciled next begins.
    Reconcile(Option<ExtentIndex>),
    /// The same of a disk that joins.
    ReconcileJoining(DiskNumber, Option<ExtentIndex>),
    /// What stale disks missed before the head began.
    Missed,
    /// Replicas keep what the head knows of that.
    KeptMissed,
    /// So does one that is to count as in sync.
    Knows(DiskNumber),
    /// The regions that are dirty when the head begins are marked on every replica.
    Marked,
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
    /// The copy has the marks of its regions.
    CopyMarked(OpId),
    /// Its disk knows what stale ones missed.
    CopyKnows(OpId),
    /// What was copied elsewhere is removed.
    Left(ExtentIndex),
    Sync,
    Mark(BTreeSet<RegionIndex>),
    TakeBack(BTreeSet<RegionIndex>),
    Settle(BTreeSet<RegionIndex>),
    Unmark(BTreeSet<RegionIndex>),
    /// Replicas say what they hold of the blocks of an agreement.
    Digest(OpId),
    /// Replicas say what they hold of a region that is compared.
    Compare(OpId),
    /// The replica that is resynced has the marks of an agreement.
    MarkedFor(OpId),
    /// The blocks that some lack are here.
    Fetched(OpId),
    /// They have them.
    Replaced(OpId),
    /// What was made equal is durable.
    Agreed(OpId),
    /// What was resynced on a disk is durable.
    Resynced(DiskNumber),
}

impl Then {
    /// Whether every replica that was asked must have done it, or be recorded stale (V4).
    fn is_of_all(&self) -> bool {
        matches!(
            self,
            Self::Piece(_)
                | Self::Marked
                | Self::Grant
                | Self::Adopt(..)
                | Self::Sync
                | Self::Mark(_)
                | Self::Settle(_)
                | Self::Unmark(_)
        )
    }
}

#[derive(Debug)]
pub(super) struct Round {
    then: Then,
    asked: BTreeSet<DiskNumber>,
    /// Of what changes nothing, and one may answer for all: who is asked next if this one refuses.
    others: Option<VecDeque<(DiskNumber, Ask)>>,
    /// Who did it, and what they said.
    done: Vec<(DiskNumber, Bytes)>,
    refused: BTreeMap<DiskNumber, ReplicaError>,
    /// The extent's copy was asked the same: it may refuse without harm, and is given up then.
    copy: Option<AskedCopy>,
}

#[derive(Debug)]
struct AskedCopy {
    extent: ExtentIndex,
    disk: DiskNumber,
    result: Result<(), ReplicaError>,
}

/// What those that were asked said.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub done: Vec<(DiskNumber, Bytes)>,
    pub refused: BTreeMap<DiskNumber, ReplicaError>,
}

impl Answers {
    /// What the first said, or why one did not do it.
    pub fn result(self) -> Result<Bytes, ReplicaError> {
        let mut refused = self.refused.values().copied();
        // Whoever is fenced is fenced for good, whatever the others say.
        let fenced = refused.clone().find(|it| *it == ReplicaError::Fenced);
        match fenced.or(refused.next()) {
            Some(error) => Err(error),
            None => Ok(self
                .done
                .into_iter()
                .next()
                .map(|it| it.1)
                .unwrap_or_default()),
        }
    }
}

impl Head {
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
                Then::Piece(_) | Then::Promise | Then::Step(..) | Then::Fetched(_) => {
                    Err(ReplicaError::NoExtent)
                }
                _ => Ok(Bytes::new()),
            };
            self.end_round(op, then, nobody, effects);
            return op;
        }
        let asked = asks.iter().map(|(disk, _)| *disk).collect();
        self.rounds.insert(op, Round::new(then, asked, None));
        for (disk, ask) in asks {
            self.send(disk, op, ask, effects);
        }
        op
    }

    /// Asks the first, and if it refuses the next: each could answer for all.
    pub(super) fn ask_one(
        &mut self,
        then: Then,
        asks: Vec<(DiskNumber, Ask)>,
        effects: &mut Vec<HeadEffect>,
    ) -> OpId {
        let mut others = VecDeque::from(asks);
        let Some((disk, ask)) = others.pop_front() else {
            return self.begin_round(then, Vec::new(), effects);
        };
        let op = self.new_op();
        self.rounds
            .insert(op, Round::new(then, BTreeSet::from([disk]), Some(others)));
        self.send(disk, op, ask, effects);
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
        self.send(disk, op, ask, effects);
    }

    /// Sends it, unless the disk left: what it began before it did may still be under way there, so that
    /// nothing is asked of it before it joins again.
    fn send(&mut self, disk: DiskNumber, op: OpId, ask: Ask, effects: &mut Vec<HeadEffect>) {
        if self.disks.contains(&disk) || self.joining.contains(&disk) {
            effects.push(self.message(disk, op, ask));
        } else {
            self.absent.push_back((op, disk));
        }
    }

    /// Those that left do not answer.
    pub(super) fn answer_for_absent(&mut self, effects: &mut Vec<HeadEffect>) {
        while let Some((op, disk)) = self.absent.pop_front() {
            self.heard(op, disk, Err(ReplicaError::Unreachable), effects);
        }
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
        let Some(round) = self.rounds.get(&answer.op) else {
            return;
        };
        if !round.asked.contains(&answer.disk) {
            return;
        }
        // Who cannot be reached says nothing of itself.
        if answer.result != Err(ReplicaError::Unreachable) {
            match round.then {
                Then::Promise => {
                    self.incarnations.insert(answer.disk, answer.incarnation);
                }
                // It counts once the disk is let in: until then nothing that it does is relied on.
                Then::Join(_) => self.beginning.promised(answer.disk, answer.incarnation),
                _ => {}
            }
            let is_copy = round.copy.as_ref().is_some_and(|it| it.disk == answer.disk);
            let (reserved, returned) = match round.then {
                // Nothing was reserved for the copy.
                Then::Piece(_) if is_copy || self.members.is_resyncing(answer.disk) => (None, 0),
                Then::Piece(op) => (self.pieces.get(&op).and_then(|piece| piece.reserved), 0),
                Then::GaveBack(blocks) => (None, blocks),
                _ => (None, 0),
            };
            self.space
                .answered(&answer, reserved.unwrap_or(0), returned);
        }
        self.heard(answer.op, answer.disk, answer.result, effects);
    }

    /// A disk answers nothing any more: that is its answer to all that it was asked.
    pub(super) fn cut_off(&mut self, disk: DiskNumber, effects: &mut Vec<HeadEffect>) {
        let asked = self.rounds.iter().filter(|it| it.1.asked.contains(&disk));
        let asked: Vec<OpId> = asked.map(|(&op, _)| op).collect();
        for op in asked {
            self.heard(op, disk, Err(ReplicaError::Unreachable), effects);
        }
        self.give_up_copies(disk, effects);
        self.space.leave(disk);
    }

    fn heard(
        &mut self,
        op: OpId,
        disk: DiskNumber,
        result: Result<Bytes, ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        let Some(round) = self.rounds.get_mut(&op) else {
            return;
        };
        if !round.asked.remove(&disk) {
            return;
        }
        let copy = round.copy.as_mut().filter(|copy| copy.disk == disk);
        match (result, copy) {
            (Err(error), Some(copy)) => copy.result = Err(error),
            (Ok(_), Some(_)) => {}
            (Ok(said), None) => round.done.push((disk, said)),
            (Err(_), None) if !self.rules.kept(Rule::OneRefuses) && !round.asked.is_empty() => {}
            (Err(error), None) => {
                round.refused.insert(disk, error);
                if error != ReplicaError::Fenced && self.ask_another(op, effects) {
                    return;
                }
            }
        }
        let Some(round) = self.rounds.get(&op) else {
            return;
        };
        let every = self.rules.kept(Rule::EveryReplica);
        if (round.asked.is_empty() || !every)
            && let Some(round) = self.rounds.remove(&op)
        {
            self.heard_all(op, round, effects);
        }
    }

    /// Somebody else may answer what one refused.
    fn ask_another(&mut self, op: OpId, effects: &mut Vec<HeadEffect>) -> bool {
        let Some(round) = self.rounds.get_mut(&op) else {
            return false;
        };
        while let Some((disk, ask)) = round.others.as_mut().and_then(VecDeque::pop_front) {
            if self.disks.contains(&disk) && !self.extents.is_out(disk) {
                round.asked.insert(disk);
                self.send(disk, op, ask, effects);
                return true;
            }
        }
        false
    }

    fn heard_all(&mut self, op: OpId, round: Round, effects: &mut Vec<HeadEffect>) {
        let Round {
            then,
            done,
            refused,
            copy,
            others,
            ..
        } = round;
        let mut answers = Answers { done, refused };
        if others.is_some() && !answers.done.is_empty() {
            let refused = std::mem::take(&mut answers.refused);
            self.answered_by_another(&then, &refused, effects);
        }
        if let Some(copy) = copy {
            self.compare(&copy, &answers, effects);
        }
        match then {
            Then::Promise => self.promised(answers, effects),
            Then::Missed => self.missed_said(&answers, effects),
            Then::Digest(piece) => self.digested(piece, answers, effects),
            Then::Replaced(piece) => self.replaced(piece, &answers, effects),
            Then::Agreed(piece) => self.agreed_durably(piece, &answers, effects),
            Then::Compare(piece) => self.compared(piece, &answers, effects),
            then if then.is_of_all() && others.is_none() => {
                self.evaluate(op, then, answers, effects);
            }
            then => self.end_round(op, then, answers.result(), effects),
        }
    }

    /// What the replicas and the copy did must be the same. Of an unaligned write into a damaged block
    /// all refuse to do anything; of whatever else went wrong, nobody knows.
    fn compare(&mut self, copy: &AskedCopy, answers: &Answers, effects: &mut Vec<HeadEffect>) {
        let nobody_did = answers.done.is_empty();
        let mut refused = answers.refused.values().copied();
        let error = match (copy.result, refused.clone().next()) {
            (Ok(()), None) => return,
            (Err(ReplicaError::Corrupt), Some(_))
                if nobody_did && refused.all(|it| it == ReplicaError::Corrupt) =>
            {
                return;
            }
            (Err(error), _) | (Ok(()), Some(error)) => error,
        };
        if self.rules.kept(Rule::CopyGivenUp) {
            self.copy_failed(copy.extent, error, effects);
        }
    }

    pub(super) fn end_round(
        &mut self,
        op: OpId,
        then: Then,
        result: Result<Bytes, ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        match then {
            Then::Reconcile(next) => self.reconciled(next, result, effects),
            Then::Join(disk) => self.join_promised(disk, result, effects),
            Then::ReconcileJoining(disk, next) => self.joined(disk, next, &result, effects),
            Then::Marked => self.begin_agreements(result, effects),
            Then::Piece(piece) => self.piece_answered(piece, result, effects),
            Then::Grant => self.space.granted(result.map(|_| ())),
            Then::Holes(piece) => self.space.counted(piece, result),
            // What a failed disk has no use for, nobody needs, and what it does not keep is resynced as a whole.
            // The others are heard of whole.
            Then::GaveBack(_)
            | Then::Promise
            | Then::Digest(_)
            | Then::Compare(_)
            | Then::Missed
            | Then::KeptMissed => {}
            Then::Knows(disk) => self.knows_missed(disk, result.is_ok(), effects),
            Then::CopyKnows(op) => self.copy_knows(op, result.map(|_| ()), effects),
            Then::Empty(disk) => self.found_empty(disk, result.ok()),
            Then::Adopt(extent, placement) => {
                self.adopted(extent, placement, result.is_ok(), effects);
            }
            Then::Receive(file) => self.copy_begun(file, result.map(|_| ()), effects),
            Then::Step(op, step) => self.step_answered(op, step, result, effects),
            Then::Stored(op, offset) => self.stored(op, offset, result.map(|_| ()), effects),
            Then::CopyMarked(op) => self.copy_marked(op, result.map(|_| ()), effects),
            Then::Left(extent) => self.left(extent, effects),
            Then::Sync => self.synced(op, result.is_ok(), effects),
            Then::Mark(regions) => self.marked(&regions, result.map(|_| ()), effects),
            Then::TakeBack(regions) => self.taken_back(&regions, effects),
            Then::Settle(regions) => self.settled(regions, result.map(|_| ()), effects),
            Then::Unmark(regions) => self.unmarked(&regions, result.map(|_| ()), effects),
            Then::MarkedFor(piece) => self.marked_for(piece, result.map(|_| ()), effects),
            Then::Fetched(piece) => self.fetched(piece, result, effects),
            // Nobody who lacks the blocks is left.
            Then::Replaced(piece) => self.replaced(piece, &Answers::default(), effects),
            Then::Agreed(piece) => self.agreed_durably(piece, &Answers::default(), effects),
            Then::Resynced(disk) => self.resynced(disk, result.map(|_| ()), effects),
        }
    }
}

impl Round {
    fn new(
        then: Then,
        asked: BTreeSet<DiskNumber>,
        others: Option<VecDeque<(DiskNumber, Ask)>>,
    ) -> Self {
        Self {
            then,
            asked,
            others,
            done: Vec::new(),
            refused: BTreeMap::new(),
            copy: None,
        }
    }
}
