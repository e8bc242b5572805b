//! Head, replicas, disks and store of one volume, with everything that is on its way between them.

mod checks;
mod clients;
mod steps;
mod store;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use volumed_core::head::{Head, HeadEvent, HeadSettings, HeadStart, RequestId};
use volumed_core::message::{Answer, ExtentFile, Message};
use volumed_core::placement::Placement;
use volumed_core::replica::{DiskOp, DiskOpId, DiskResult, Replica};
use volumed_core::space::DiskSpace;
use volumed_core::{
    BLOCK_SIZE, ByteCount, DiskNumber, EXTENT_SIZE, Epoch, ExtentIndex, IoError, VolumeId,
};

use super::Fault;
use super::disk::SimDisk;
use super::model::Model;

use clients::Asked;
use store::Placing;

const VOLUME: VolumeId = VolumeId(7);
pub(super) const EXTENTS: u64 = 6;
const SIZE: ByteCount = ByteCount(EXTENTS * EXTENT_SIZE);

pub(super) struct World {
    pub rng: SmallRng,
    pub model: Model,
    disks: BTreeMap<DiskNumber, SimDisk>,
    spaces: BTreeMap<DiskNumber, Arc<DiskSpace>>,
    replicas: BTreeMap<DiskNumber, Replica>,
    head: Option<Head>,
    epoch: u64,
    /// One for each head and disk, oldest head first: messages keep their order on a link.
    links: BTreeMap<(u64, DiskNumber), VecDeque<Message>>,
    answers: BTreeMap<(u64, DiskNumber), VecDeque<Answer>>,
    running: Vec<(DiskNumber, DiskOpId, DiskOp)>,
    ended: Vec<(DiskNumber, DiskOpId, DiskResult)>,
    placed: BTreeMap<ExtentIndex, Placement>,
    revision: u64,
    placing: Vec<Placing>,
    asked: BTreeMap<RequestId, Asked>,
    next_request: u64,
    time: u64,
    started: Option<Result<(), IoError>>,
    settled: Option<Result<(), IoError>>,
    /// Whether the process may lack descriptors for some of its disk operations.
    may_be_exhausted: bool,
}

type Checked = Result<(), String>;

impl World {
    pub fn new(rng: SmallRng, replicas: u16, blocks: u64, fault: Fault) -> Self {
        let numbers: Vec<_> = (0..replicas).map(DiskNumber).collect();
        let space = |&disk: &DiskNumber| {
            let space = DiskSpace::default();
            space.set_limit(ByteCount(blocks * BLOCK_SIZE));
            (disk, Arc::new(space))
        };
        Self {
            rng,
            model: Model::default(),
            disks: numbers
                .iter()
                .map(|&disk| (disk, SimDisk::new(fault)))
                .collect(),
            spaces: numbers.iter().map(space).collect(),
            replicas: BTreeMap::new(),
            head: None,
            epoch: 0,
            links: BTreeMap::new(),
            answers: BTreeMap::new(),
            running: Vec::new(),
            ended: Vec::new(),
            placed: BTreeMap::new(),
            revision: 1,
            placing: Vec::new(),
            asked: BTreeMap::new(),
            next_request: 0,
            time: 0,
            started: None,
            settled: None,
            // With more replicas, one that refuses a write would have to be recorded stale.
            may_be_exhausted: replicas == 1,
        }
    }

    /// The extents that the store places on the disks: all on each.
    fn files(&self) -> BTreeSet<ExtentFile> {
        let file = |(&extent, placement): (&ExtentIndex, &Placement)| ExtentFile {
            extent,
            alloc: placement.alloc,
        };
        self.placed.iter().map(file).collect()
    }

    /// The process starts: replicas are recovered and leftovers collected.
    pub fn boot(&mut self) -> Checked {
        let files = self.files();
        for (&number, disk) in &mut self.disks {
            disk.collect(&files);
            let space = Arc::clone(&self.spaces[&number]);
            space.release(u64::MAX);
            let replica = Replica::recover(VOLUME, number, space, disk.recover(&files));
            self.replicas
                .insert(number, replica.map_err(|error| error.to_string())?);
        }
        self.begin_head()
    }

