//! What another node sends: frames, and a replica that does what they ask.

use std::sync::Arc;

use bytes::Bytes;
use volumed_core::chunk::Chunk;
use volumed_core::format::{PromiseRecord, Slots};
use volumed_core::message::{ExtentFile, Message};
use volumed_core::replica::{
    DiskAnswer, DiskFault, DiskOp, DiskResult, Recovered, Replica, ReplicaEffect, ReplicaEvent,
};
use volumed_core::wire::{Frame, HEADER_SIZE, Header, MAX_BODY, VERSION};
use volumed_core::{Alloc, DiskNumber, Epoch, ExtentIndex, Incarnation, VolumeId};

const VOLUME: VolumeId = VolumeId(1);
const DISK: DiskNumber = DiskNumber(1);
const INCARNATION: Incarnation = Incarnation(1);

/// A stream of frames, whose versions are made right. What is read is written as it was, and a
/// replica takes it.
pub fn frames(data: &[u8]) {
    let mut replica = replica();
    let mut rest = data;
    while let Some((header, behind)) = rest.split_first_chunk::<HEADER_SIZE>() {
        let mut header = *header;
        header[4..6].copy_from_slice(&VERSION.to_le_bytes());
        let Ok(read) = Header::decode(&header) else {
            return;
        };
        assert!(read.body_length() <= MAX_BODY);
        let Some((body, behind)) = behind.split_at_checked(read.body_length()) else {
            return;
        };
        rest = behind;
        let Ok(frame) = read.frame(Bytes::copy_from_slice(body)) else {
            continue;
        };
        let written = frame.encode();
        assert_eq!(
            [&written.head[..], &written.data].concat(),
            [&header[..], body].concat()
        );
        if let Frame::Message(message) = frame {
            take(&mut replica, message);
        }
    }
}

/// One that promised epoch 1 and holds two extents.
fn replica() -> Replica {
    let file = |extent| ExtentFile {
        extent: ExtentIndex(extent),
        alloc: Alloc(1),
    };
    let found = Recovered {
        incarnation: INCARNATION,
        promise: Slots::Newest(PromiseRecord {
            sequence: 1,
            volume: VOLUME,
            epoch: Epoch(1),
        }),
        log: Slots::Fresh,
        missed: Slots::Fresh,
        extents: vec![(file(0), 0), (file(1), 0)],
    };
    Replica::recover(VOLUME, DISK, Arc::default(), found).expect("a replica")
}

/// Has the replica do what it is asked by one of two heads, and its disk what that needs.
fn take(replica: &mut Replica, message: Message) {
    let message = Message {
        volume: VOLUME,
        disk: DISK,
        incarnation: INCARNATION,
        epoch: Epoch(message.epoch.0 % 2 + 1),
        ..message
    };
    let mut effects = Vec::new();
    replica.handle(ReplicaEvent::Message(message), &mut effects);
    while let Some(effect) = effects.pop() {
        match effect {
            ReplicaEffect::Disk(op, work) => {
                replica.handle(ReplicaEvent::Done(op, run(&work)), &mut effects);
            }
            ReplicaEffect::Answer(answer) => {
                let answer = Frame::Answer(answer).encode();
                assert!(answer.head.len() + answer.data.len() <= HEADER_SIZE + MAX_BODY);
            }
            ReplicaEffect::Recall
            | ReplicaEffect::DamageChanged
            | ReplicaEffect::Scrubbed { .. } => {}
        }
    }
}

/// A disk that holds zeroes, and cannot write the third block of any extent.
fn run(op: &DiskOp) -> DiskResult {
    let sums = |offset: u32, length: u32| {
        let blocks = offset / 4096..(offset + length).div_ceil(4096);
        let bad = blocks.contains(&2);
        let sums = blocks.map(|_| 7).collect();
        if bad {
            Err(DiskFault::Io)
        } else {
            Ok(DiskAnswer::Sums(sums))
        }
    };
    match op {
        DiskOp::Read { expected, .. } => {
            let zeroes = vec![0; expected.len() * 4096];
            Ok(DiskAnswer::Data(zeroes.into()))
        }
        DiskOp::Fetch { sums, .. } => {
            let zeroes = vec![0; sums.len() * 4096];
            Ok(DiskAnswer::Data(Chunk::pack(sums, &zeroes)))
        }
        DiskOp::Store { offset, chunk, .. } => {
            chunk.changed_on_the_way();
            chunk.runs();
            sums(*offset, chunk.sums.len() as u32 * 4096)
        }
        DiskOp::Write { offset, data, .. } => sums(*offset, data.len() as u32),
        DiskOp::Zero { offset, length, .. } => sums(*offset, *length),
        DiskOp::LoadSums { .. } => Ok(DiskAnswer::Page {
            page: Box::new([0; 1024]),
        }),
        DiskOp::Resum { .. } => Ok(DiskAnswer::Summed {
            page: Box::new([0; 1024]),
            before: 0,
            lost: Vec::new(),
        }),
        _ => Ok(DiskAnswer::Done),
    }
}
