//! What other disks miss of the volume (V4): while one is stale, a region that is unmarked here is noted first, so
//! whatever changed since that disk fell behind is in this log or in the dirty one.
//!
//! It is kept as the dirty log is, one write at a time, and not written at all while no disk is stale. It
//! counts if the head that ended last kept it: a head that knows nothing of it leaves the epoch as it was.

use crate::format::{MissedLogRecord, Slots};
use crate::message::{Ask, Message};
use crate::missed::{self, MissedByDisk};
use crate::rules::{Rule, Rules};
use crate::{Epoch, ExtentIndex};

use super::{Bytes, DiskFault, DiskOp, DiskResult, Doing, Replica, ReplicaEffect};

#[derive(Debug)]
pub(super) struct MissedLog {
    rules: Rules,
    missed: MissedByDisk,
    /// The last head that had it kept.
    epoch: Epoch,
    sequence: u64,
    /// The file may lack something: it is written before anything is unmarked.
    unwritten: bool,
}

impl MissedLog {
    /// One of which nothing can be read says nothing.
    pub fn recover(rules: Rules, found: Slots<MissedLogRecord>) -> Self {
        let (sequence, epoch, missed) = match found {
            Slots::Newest(record) => (record.sequence, record.epoch, record.missed),
            Slots::Fresh | Slots::Damaged => (0, Epoch(0), MissedByDisk::new()),
        };
        Self {
            rules,
            missed,
            epoch,
            sequence,
            unwritten: false,
        }
    }

    /// Another head begins, after one under this epoch: what that one did not have kept says nothing.
    pub fn head_ended(&mut self, epoch: Epoch) {
        if self.epoch != epoch {
            self.missed.clear();
        }
    }

    /// The extent is not here any more: who has it knows more of it.
    pub fn forget(&mut self, extent: ExtentIndex) {
        for missed in self.missed.values_mut() {
            missed.regions.remove_extent(extent);
        }
    }

    /// Takes over what messages say; whether it is to be written before they are answered.
    fn take(&mut self, messages: &[Message]) -> bool {
        for Message { ask, epoch, .. } in messages {
            match ask {
                Ask::Missed => self.keep_under(*epoch),
                Ask::KeepMissed { missed } => {
                    self.unwritten |= self.missed != *missed;
                    self.missed.clone_from(missed);
                    self.keep_under(*epoch);
                }
                Ask::Unmark { regions } if self.rules.kept(Rule::NoteMissed) => {
                    for missed in self.missed.values_mut() {
                        for region in regions {
                            self.unwritten |= missed.regions.insert(*region);
                        }
                    }
                }
                _ => {}
            }
        }
        missed::bound(&mut self.missed);
        self.unwritten
    }

    fn keep_under(&mut self, epoch: Epoch) {
        self.unwritten |= self.epoch != epoch;
        self.epoch = epoch;
    }
}

/// Whether a message is about this log.
fn is_answered_by(message: &Message) -> bool {
    matches!(message.ask, Ask::Missed | Ask::KeepMissed { .. })
}

impl Replica {
    /// Writes the missed log if messages of the dirty log change it, which come behind.
    pub(super) fn write_missed(
        &mut self,
        messages: Vec<Message>,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        if !self.missed.take(&messages) {
            return self.missed_kept(messages, effects);
        }
        self.missed.sequence += 1;
        let record = MissedLogRecord {
            sequence: self.missed.sequence,
            volume: self.volume,
            epoch: self.missed.epoch,
            missed: self.missed.missed.clone(),
        };
        self.log.behind_missed = messages;
        self.start(Doing::Missed, DiskOp::WriteMissed(record), effects);
    }

    pub(super) fn missed_written(&mut self, result: &DiskResult, effects: &mut Vec<ReplicaEffect>) {
        let messages = std::mem::take(&mut self.log.behind_missed);
        let Err(fault) = *result else {
            self.missed.unwritten = false;
            return self.missed_kept(messages, effects);
        };
        // The next write goes to the same slot.
        self.missed.sequence -= 1;
        for message in messages {
            self.finish(&message, Err(DiskFault::to_replica(fault)), effects);
        }
        self.log_idle(effects);
    }

    fn missed_kept(&mut self, mut messages: Vec<Message>, effects: &mut Vec<ReplicaEffect>) {
        for message in messages.extract_if(.., |it| is_answered_by(it)) {
            let said = match message.ask {
                Ask::Missed => missed::pack(&self.missed.missed).into(),
                _ => Bytes::new(),
            };
            self.finish(&message, Ok(said), effects);
        }
        self.write_marks(messages, effects);
    }
}
