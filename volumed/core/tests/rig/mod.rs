//! Volumes on one disk, each with its head and its replica, on which everything happens at once unless
//! it is held up.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use volumed_core::format::Slots;
use volumed_core::head::{Head, HeadEffect, HeadEvent, HeadSettings, HeadStart, Moment, RequestId};
use volumed_core::message::{Ask, ExtentFile, OpId};
use volumed_core::placement::{Placement, Role};
use volumed_core::replica::{
    DiskAnswer, DiskOp, DiskOpId, Recovered, Replica, ReplicaEffect, ReplicaEvent,
};
use volumed_core::space::DiskSpace;
use volumed_core::sums::HOLE;
use volumed_core::{
    Alloc, BLOCK_SIZE, ByteCount, DiskNumber, Epoch, ExtentIndex, Incarnation, LostBlocks, Reply,
    Request, VolumeId,
};

pub const DISK: DiskNumber = DiskNumber(0);

/// How often something was done.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Counts {
    pub messages: usize,
    pub grants: usize,
    pub disk: usize,
    pub store: usize,
}

struct Tenant {
    head: Head,
    replica: Replica,
    replies: BTreeMap<u64, Reply>,
}

enum Input {
    Head(usize, HeadEvent),
    Replica(usize, ReplicaEvent),
}

pub struct Rig {
    pub space: Arc<DiskSpace>,
    pub counts: Counts,
    /// Whether writes stay under way.
    pub hold_writes: bool,
    /// What each extent was placed as, of each volume.
    pub placed: Vec<BTreeMap<ExtentIndex, Alloc>>,
    /// Lost blocks that the store is to call well, in turn.
    pub mends: VecDeque<(OpId, ExtentIndex, Range<u32>)>,
    held: Vec<(usize, DiskOpId, DiskOp)>,
    tenants: Vec<Tenant>,
    revision: u64,
    next_request: u64,
    pub now: u64,
}

impl Rig {
    /// So many volumes of this size with a quota, on a disk with room for so many blocks.
    pub fn new(volumes: u64, size: u64, quota: Option<u64>, room: u64) -> Self {
        Self::with_lost(volumes, size, quota, room, &[])
    }

    /// The same, and each volume lost these extents with a disk.
    pub fn with_lost(
        volumes: u64,
        size: u64,
        quota: Option<u64>,
        room: u64,
        lost: &[ExtentIndex],
    ) -> Self {
        let lost_then = Placement {
            alloc: Alloc(1),
            replicas: Vec::new(),
        };
        let space = Arc::new(DiskSpace::default());
        space.set_limit(ByteCount(room * BLOCK_SIZE));
        let tenant = |volume| {
            let found = Recovered {
                incarnation: Incarnation(0),
                promise: Slots::Fresh,
                log: Slots::Fresh,
                missed: Slots::Fresh,
                extents: Vec::new(),
            };
            let replica = Replica::recover(VolumeId(volume), DISK, Arc::clone(&space), found);
            let head = Head::new(HeadStart {
                volume: VolumeId(volume),
                epoch: Epoch(1),
                size: ByteCount(size),
                quota,
                settings: HeadSettings::for_replicas(1),
                disks: BTreeSet::from([DISK]),
                extents: lost.iter().map(|&it| (it, lost_then.clone())).collect(),
                lost: lost.iter().map(|&it| (it, LostBlocks::all())).collect(),
                stale: BTreeSet::new(),
                fell_behind: BTreeMap::new(),
                incarnations: BTreeMap::new(),
            });
            Tenant {
                head,
                replica: replica.expect("a replica"),
                replies: BTreeMap::new(),
            }
        };
        let tenants: Vec<_> = (0..volumes).map(tenant).collect();
        let mut rig = Self {
            placed: vec![lost.iter().map(|&it| (it, Alloc(1))).collect(); tenants.len()],
            mends: VecDeque::new(),
            space,
            counts: Counts::default(),
            hold_writes: false,
            held: Vec::new(),
            tenants,
            revision: 1,
            next_request: 0,
            now: 0,
        };
        for volume in 0..rig.tenants.len() {
            rig.tell(volume, HeadEvent::Start);
        }
        rig
    }

    pub fn allocated(&self, volume: usize) -> u64 {
        self.tenants[volume].replica.allocated()
    }

    /// Asks, and answers the request's number.
    pub fn begin(&mut self, volume: usize, request: Request) -> u64 {
        self.next_request += 1;
        let id = RequestId(self.next_request);
        self.tell(volume, HeadEvent::Request(id, request));
        self.next_request
    }

    /// What a request was answered.
    pub fn reply(&mut self, volume: usize, request: u64) -> Option<Reply> {
        self.tenants[volume].replies.remove(&request)
    }

    /// Asks and is answered.
    pub fn ask(&mut self, volume: usize, request: Request) -> Reply {
        let id = self.begin(volume, request);
        self.reply(volume, id).expect("an answer")
    }

    pub fn tick(&mut self, volume: usize) {
        self.tell(volume, HeadEvent::Tick);
    }

    /// Whether every write that is held up is to be durable.
    pub fn held_durably(&self) -> bool {
        let durable = |op: &DiskOp| matches!(op, DiskOp::Write { durable: true, .. });
        !self.held.is_empty() && self.held.iter().all(|(_, _, op)| durable(op))
    }

