//! The dirty log of a replica (V5): one write at a time, to two slots in turn, always durable.
//!
//! Also taking marks away is written durably: otherwise a power cut could lose it while the next
//! write, into the other slot, tears, and an older record without the newest marks would count.

use std::collections::BTreeSet;

use crate::format::{DirtyLogRecord, Slots};
use crate::message::{Ask, Message};
use crate::rules::{Rule, Rules};
use crate::{ExtentIndex, REGIONS_PER_EXTENT, RegionIndex};

use super::{Bytes, DiskFault, DiskOp, DiskResult, Doing, Replica, ReplicaEffect};

#[derive(Debug)]
pub(super) struct DirtyLog {
    marked: BTreeSet<RegionIndex>,
    sequence: u64,
    writing: bool,
    waiting: Vec<Message>,
    /// Those whose turn comes once the missed log is written.
    pub(super) behind_missed: Vec<Message>,
    /// Regions that the last settle left out, since they could not be summed anew. One may be by the
    /// time that it is to be unmarked, but its sums are not durable.
    unsettled: BTreeSet<RegionIndex>,
}

impl DirtyLog {
    pub fn recover(
        rules: Rules,
        found: Slots<DirtyLogRecord>,
        extents: impl Iterator<Item = ExtentIndex>,
    ) -> Self {
        let everything = || extents.flat_map(regions_of).collect();
        let (sequence, marked) = match found {
            Slots::Fresh => (0, BTreeSet::new()),
            Slots::Newest(record) => (record.sequence, record.regions.unwrap_or_else(everything)),
            Slots::Damaged if !rules.kept(Rule::DamagedLog) => (0, BTreeSet::new()),
            Slots::Damaged => (0, everything()),
        };
        Self {
            marked,
            sequence,
            writing: false,
            waiting: Vec::new(),
            behind_missed: Vec::new(),
            unsettled: BTreeSet::new(),
        }
    }

    pub fn marked(&self) -> &BTreeSet<RegionIndex> {
        &self.marked
    }

    /// Whether a region of the extent is marked.
    pub fn marks(&self, extent: ExtentIndex) -> bool {
        let first = RegionIndex(extent.0 * REGIONS_PER_EXTENT);
        let next = RegionIndex(first.0 + REGIONS_PER_EXTENT);
        self.marked.range(first..next).next().is_some()
    }

    /// Of the record that was written last, or is being written.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    pub fn is_writing(&self) -> bool {
        self.writing
    }

    /// A settle of these regions begins: what an earlier one left out counts no more.
    pub fn settles(&mut self, regions: &BTreeSet<RegionIndex>) {
        self.unsettled.retain(|region| !regions.contains(region));
    }

    /// A settle does without the region: the unmarking that follows must, too.
    pub fn leave_unsettled(&mut self, region: RegionIndex) {
        self.unsettled.insert(region);
    }

    /// Keeps the marks of some extents; the next write of the log leaves the others out.
    pub fn retain(&mut self, keep: impl Fn(ExtentIndex) -> bool) {
        self.marked.retain(|region| keep(region.extent()));
    }

    /// The extent is gone; the next write of the log leaves its regions out, also those that were to be
    /// marked by it: the head does not count on them any more, and so would never take them away.
    pub fn forget(&mut self, extent: ExtentIndex) {
        for region in regions_of(extent) {
            self.marked.remove(&region);
        }
        for message in self.waiting.iter_mut().chain(&mut self.behind_missed) {
            if let Ask::Mark { regions } = &mut message.ask {
                regions.retain(|region| region.extent() != extent);
            }
        }
    }
}

fn regions_of(extent: ExtentIndex) -> impl Iterator<Item = RegionIndex> {
    let first = extent.0 * REGIONS_PER_EXTENT;
    (first..first + REGIONS_PER_EXTENT).map(RegionIndex)
}

impl Replica {
    pub(super) fn change_log(&mut self, message: Message, effects: &mut Vec<ReplicaEffect>) {
        self.log.waiting.push(message);
        if !self.log.writing {
            self.write_log(effects);
        }
    }

