//! One volume's replicas on one disk: fencing, dirty log, suspect regions, sums, space.

mod access;
mod copy;
mod damage;
mod disk_op;
mod log;
mod missed;
mod note;
mod promise;
mod regions;
mod scrub;
mod space;
mod storing;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use crate::format::{DirtyLogRecord, MissedLogRecord, PromiseRecord, Slots};
use crate::message::{Answer, Ask, ExtentFile, Message, ReplicaError};
use crate::rules::{Rule, Rules};
use crate::space::DiskSpace;
use crate::{BLOCK_SIZE, DiskNumber, Epoch, ExtentIndex, Incarnation, RegionIndex, VolumeId};

pub use damage::Damage;
pub use disk_op::{BadBlock, DiskAnswer, DiskFault, DiskOp, DiskOpId, DiskResult, RegionSums};
use log::DirtyLog;
use missed::MissedLog;
use regions::{Regions, Touch};
use scrub::Scrubbing;
use space::Held;

/// What a disk was found to hold of a volume.
#[derive(Debug, Clone)]
pub struct Recovered {
    /// The disk's.
    pub incarnation: Incarnation,
    /// The promise file.
    pub promise: Slots<PromiseRecord>,
    /// The dirty log.
    pub log: Slots<DirtyLogRecord>,
    /// The missed log.
    pub missed: Slots<MissedLogRecord>,
    /// The extents whose placement names this disk, and the blocks each holds by its sums.
    pub extents: Vec<(ExtentFile, u32)>,
}

/// What a replica is told.
#[derive(Debug)]
pub enum ReplicaEvent {
    /// A message of a head.
    Message(Message),
    /// A disk operation ended.
    Done(DiskOpId, DiskResult),
    /// Every head gave back what it did not need, as far as it could be asked.
    Recalled,
}

/// What a replica wants done.
#[derive(Debug)]
pub enum ReplicaEffect {
    /// Send this to the head.
    Answer(Answer),
    /// Run this, in any order with others.
    Disk(DiskOpId, DiskOp),
    /// [`Replica::damage`] answers something new, which is to be kept.
    DamageChanged,
    /// The check that [`Replica::scrub`] began has ended.
    Scrubbed {
        /// The region.
        region: RegionIndex,
        /// Blocks that take space and were read; nothing if the region could not be checked.
        blocks: Option<u32>,
    },
    /// The disk is full: tell every head [`HeadEvent::Recall`](crate::head::HeadEvent::Recall), then
    /// this replica [`ReplicaEvent::Recalled`].
    Recall,
}

/// What to do when a disk operation ends.
#[derive(Debug)]
enum Doing {
    Promise {
        message: Message,
    },
    Log {
        messages: Vec<Message>,
        /// Regions that were not marked before.
        added: BTreeSet<RegionIndex>,
    },
    Missed,
    Load {
        file: ExtentFile,
        region: RegionIndex,
    },
    Read {
        message: Message,
        skip: usize,
        length: usize,
        pinned: regions::Span,
    },
    Fetch {
        message: Message,
        pinned: regions::Span,
    },
    Digest {
        message: Message,
        pinned: regions::Span,
    },
    Change {
        message: Message,
        pinned: regions::Span,
        needed: u32,
    },
    Plain {
        message: Message,
    },
    Settle {
        message: Message,
        /// Sums that are stored with it.
        stored: Vec<(ExtentFile, RegionIndex)>,
    },
    StoreSums {
        stored: Vec<(ExtentFile, RegionIndex)>,
    },
    Unlink,
    Verify,
}

