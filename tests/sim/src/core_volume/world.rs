//! Head, replicas, disks and store of one volume, with everything that is on its way between them.

mod checks;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rand::RngExt;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use volumed_core::head::{Head, HeadEffect, HeadEvent, HeadSettings, HeadStart, Moment, RequestId};
use volumed_core::message::{Answer, ExtentFile, Message};
use volumed_core::placement::{Placement, Role};
use volumed_core::replica::{
    DiskFault, DiskOp, DiskOpId, DiskResult, Replica, ReplicaEffect, ReplicaEvent,
};
use volumed_core::space::DiskSpace;
use volumed_core::{
    Alloc, BLOCK_SIZE, ByteCount, DiskNumber, EXTENT_SIZE, Epoch, ExtentIndex, IoError, Reply,
    Request, VolumeId,
};

use super::Fault;
use super::disk::SimDisk;
use super::model::{Model, SECTOR, Stamp};

const VOLUME: VolumeId = VolumeId(7);
pub(super) const EXTENTS: u64 = 6;
const SIZE: ByteCount = ByteCount(EXTENTS * EXTENT_SIZE);

/// A placement or a removal on its way.
enum Placing {
    Files(BTreeMap<ExtentIndex, Placement>),
    Record(BTreeMap<ExtentIndex, Placement>),
    Removal(Vec<ExtentFile>),
}

