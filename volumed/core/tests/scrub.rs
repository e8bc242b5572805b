//! A scrub beside a client, on a disk that rots: it finds every block that rotted, and none that did
//! not, however writes and the check are cut into each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use volumed_core::format::Slots;
use volumed_core::message::{Ask, ExtentFile, Message, OpId};
use volumed_core::replica::{
    BadBlock, DiskAnswer, DiskOp, DiskOpId, Recovered, Replica, ReplicaEffect, ReplicaEvent,
};
use volumed_core::space::DiskSpace;
use volumed_core::sums::{HOLE, SumsPage, sum, verify};
use volumed_core::{
    Alloc, BLOCK_SIZE, BLOCKS_PER_REGION, BlockIndex, ByteCount, DiskNumber, Epoch, ExtentIndex,
    Incarnation, RegionIndex, VolumeId,
};

const FILE: ExtentFile = ExtentFile {
    extent: ExtentIndex(0),
    alloc: Alloc(1),
};
/// In two regions.
const BLOCKS: [u32; 6] = [0, 1, 2, 3, 1024, 1025];

fn block(fill: u8) -> Bytes {
    vec![fill; BLOCK_SIZE as usize].into()
}

/// What an operation has still to do on the disk.
enum Step {
    WriteData(u32, u8),
    WriteSum(u32, u8),
    ReadSums(RegionIndex),
    /// Each block's sum, and those that are still to be read.
    ReadData(Box<SumsPage>, Vec<u32>, Vec<BadBlock>),
}

struct Disk {
    data: BTreeMap<u32, u8>,
    sums: BTreeMap<u32, u8>,
    /// What the client wrote last, and was answered.
    rotten: BTreeSet<u32>,
    running: Vec<(DiskOpId, Step)>,
}

struct World {
    replica: Replica,
    disk: Disk,
    /// Blocks that a write is under way to.
    busy: BTreeSet<u32>,
    scrubbed: Option<RegionIndex>,
    next: Option<RegionIndex>,
}

fn page_of(sums: &BTreeMap<u32, u8>, region: RegionIndex) -> Box<SumsPage> {
    let mut page = Box::new([HOLE; BLOCKS_PER_REGION]);
    let first = region.0 as u32 * BLOCKS_PER_REGION as u32;
    for (at, sum_of) in page.iter_mut().enumerate() {
        let fill = sums.get(&(first + at as u32));
        *sum_of = fill.map_or(HOLE, |&fill| sum(&block(fill)));
    }
    page
}

impl World {
    fn new() -> Self {
        let space = Arc::new(DiskSpace::default());
        space.set_limit(ByteCount(1 << 30));
        let found = Recovered {
            incarnation: Incarnation(0),
            promise: Slots::Fresh,
            log: Slots::Fresh,
            missed: Slots::Fresh,
            extents: vec![(FILE, BLOCKS.len() as u32)],
        };
        let replica = Replica::recover(VolumeId(1), DiskNumber(0), space, found);
        let whole = || BLOCKS.into_iter().map(|at| (at, 1)).collect();
        let disk = Disk {
            data: whole(),
            sums: whole(),
            rotten: BTreeSet::new(),
            running: Vec::new(),
        };
        Self {
            replica: replica.expect("a fresh disk"),
            disk,
            busy: BTreeSet::new(),
            scrubbed: None,
            next: None,
        }
    }

    fn take(&mut self, effects: Vec<ReplicaEffect>) {
        for effect in effects {
            match effect {
                ReplicaEffect::Disk(id, op) => self.begin(id, op),
                ReplicaEffect::Scrubbed { region, .. } => {
                    self.scrubbed = None;
                    self.next = Some(RegionIndex(region.0 + 1));
                }
                ReplicaEffect::Answer(_) | ReplicaEffect::DamageChanged | ReplicaEffect::Recall => {
                }
            }
        }
    }

    fn begin(&mut self, id: DiskOpId, op: DiskOp) {
        let step = match op {
            DiskOp::Write { offset, data, .. } => {
                Step::WriteData(offset / BLOCK_SIZE as u32, data[0])
            }
            DiskOp::LoadSums { region, .. } => {
                let page = page_of(&self.disk.sums, region);
                return self.done(id, DiskAnswer::Page { page });
            }
            DiskOp::Verify {
                expected: Some(page),
                region,
                ..
            } => Step::ReadData(page, to_read(region), Vec::new()),
            DiskOp::Verify { region, .. } => Step::ReadSums(region),
            other => panic!("{other:?}"),
        };
        self.disk.running.push((id, step));
    }