/// The state machine of one volume's replicas on one disk.
#[derive(Debug)]
pub struct Replica {
    rules: Rules,
    volume: VolumeId,
    disk: DiskNumber,
    incarnation: Incarnation,
    held: Held,
    promised: Epoch,
    promise_sequence: u64,
    log: DirtyLog,
    missed: MissedLog,
    /// Extents that were not found and are to be held: their files were made since, or are not there.
    unfound: BTreeSet<ExtentFile>,
    regions: Regions,
    /// Messages that wait for a region's sums.
    waiting: Vec<Message>,
    /// Asks for space that was not there, and how many blocks are missing.
    short: Vec<(Message, u64)>,
    doing: BTreeMap<DiskOpId, Doing>,
    next_op: u64,
    /// A promise that waits for what the head before began.
    promising: Option<Message>,
    /// What was reconciled, but for files that are being removed.
    reconciled: Vec<Message>,
    damage: Damage,
    scrubbing: Option<Scrubbing>,
    /// Where the background goes on to sum anew.
    resum_from: RegionIndex,
    /// A sync or a write of the log or promise failed (V8): nothing is acknowledged any more.
    failed: bool,
}

impl Replica {
    /// A replica as its disk holds it. Both slots of the log damaged: every region is suspect (V5).
    /// Both slots of the promise damaged: it may have promised any epoch, so it is refused.
    pub fn recover(
        volume: VolumeId,
        disk: DiskNumber,
        space: Arc<DiskSpace>,
        found: Recovered,
    ) -> Result<Self, ReplicaError> {
        Self::keeping(Rules::default(), volume, disk, space, found)
    }

    /// The same, of a replica that keeps these rules.
    pub fn keeping(
        rules: Rules,
        volume: VolumeId,
        disk: DiskNumber,
        space: Arc<DiskSpace>,
        found: Recovered,
    ) -> Result<Self, ReplicaError> {
        let (promised, promise_sequence) = match found.promise {
            Slots::Fresh => (Epoch(0), 0),
            Slots::Newest(record) => (record.epoch, record.sequence),
            Slots::Damaged => return Err(ReplicaError::Disk),
        };
        let held = Held::new(space, found.extents);
        let extents = held.from(ExtentIndex(0)).map(|file| file.extent);
        let log = DirtyLog::recover(rules, found.log, extents);
        let mut suspect = log.marked().clone();
        suspect.retain(|_| rules.kept(Rule::SumAnew));
        let regions = Regions::new(rules, suspect);
        Ok(Self {
            rules,
            volume,
            disk,
            incarnation: found.incarnation,
            held,
            promised,
            promise_sequence,
            log,
            missed: MissedLog::recover(rules, found.missed),
            unfound: BTreeSet::new(),
            regions,
            waiting: Vec::new(),
            short: Vec::new(),
            doing: BTreeMap::new(),
            next_op: 0,
            promising: None,
            reconciled: Vec::new(),
            damage: Damage::default(),
            scrubbing: None,
            resum_from: RegionIndex(0),
            failed: false,
        })
    }

    /// The regions that a head must take for dirty.
    pub fn dirty(&self) -> &BTreeSet<RegionIndex> {
        self.log.marked()
    }

    /// The highest epoch promised.
    pub fn promised(&self) -> Epoch {
        self.promised
    }

    /// Blocks that take space.
    pub fn allocated(&self) -> u64 {
        self.held.allocated()
    }

    /// The volume is gone: gives all its space back.
    pub fn release(&mut self) {
        self.give_back_grant();
        self.held.clear();
    }

    /// The head is gone: gives back what it was granted, as far as no write needs it.
    pub fn give_back_grant(&mut self) {
        self.held.give_back(u64::MAX);
    }

    /// The file of an extent, if it may be read past this machine (V14): no sync failed (V8), and
    /// no region of it waits to be summed anew (V10).
    pub fn readable(&self, extent: ExtentIndex) -> Option<ExtentFile> {
        let file = self.held.get(extent)?.file;
        let failed = self.failed && self.rules.kept(Rule::ReadableDisk);
        let count = self.regions.all_count(extent) || !self.rules.kept(Rule::ReadableSums);
        (count && !failed).then_some(file)
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.doing.is_empty() && self.waiting.is_empty() && self.short.is_empty()
    }

    /// Regions whose sums do not count until they are made anew (V10).
    pub fn suspects(&self) -> usize {
        self.regions.suspects()
    }