    /// Writes everything that waits as one.
    fn write_log(&mut self, effects: &mut Vec<ReplicaEffect>) {
        let mut messages = std::mem::take(&mut self.log.waiting);
        self.drop_fenced(&mut messages, effects);
        self.log.writing = true;
        self.write_missed(messages, effects);
    }

    /// V1: a newer head counts on the marks as they were when it was promised.
    fn drop_fenced(&self, messages: &mut Vec<Message>, effects: &mut Vec<ReplicaEffect>) {
        for fenced in messages.extract_if(.., |message| message.epoch < self.promised) {
            self.finish(&fenced, Ok(Bytes::new()), effects);
        }
    }

    /// Nothing is being written any more.
    pub(super) fn log_idle(&mut self, effects: &mut Vec<ReplicaEffect>) {
        self.log.writing = false;
        if !self.log.waiting.is_empty() {
            self.write_log(effects);
        }
    }

    /// Writes the dirty log, if there is something to change in it.
    pub(super) fn write_marks(
        &mut self,
        mut messages: Vec<Message>,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        self.drop_fenced(&mut messages, effects);
        if messages.is_empty() {
            return self.log_idle(effects);
        }
        let mut added = BTreeSet::new();
        for message in &messages {
            match &message.ask {
                Ask::Mark { regions } => {
                    let marked = &mut self.log.marked;
                    added.extend(regions.iter().filter(|region| marked.insert(**region)));
                }
                Ask::Unmark { regions } => {
                    let (held, suspect) = (&self.held, &self.regions);
                    let unsettled = std::mem::take(&mut self.log.unsettled);
                    let keep = self.rules.kept(Rule::Unsettled);
                    self.log.marked.retain(|region| {
                        let dirty = suspect.is_suspect(*region) || unsettled.contains(region);
                        let stays = dirty && held.get(region.extent()).is_some() && keep;
                        stays || !regions.contains(region)
                    });
                }
                _ => {}
            }
        }
        self.log.sequence += if self.rules.kept(Rule::SlotsInTurn) {
            1
        } else {
            2
        };
        let record = DirtyLogRecord {
            sequence: self.log.sequence,
            volume: self.volume,
            regions: Some(self.log.marked.clone()),
        };
        let doing = Doing::Log { messages, added };
        self.start(doing, DiskOp::WriteLog(record), effects);
    }

    pub(super) fn logged(
        &mut self,
        messages: Vec<Message>,
        added: &BTreeSet<RegionIndex>,
        result: &DiskResult,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        if let Err(fault) = *result {
            // V1: the head that waits for its promise took the new marks for durable.
            if let Some(promise) = self.promising.take() {
                self.answer(&promise, Err(fault.to_replica()), effects);
            }
            // The next write goes to the same slot: the other one holds what counts. The head does not
            // count on the new marks, and so would never take them away.
            self.log.sequence -= 1;
            self.log.marked.retain(|region| !added.contains(region));
        }
        for message in messages {
            let outcome = result
                .as_ref()
                .map(|_| Bytes::new())
                .map_err(|f| DiskFault::to_replica(*f));
            self.finish(&message, outcome, effects);
        }
        self.log_idle(effects);
    }

    /// Starts summing anew every suspect region among `regions`; whether there is something to
    /// wait for.
    pub(super) fn load_suspects(
        &mut self,
        regions: &BTreeSet<RegionIndex>,
        effects: &mut Vec<ReplicaEffect>,
    ) -> bool {
        let mut wait = false;
        for &region in regions {
            let Some(held) = self.held.get(region.extent()) else {
                continue;
            };
            if !self.regions.is_suspect(region) {
                continue;
            }
            wait = true;
            let file = held.file;
            if let super::Touch::Load { suspect } = self.regions.touch(region) {
                self.load(file, region, suspect, effects);
            }
        }
        wait
    }
}