    fn done(&mut self, id: DiskOpId, answer: DiskAnswer) {
        let mut effects = Vec::new();
        let event = ReplicaEvent::Done(id, Ok(answer));
        self.replica.handle(event, &mut effects);
        self.take(effects);
    }

    /// The client writes a block that nobody writes.
    fn write(&mut self, at: u32, fill: u8) {
        if !self.busy.insert(at) {
            return;
        }
        let message = Message {
            volume: VolumeId(1),
            disk: DiskNumber(0),
            incarnation: Incarnation(0),
            epoch: Epoch(0),
            op: OpId(1),
            ask: Ask::Write {
                file: FILE,
                offset: at * BLOCK_SIZE as u32,
                data: block(fill),
                durable: false,
                clear: false,
            },
        };
        let mut effects = Vec::new();
        self.replica
            .handle(ReplicaEvent::Message(message), &mut effects);
        self.take(effects);
    }

    /// A block rots that is not being written.
    fn rot(&mut self, at: u32) {
        if self.scrubbed.is_none() && !self.busy.contains(&at) {
            self.disk.data.insert(at, 0xff);
            self.disk.rotten.insert(at);
        }
    }

    fn scrub(&mut self) {
        if self.scrubbed.is_none() {
            let mut effects = Vec::new();
            let from = self.next.unwrap_or(RegionIndex(0));
            // Behind the extent's last block there is nothing to check.
            let from = if from.0 > 1 { RegionIndex(0) } else { from };
            self.scrubbed = self.replica.scrub(from, &mut effects);
            self.take(effects);
        }
    }

    fn step(&mut self, pick: usize) {
        if self.disk.running.is_empty() {
            return;
        }
        let at = pick % self.disk.running.len();
        let (id, step) = self.disk.running.swap_remove(at);
        let next = match step {
            Step::WriteData(at, fill) => {
                self.disk.data.insert(at, fill);
                Step::WriteSum(at, fill)
            }
            Step::WriteSum(at, fill) => {
                self.disk.sums.insert(at, fill);
                self.disk.rotten.remove(&at);
                self.busy.remove(&at);
                return self.done(id, DiskAnswer::Sums(vec![sum(&block(fill))]));
            }
            Step::ReadSums(region) => {
                let page = page_of(&self.disk.sums, region);
                Step::ReadData(page, to_read(region), Vec::new())
            }
            Step::ReadData(page, mut left, mut damaged) => {
                let Some(at) = left.pop() else {
                    let blocks = BLOCKS.len() as u32;
                    return self.done(id, DiskAnswer::Verified { blocks, damaged });
                };
                let expected = page[at as usize % BLOCKS_PER_REGION];
                let there = block(self.disk.data[&at]);
                if verify(&there, &[expected]).is_err() {
                    let found = sum(&there);
                    damaged.push(BadBlock { block: at, found });
                }
                Step::ReadData(page, left, damaged)
            }
        };
        self.disk.running.push((id, next));
    }

    fn damaged(&self) -> BTreeSet<u32> {
        let blocks = self.replica.damage().blocks.iter();
        blocks.map(|(BlockIndex(at), _)| *at as u32).collect()
    }
}

fn to_read(region: RegionIndex) -> Vec<u32> {
    let of_region = |at: &u32| u64::from(*at) / BLOCKS_PER_REGION as u64 == region.0;
    BLOCKS.into_iter().filter(of_region).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn a_scrub_finds_what_rotted_and_nothing_else(
        actions in proptest::collection::vec((0..10_u8, 0..6_usize, 2..200_u8), 1..200),
    ) {
        let mut world = World::new();
        for (action, which, fill) in actions {
            match action {
                0 | 1 => world.write(BLOCKS[which], fill),
                2 if fill < 30 => world.rot(BLOCKS[which]),
                3 => world.scrub(),
                _ => world.step(fill.into()),
            }
            prop_assert!(world.damaged().is_subset(&world.disk.rotten), "no other block rotted");
        }
        // Twice, of both regions, with nobody there.
        for _ in 0..4 {
            world.scrub();
            while !world.disk.running.is_empty() {
                world.step(0);
            }
        }
        prop_assert_eq!(world.damaged(), world.disk.rotten);
    }
}
