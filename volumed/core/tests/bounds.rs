//! Whatever a client asks for, and whatever a volume holds, each message of its head fits a frame.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;
use volumed_core::head::{Head, HeadEffect, HeadEvent, HeadSettings, HeadStart, Moment, RequestId};
use volumed_core::marks;
use volumed_core::message::{Answer, Ask, MOST_LISTED, Message};
use volumed_core::placement::{Placement, Role};
use volumed_core::wire::{Frame, HEADER_SIZE, Header};
use volumed_core::{
    Alloc, ByteCount, DiskNumber, EXTENT_SIZE, Epoch, ExtentIndex, REGIONS_PER_EXTENT, RegionIndex,
    Reply, Request, VolumeId,
};

const DISK: DiskNumber = DiskNumber(0);

/// A head of so many extents, of whose regions so many are dirty.
fn head(extents: u64, dirty: u64) -> Head {
    let placement = Placement {
        alloc: Alloc(1),
        replicas: vec![(DISK, Role::Full)],
    };
    let mut head = Head::new(HeadStart {
        volume: VolumeId(1),
        epoch: Epoch(1),
        size: ByteCount(extents * EXTENT_SIZE),
        quota: None,
        settings: HeadSettings {
            max_dirty: MOST_LISTED,
            clean_after: 10_000,
        },
        disks: BTreeSet::from([DISK]),
        extents: (0..extents)
            .map(|extent| (ExtentIndex(extent), placement.clone()))
            .collect(),
        lost: BTreeMap::new(),
        stale: BTreeSet::new(),
        fell_behind: BTreeMap::new(),
        incarnations: BTreeMap::new(),
    });
    let mut effects = tell(&mut head, HeadEvent::Start);
    while let Some(effect) = effects.pop() {
        if let HeadEffect::Send(message) = effect {
            let mut answer = done(&message);
            if message.ask == Ask::Promise {
                answer.result = Ok(marks::pack(&(0..dirty).map(RegionIndex).collect()));
            }
            effects.extend(tell(&mut head, HeadEvent::Answer(answer)));
        }
    }
    head
}

fn tell(head: &mut Head, event: HeadEvent) -> Vec<HeadEffect> {
    let mut effects = Vec::new();
    head.handle(Moment(0), event, &mut effects);
    effects
}

/// What a replica answers that does everything: a read gives the low bytes of the volume's offsets.
fn done(message: &Message) -> Answer {
    let byte = |at: u32, offset: u32| (offset + at) as u8;
    let data = match message.ask {
        Ask::Read { offset, length, .. } => (0..length).map(|at| byte(at, offset)).collect(),
        _ => Bytes::new(),
    };
    Answer {
        volume: message.volume,
        disk: message.disk,
        incarnation: message.incarnation,
        epoch: message.epoch,
        op: message.op,
        allocated: 0,
        granted: 1 << 40,
        result: Ok(data),
    }
}

/// Has all be done, over the wire; the messages, and what the client was answered.
fn run(head: &mut Head, request: Request) -> (Vec<Message>, Vec<Reply>) {
    let (mut messages, mut replies) = (Vec::new(), Vec::new());
    let mut effects = tell(head, HeadEvent::Request(RequestId(1), request));
    while let Some(effect) = effects.pop() {
        match effect {
            HeadEffect::Send(message) => {
                let Frame::Message(message) = carried(&Frame::Message(message)) else {
                    panic!("a message")
                };
                let Frame::Answer(answer) = carried(&Frame::Answer(done(&message))) else {
                    panic!("an answer")
                };
                effects.extend(tell(head, HeadEvent::Answer(answer)));
                messages.push(message);
            }
            HeadEffect::Unplace(files) => {
                let extents = files.iter().map(|file| file.extent).collect();
                effects.extend(tell(head, HeadEvent::Unplaced(extents, Ok(()))));
            }
            HeadEffect::Reply(_, reply) => replies.push(reply),
            _ => {}
        }
    }
    (messages, replies)
}