    /// A new head begins; what the one before sent may still arrive (V1).
    pub fn begin_head(&mut self) -> Checked {
        self.epoch += 1;
        let dirty = self
            .replicas
            .values()
            .flat_map(|replica| replica.dirty().iter().copied());
        self.head = Some(Head::new(HeadStart {
            volume: VOLUME,
            epoch: Epoch(self.epoch),
            size: SIZE,
            settings: HeadSettings {
                max_dirty: 64,
                clean_after: 300,
            },
            disks: self.disks.keys().copied().collect(),
            extents: self.placed.clone(),
            stale: BTreeSet::new(),
            dirty: dirty.collect(),
        }));
        self.started = None;
        self.head_event(HeadEvent::Start)?;
        // As in the daemon: nobody comes between reading the marks and the promise.
        for number in self.disks.keys().copied().collect::<Vec<_>>() {
            self.deliver(self.epoch, number);
        }
        while self.started.is_none() {
            if !self.step()? {
                return Err("the head does not start".to_owned());
            }
        }
        match self.started.take() {
            // Its owner attaches again.
            Some(Err(IoError::Exhausted)) => self.begin_head(),
            Some(Err(error)) => Err(format!("the head cannot start: {error}")),
            _ => Ok(()),
        }
    }

    pub fn open_requests(&self) -> usize {
        self.asked.len()
    }

    pub fn tick(&mut self) -> Checked {
        self.time += 100;
        self.head_event(HeadEvent::Tick)
    }

    /// Lets everything arrive.
    pub fn drain(&mut self) -> Checked {
        while self.step()? {}
        match self.asked.len() {
            0 => self.check_rest(),
            open => Err(format!("{open} requests are never answered")),
        }
    }

    /// Makes everything durable and clean, as a clean stop does.
    pub fn settle(&mut self) -> Checked {
        self.drain()?;
        self.settled = None;
        let may_be_exhausted = std::mem::take(&mut self.may_be_exhausted);
        self.head_event(HeadEvent::Settle)?;
        while self.step()? {}
        self.may_be_exhausted = may_be_exhausted;
        match self.settled.take() {
            None => return Err("the head never settles".to_owned()),
            Some(Err(error)) => return Err(format!("the head cannot settle: {error}")),
            Some(Ok(())) => {}
        }
        // A region that could not be summed anew for want of descriptors stays suspect, and marked.
        let unclean = |replica: &Replica| replica.dirty().len() > replica.suspects();
        if self.replicas.values().any(unclean) {
            return Err("regions are dirty after a clean stop".to_owned());
        }
        self.model.flushed(self.time);
        Ok(())
    }

    /// The process dies; with `power`, so does the page cache.
    pub fn die(&mut self, power: bool) {
        let running = std::mem::take(&mut self.running);
        if power {
            for (&number, disk) in &mut self.disks {
                let own = running.iter().filter(|(on, ..)| *on == number);
                let ops: Vec<_> = own.map(|(_, _, op)| op.clone()).collect();
                disk.cut_power(&ops, &mut self.rng);
            }
            self.model.cut_power();
        } else {
            self.model.change_head();
        }
        self.ended.clear();
        self.links.clear();
        self.answers.clear();
        self.placing.clear();
        self.asked.clear();
        self.replicas.clear();
        self.head = None;
    }

    /// Another head takes over; what this one sent is still on its way.
    pub fn change_head(&mut self) -> Checked {
        while !self.placing.is_empty() {
            self.place_step(0)?;
        }
        self.model.change_head();
        self.asked.clear();
        self.begin_head()
    }

    /// One of the extents that are placed.
    pub fn some_extent(&mut self) -> Option<ExtentIndex> {
        let placed: Vec<_> = self.placed.keys().copied().collect();
        placed.choose(&mut self.rng).copied()
    }
}