    /// Takes one event.
    pub fn handle(&mut self, event: ReplicaEvent, effects: &mut Vec<ReplicaEffect>) {
        match event {
            ReplicaEvent::Message(message) => self.message(message, effects),
            ReplicaEvent::Done(op, result) => self.done(op, result, effects),
            ReplicaEvent::Recalled => self.recalled(effects),
        }
    }

    fn message(&mut self, mut message: Message, effects: &mut Vec<ReplicaEffect>) {
        debug_assert!(
            message.volume == self.volume && message.disk == self.disk,
            "V12"
        );
        let fenced = self.fence(&message);
        // The answer has the disk's own (V7).
        message.incarnation = self.incarnation;
        if let Err(refusal) = fenced {
            return self.answer(&message, Err(refusal), effects);
        }
        match &message.ask {
            Ask::Promise => self.promise(message, effects),
            Ask::Reconcile { .. } => self.reconcile(message, effects),
            Ask::Read { .. }
            | Ask::Map { .. }
            | Ask::Holes { .. }
            | Ask::Fetch { .. }
            | Ask::Store { .. }
            | Ask::Digest { .. }
            | Ask::Sums { .. }
            | Ask::Replace { .. }
            | Ask::Write { .. }
            | Ask::Zero { .. } => self.touch(message, effects),
            Ask::Grant { .. } => self.grant(message, effects),
            &Ask::GiveBack { blocks } => {
                self.held.give_back(blocks);
                self.answer(&message, Ok(Bytes::new()), effects);
            }
            Ask::Empty => self.answer(&message, Ok(self.empty()), effects),
            Ask::Settle { regions } => {
                let suspect = self.load_suspects(&regions.clone(), effects);
                if suspect || self.regions.is_storing(regions) {
                    self.waiting.push(message);
                } else {
                    self.settle(message, effects);
                }
            }
            Ask::Sync { extents } => {
                let files = self.files(extents.iter().copied());
                self.plain(message, DiskOp::Sync { files }, effects);
            }
            Ask::Mark { .. } | Ask::Unmark { .. } | Ask::Missed | Ask::KeepMissed { .. } => {
                self.change_log(message, effects);
            }
            // What is on its way to the sums of a copy before it, of the same name, would go into this one's.
            Ask::Receive { file } if self.is_storing(*file) => self.waiting.push(message),
            Ask::Receive { file } => {
                self.receive(*file, effects);
                self.answer(&message, Ok(Bytes::new()), effects);
            }
            Ask::Adopt { file } => {
                self.adopt(*file, effects);
                self.answer(&message, Ok(Bytes::new()), effects);
            }
            Ask::Remove { file } => self.remove(*file, message, effects),
            // Whoever keeps the disk's files makes them, and does not ask here.
            Ask::Create { .. } => self.answer(&message, Err(ReplicaError::NoExtent), effects),
        }
    }

    /// V1: a lower epoch is refused; a higher one must be promised first. V7: so is a head that
    /// counts on what was lost.
    fn fence(&self, message: &Message) -> Result<(), ReplicaError> {
        let fenced = match message.ask {
            Ask::Promise => message.epoch < self.promised,
            _ => message.epoch != self.promised,
        };
        if fenced && self.rules.kept(Rule::Fence) {
            return Err(ReplicaError::Fenced);
        }
        let another = message.ask != Ask::Promise && message.incarnation != self.incarnation;
        if another && self.rules.kept(Rule::SameIncarnation) {
            return Err(ReplicaError::Restarted);
        }
        if self.failed {
            Err(ReplicaError::Disk)
        } else {
            Ok(())
        }
    }

    fn holds(&self, file: ExtentFile) -> bool {
        self.held.has(file)
    }

    fn files(&self, extents: impl Iterator<Item = ExtentIndex>) -> Vec<ExtentFile> {
        extents
            .filter_map(|extent| Some(self.held.get(extent)?.file))
            .collect()
    }