/// A request that is not answered.
struct Asked {
    request: Request,
    since: u64,
}

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

    pub fn submit(&mut self, request: Request) -> Checked {
        let number = self.next_request;
        self.next_request += 1;
        match &request {
            Request::Write { offset, data, .. } => {
                let stamp = Stamp::from_le_bytes([data[0], data[1], data[2], data[3]]);
                self.model
                    .write(number, sectors(*offset, data.len() as u64), stamp);
            }
            Request::Trim { offset, length, .. } | Request::WriteZeroes { offset, length, .. } => {
                self.model.clear(number, sectors(*offset, *length));
            }
            Request::Read { .. } | Request::Map { .. } | Request::Flush => {}
        }
        let id = RequestId(number);
        self.asked.insert(
            id,
            Asked {
                request: request.clone(),
                since: self.time,
            },
        );
        self.head_event(HeadEvent::Request(id, request))
    }

    /// Something that is on its way arrives; false if nothing is.
    pub fn step(&mut self) -> Result<bool, String> {
        self.time += 1;
        let links: Vec<_> = nonempty(&self.links);
        let answers: Vec<_> = nonempty(&self.answers);
        let counts = [
            links.len(),
            answers.len(),
            self.running.len(),
            self.ended.len(),
            self.placing.len(),
        ];
        let total: usize = counts.iter().sum();
        if total == 0 {
            return Ok(false);
        }
        let mut pick = self.rng.random_range(0..total);
        let mut kind = 0;
        while pick >= counts[kind] {
            pick -= counts[kind];
            kind += 1;
        }
        match kind {
            0 => self.deliver(links[pick].0, links[pick].1),
            1 => {
                let answer = self
                    .answers
                    .get_mut(&answers[pick])
                    .and_then(VecDeque::pop_front);
                if let Some(answer) = answer {
                    self.head_event(HeadEvent::Answer(answer))?;
                }
            }
            2 => {
                let (number, id, op) = self.running.swap_remove(pick);
                let exhausted = self.is_exhausted(&op);
                let disk = self.disks.get_mut(&number).ok_or("no such disk")?;
                let result = if exhausted {
                    Err(DiskFault::Exhausted)
                } else {
                    disk.apply(&op)
                };
                self.ended.push((number, id, result));
                self.check_marks()?;
            }
            3 => {
                let (number, id, result) = self.ended.swap_remove(pick);
                self.replica_event(number, ReplicaEvent::Done(id, result));
            }
            _ => self.place_step(pick)?,
        }
        Ok(true)
    }

    /// Whether the process finds no descriptor for an operation. What a clean stop is made of is left
    /// alone: it is checked to succeed.
    fn is_exhausted(&mut self, op: &DiskOp) -> bool {
        let refusable = match op {
            DiskOp::Read { .. }
            | DiskOp::Write { .. }
            | DiskOp::Zero { .. }
            | DiskOp::LoadSums { .. }
            | DiskOp::Resum { .. }
            | DiskOp::WriteLog(_) => true,
            DiskOp::Sync { .. }
            | DiskOp::Settle { .. }
            | DiskOp::WritePromise(_)
            | DiskOp::Remove { .. } => false,
        };
        refusable && self.may_be_exhausted && self.rng.random_bool(0.02)
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

    fn deliver(&mut self, epoch: u64, number: DiskNumber) {
        if let Some(message) = self
            .links
            .get_mut(&(epoch, number))
            .and_then(VecDeque::pop_front)
        {
            self.replica_event(number, ReplicaEvent::Message(message));
        }
    }

    fn replica_event(&mut self, number: DiskNumber, event: ReplicaEvent) {
        let Some(replica) = self.replicas.get_mut(&number) else {
            return;
        };
        let mut effects = Vec::new();
        replica.handle(event, &mut effects);
        for effect in effects {
            match effect {
                ReplicaEffect::Answer(answer) => {
                    let link = (answer.epoch.0, number);
                    self.answers.entry(link).or_default().push_back(answer);
                }
                ReplicaEffect::Disk(id, op) => self.running.push((number, id, op)),
            }
        }
    }

    fn head_event(&mut self, event: HeadEvent) -> Checked {
        let Some(head) = &mut self.head else {
            return Ok(());
        };
        let mut effects = Vec::new();
        head.handle(Moment(self.time), event, &mut effects);
        for effect in effects {
            match effect {
                HeadEffect::Send(message) => {
                    let link = (message.epoch.0, message.disk);
                    self.links.entry(link).or_default().push_back(message);
                }
                HeadEffect::Reply(id, reply) => self.replied(id, reply)?,
                HeadEffect::Place(extents) => {
                    let alloc = Alloc(self.revision);
                    let disks = self.disks.keys().map(|&disk| (disk, Role::Full));
                    let placement = Placement {
                        alloc,
                        replicas: disks.collect(),
                    };
                    let placements = extents
                        .into_iter()
                        .map(|extent| (extent, placement.clone()));
                    self.placing.push(Placing::Files(placements.collect()));
                }
                HeadEffect::Unplace(files) => self.placing.push(Placing::Removal(files)),
                HeadEffect::Started(outcome) => self.started = Some(outcome),
                HeadEffect::Settled(outcome) => self.settled = Some(outcome),
            }
        }
        Ok(())
    }

    fn place_step(&mut self, at: usize) -> Checked {
        match self.placing.swap_remove(at) {
            Placing::Files(placements) => {
                for (&extent, placement) in &placements {
                    for disk in self.disks.values_mut() {
                        disk.create(ExtentFile {
                            extent,
                            alloc: placement.alloc,
                        });
                    }
                }
                self.placing.push(Placing::Record(placements));
            }
            Placing::Record(placements) => {
                self.revision += 1;
                self.placed.extend(placements.clone());
                for (extent, placement) in placements {
                    self.head_event(HeadEvent::Placed(extent, placement))?;
                }
            }
            Placing::Removal(files) => {
                self.revision += 1;
                for file in &files {
                    let placed = self.placed.get(&file.extent);
                    if placed.is_some_and(|placement| placement.alloc == file.alloc) {
                        self.placed.remove(&file.extent);
                    }
                }
                let extents = files.iter().map(|file| file.extent).collect();
                self.head_event(HeadEvent::Unplaced(extents, Ok(())))?;
            }
        }
        Ok(())
    }

    fn replied(&mut self, id: RequestId, reply: Reply) -> Checked {
        let Some(Asked { request, since }) = self.asked.remove(&id) else {
            return Err(format!("request {} is answered twice", id.0));
        };
        let (range, fua) = match &request {
            Request::Read { offset, .. } => {
                return match reply {
                    Ok(bytes) => self.model.read(id.0, offset / SECTOR, &bytes),
                    Err(IoError::Exhausted) => Ok(()),
                    Err(error) => Err(format!("V10: a read failed: {error}")),
                };
            }
            Request::Map { offset, length, .. } => {
                return match reply {
                    Ok(answer) => self.check_map(id, (*offset, *length), answer),
                    Err(IoError::Exhausted) => Ok(()),
                    Err(error) => Err(format!("a map failed: {error}")),
                };
            }
            Request::Flush => {
                reply.map_err(|error| format!("a flush failed: {error}"))?;
                self.model.flushed(since);
                return Ok(());
            }
            Request::Write { offset, data, fua } => (sectors(*offset, data.len() as u64), *fua),
            Request::Trim {
                offset,
                length,
                fua,
            }
            | Request::WriteZeroes {
                offset,
                length,
                fua,
                ..
            } => (sectors(*offset, *length), *fua),
        };
        if let Err(error @ (IoError::Io | IoError::Invalid | IoError::Gone)) = reply {
            return Err(format!("a write failed: {error}"));
        }
        self.model
            .answered(id.0, range, fua, reply.is_ok(), self.time);
        Ok(())
    }

    /// One of the extents that are placed.
    pub fn some_extent(&mut self) -> Option<ExtentIndex> {
        let placed: Vec<_> = self.placed.keys().copied().collect();
        placed.choose(&mut self.rng).copied()
    }
}

fn sectors(offset: u64, length: u64) -> std::ops::Range<u64> {
    offset / SECTOR..(offset + length) / SECTOR
}

fn nonempty<T>(queues: &BTreeMap<(u64, DiskNumber), VecDeque<T>>) -> Vec<(u64, DiskNumber)> {
    queues
        .iter()
        .filter(|(_, queue)| !queue.is_empty())
        .map(|(&link, _)| link)
        .collect()
}