    /// The writes that were held up happen now.
    pub fn finish_writes(&mut self) {
        self.hold_writes = false;
        for (volume, id, op) in std::mem::take(&mut self.held) {
            let answer = self.carry_out(&op);
            self.run(Input::Replica(volume, ReplicaEvent::Done(id, Ok(answer))));
        }
    }

    pub fn tell(&mut self, volume: usize, event: HeadEvent) {
        self.run(Input::Head(volume, event));
    }

    fn run(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            match input {
                Input::Head(volume, event) => {
                    let mut effects = Vec::new();
                    let head = &mut self.tenants[volume].head;
                    head.handle(Moment(self.now), event, &mut effects);
                    for effect in effects {
                        self.of_head(volume, effect, &mut inputs);
                    }
                }
                Input::Replica(volume, event) => {
                    let mut effects = Vec::new();
                    let replica = &mut self.tenants[volume].replica;
                    replica.handle(event, &mut effects);
                    for effect in effects {
                        self.of_replica(volume, effect, &mut inputs);
                    }
                }
            }
        }
    }

    fn of_head(&mut self, volume: usize, effect: HeadEffect, inputs: &mut VecDeque<Input>) {
        match effect {
            HeadEffect::Send(message) => {
                self.counts.messages += 1;
                self.counts.grants += usize::from(matches!(message.ask, Ask::Grant { .. }));
                inputs.push_back(Input::Replica(volume, ReplicaEvent::Message(message)));
            }
            HeadEffect::Reply(id, reply) => {
                self.tenants[volume].replies.insert(id.0, reply);
            }
            HeadEffect::Place(extents) => {
                self.counts.store += 1;
                self.revision += 1;
                let alloc = Alloc(self.revision);
                for extent in extents {
                    self.placed[volume].insert(extent, alloc);
                    let replicas = vec![(DISK, Role::Full)];
                    let placed = HeadEvent::Placed(extent, Placement { alloc, replicas });
                    inputs.push_back(Input::Head(volume, placed));
                }
            }
            HeadEffect::Mend(op, extent, blocks) => self.mends.push_back((op, extent, blocks)),
            HeadEffect::Unplace(files) => {
                self.counts.store += 1;
                for ExtentFile { extent, alloc } in &files {
                    assert_eq!(self.placed[volume].remove(extent), Some(*alloc));
                }
                let extents = files.iter().map(|file| file.extent).collect();
                inputs.push_back(Input::Head(volume, HeadEvent::Unplaced(extents, Ok(()))));
            }
            HeadEffect::Started(outcome) | HeadEffect::Settled(outcome) => {
                assert_eq!(outcome, Ok(()));
            }
            HeadEffect::Copy(..)
            | HeadEffect::Switch(..)
            | HeadEffect::GiveUp(..)
            | HeadEffect::Exclude(..)
            | HeadEffect::Include(_)
            | HeadEffect::Resync(..)
            | HeadEffect::Compared(..)
            | HeadEffect::Lost(_) => panic!("there is one replica here"),
        }
    }

    fn of_replica(&mut self, volume: usize, effect: ReplicaEffect, inputs: &mut VecDeque<Input>) {
        match effect {
            ReplicaEffect::Answer(answer) => {
                inputs.push_back(Input::Head(volume, HeadEvent::Answer(answer)));
            }
            ReplicaEffect::Disk(id, op) => {
                if self.hold_writes && matches!(op, DiskOp::Write { .. }) {
                    return self.held.push((volume, id, op));
                }
                let answer = self.carry_out(&op);
                inputs.push_back(Input::Replica(volume, ReplicaEvent::Done(id, Ok(answer))));
            }
            ReplicaEffect::DamageChanged | ReplicaEffect::Scrubbed { .. } => {}
            ReplicaEffect::Recall => {
                for tenant in 0..self.tenants.len() {
                    self.tell(tenant, HeadEvent::Recall(DISK));
                }
                inputs.push_back(Input::Replica(volume, ReplicaEvent::Recalled));
            }
        }
    }

    /// Nothing is kept but the sums, which replicas do not forget here: an extent that is loaded is new.
    fn carry_out(&mut self, op: &DiskOp) -> DiskAnswer {
        self.counts.disk += 1;
        let block = BLOCK_SIZE as u32;
        match op {
            DiskOp::Write { offset, data, .. } => {
                let end = offset + data.len() as u32;
                let blocks = end.div_ceil(block) - offset / block;
                DiskAnswer::Sums(vec![1; blocks as usize])
            }
            DiskOp::Zero { length, keep, .. } => {
                let mark = if *keep { 1 } else { HOLE };
                DiskAnswer::Sums(vec![mark; (length / block) as usize])
            }
            DiskOp::LoadSums { .. } => DiskAnswer::Page {
                page: Box::new([HOLE; 1024]),
            },
            DiskOp::Read { expected, .. } => {
                DiskAnswer::Data(Bytes::from(vec![0; expected.len() * BLOCK_SIZE as usize]))
            }
            _ => DiskAnswer::Done,
        }
    }
}