    fn plain(&mut self, message: Message, op: DiskOp, effects: &mut Vec<ReplicaEffect>) {
        self.start(Doing::Plain { message }, op, effects);
    }

    fn start(&mut self, doing: Doing, op: DiskOp, effects: &mut Vec<ReplicaEffect>) {
        let id = DiskOpId(self.next_op);
        self.next_op += 1;
        self.doing.insert(id, doing);
        effects.push(ReplicaEffect::Disk(id, op));
    }

    fn done(&mut self, op: DiskOpId, result: DiskResult, effects: &mut Vec<ReplicaEffect>) {
        let Some(doing) = self.doing.remove(&op) else {
            return;
        };
        if matches!(result, Err(DiskFault::Sync)) {
            self.failed = self.rules.kept(Rule::FailedDisk);
        }
        match doing {
            Doing::Promise { message } => {
                let marks = crate::marks::pack(self.log.marked());
                let outcome = result.map(|_| marks).map_err(DiskFault::to_replica);
                self.finish(&message, outcome, effects);
            }
            Doing::Digest { message, pinned } => self.digested(&message, pinned, result, effects),
            Doing::Plain { message } => {
                let outcome = result.map(|_| Bytes::new()).map_err(DiskFault::to_replica);
                self.finish(&message, outcome, effects);
            }
            Doing::Settle { message, stored } => {
                self.settled(&message, &stored, result, effects);
            }
            Doing::StoreSums { stored } => self.sums_stored(&stored, result.is_ok(), effects),
            Doing::Unlink => self.unlinked(effects),
            Doing::Verify => self.verified(result, effects),
            Doing::Missed => self.missed_written(&result, effects),
            Doing::Log { messages, added } => self.logged(messages, &added, &result, effects),
            Doing::Load { file, region } => {
                if self.holds(file) {
                    self.loaded(region, result, effects);
                }
                self.retry(effects);
            }
            Doing::Read {
                message,
                skip,
                length,
                pinned,
            } => {
                self.regions.unpin(pinned);
                let outcome = match &result {
                    Ok(DiskAnswer::Data(data)) if data.len() >= skip + length => {
                        Ok(data.slice(skip..skip + length))
                    }
                    Ok(_) => Err(ReplicaError::Disk),
                    Err(fault) => Err(fault.to_replica()),
                };
                if let Err(DiskFault::Corrupt(block)) = result {
                    self.found_damaged(pinned.extent, block, effects);
                }
                self.finish(&message, outcome, effects);
                self.retry_if_freed(effects);
            }
            Doing::Fetch { message, pinned } => self.fetched(&message, pinned, result, effects),
            Doing::Change {
                message,
                pinned,
                needed,
            } => {
                self.changed(&message, pinned, needed, result, effects);
            }
        }
        if self.doing.is_empty()
            && let Some(message) = self.promising.take()
        {
            self.message(message, effects);
        }
    }

    /// V8: after a failed sync nothing is acknowledged, also not what had ended well. V1: nor is
    /// what a fenced head asked for before the promise and the disk finished after it.
    fn finish(
        &self,
        message: &Message,
        outcome: Result<Bytes, ReplicaError>,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        let outcome = match outcome {
            _ if message.epoch < self.promised => Err(ReplicaError::Fenced),
            Ok(_) if self.failed => Err(ReplicaError::Disk),
            outcome => outcome,
        };
        self.answer(message, outcome, effects);
    }

    fn answer(
        &self,
        message: &Message,
        result: Result<Bytes, ReplicaError>,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        let &Message {
            volume,
            disk,
            incarnation,
            epoch,
            op,
            ..
        } = message;
        effects.push(ReplicaEffect::Answer(Answer {
            volume,
            disk,
            incarnation,
            epoch,
            op,
            allocated: self.held.allocated(),
            granted: self.held.granted(),
            result,
        }));
    }
}

const _: () = assert!(BLOCK_SIZE == 4096, "the disk formats are made for 4 KiB");