/// What comes out at the other end.
fn carried(frame: &Frame) -> Frame {
    let encoded = frame.encode();
    let (header, body) = encoded
        .head
        .split_first_chunk::<HEADER_SIZE>()
        .expect("a header");
    let header = Header::decode(header).expect("a header");
    let body = Bytes::from([body, &encoded.data].concat());
    let read = header.frame(body).expect("it is within its bounds");
    assert_eq!(read, *frame);
    read
}

const MOST: u32 = 32 << 20;

/// Around the ends of blocks, of messages and of extents, and anywhere.
fn range() -> impl Strategy<Value = (u64, u32)> {
    let near = |at: u64| (at.saturating_sub(5000)..at + 5000).boxed();
    let offset = prop_oneof![
        near(0),
        near(1 << 20),
        near(EXTENT_SIZE),
        0..3 * EXTENT_SIZE
    ];
    let length = prop_oneof![
        0..10_000_u32,
        (1_u32 << 20) - 5000..(1 << 20) + 5000,
        0..=MOST
    ];
    (offset, length)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn every_request_is_carried_in_bounded_messages((offset, length) in range(), durable: bool) {
        let mut head = head(4, 0);
        let (_, replies) = run(&mut head, Request::Read { offset, length });
        let expected: Bytes = (0..u64::from(length)).map(|at| (offset + at) as u8).collect();
        prop_assert!(replies == [Ok(expected)]);

        let data = Bytes::from(vec![1; length as usize]);
        let (fua, length) = (durable, u64::from(length));
        let write = Request::Write { offset, data, fua };
        let (messages, replies) = run(&mut head, write);
        prop_assert_eq!(replies, [Ok(Bytes::new())]);
        let written = messages.iter().map(|message| match &message.ask {
            Ask::Write { data, .. } => data.len() as u64,
            _ => 0,
        });
        prop_assert_eq!(written.sum::<u64>(), length);

        let zeroes = Request::WriteZeroes { offset, length, fua, no_hole: durable };
        for request in [zeroes, Request::Trim { offset, length, fua }, Request::Flush] {
            let (_, replies) = run(&mut head, request);
            prop_assert_eq!(replies, [Ok(Bytes::new())]);
        }
    }
}

#[test]
fn a_flush_of_any_number_of_extents_is_carried_in_bounded_messages() {
    let extents = MOST_LISTED as u64 + 10;
    let mut head = head(extents, 0);
    for extent in (0..extents).map(ExtentIndex) {
        let (offset, data) = (extent.start(), Bytes::from_static(&[1; 4096]));
        let fua = false;
        run(&mut head, Request::Write { offset, data, fua });
    }
    let (messages, replies) = run(&mut head, Request::Flush);
    assert_eq!(replies, [Ok(Bytes::new())]);
    let synced = messages.iter().map(|message| match &message.ask {
        Ask::Sync { extents } => extents.len(),
        other => panic!("{other:?}"),
    });
    assert_eq!(synced.collect::<Vec<_>>(), [10, MOST_LISTED]);
}

#[test]
fn cleaning_any_number_of_regions_is_carried_in_bounded_messages() {
    let dirty = MOST_LISTED as u64 + 10;
    let mut head = head(dirty.div_ceil(REGIONS_PER_EXTENT), dirty);
    assert_eq!(head.dirty_regions() as u64, dirty);
    let mut effects = tell(&mut head, HeadEvent::Settle);
    let mut settled = false;
    while let Some(effect) = effects.pop() {
        match effect {
            HeadEffect::Send(message) => {
                carried(&Frame::Message(message.clone()));
                effects.extend(tell(&mut head, HeadEvent::Answer(done(&message))));
            }
            HeadEffect::Settled(outcome) => settled = outcome.is_ok(),
            _ => {}
        }
    }
    assert!(settled);
    assert_eq!(head.dirty_regions(), 0);
}
