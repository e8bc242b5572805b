//! Space: exact at the limit, taken for a whole request or not at all, and back at once.

mod rig;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use rig::Rig;
use volumed_core::format::{DirtyLogRecord, Slots};
use volumed_core::head::HeadEvent;
use volumed_core::message::{Ask, ExtentFile, Message, OpId};
use volumed_core::replica::{DiskAnswer, DiskOp, Recovered, Replica, ReplicaEffect, ReplicaEvent};
use volumed_core::sums::HOLE;
use volumed_core::{
    Alloc, BLOCK_SIZE, ByteCount, EXTENT_SIZE, Epoch, ExtentIndex, Incarnation, IoError,
    REGION_SIZE, RegionIndex, Request, VolumeId,
};

const BLOCKS_OF_EXTENT: u64 = EXTENT_SIZE / BLOCK_SIZE;

fn write(block: u64, count: u64) -> Request {
    Request::Write {
        offset: block * BLOCK_SIZE,
        data: Bytes::from(vec![1; (count * BLOCK_SIZE) as usize]),
        fua: false,
    }
}

fn trim(block: u64, count: u64) -> Request {
    Request::Trim {
        offset: block * BLOCK_SIZE,
        length: count * BLOCK_SIZE,
        fua: false,
    }
}

fn zero(block: u64, count: u64, no_hole: bool) -> Request {
    Request::WriteZeroes {
        offset: block * BLOCK_SIZE,
        length: count * BLOCK_SIZE,
        fua: false,
        no_hole,
    }
}

fn rig(quota: Option<u64>, room: u64) -> Rig {
    Rig::new(1, 100 * EXTENT_SIZE, quota, room)
}

#[test]
fn a_quota_lets_exactly_so_many_blocks_take_space() {
    let mut rig = rig(Some(10), 1 << 20);
    for block in 0..10 {
        assert_eq!(rig.ask(0, write(block * 1000, 1)), Ok(Bytes::new()));
    }
    assert_eq!(rig.ask(0, write(1, 1)), Err(IoError::NoSpace));
    assert_eq!(rig.ask(0, write(0, 2)), Err(IoError::NoSpace));
    assert_eq!(rig.ask(0, zero(1, 1, true)), Err(IoError::NoSpace));
    for block in 0..10 {
        assert_eq!(rig.ask(0, write(block * 1000, 1)), Ok(Bytes::new()));
    }
    for give_back in [trim(0, 2000), zero(2000, 3, false)] {
        assert_eq!(rig.ask(0, give_back), Ok(Bytes::new()));
    }
    assert_eq!(rig.ask(0, write(5, 3)), Ok(Bytes::new()));
    assert_eq!(rig.allocated(0), 10);
    assert_eq!(rig.ask(0, write(1, 1)), Err(IoError::NoSpace));
}

#[test]
fn a_quota_may_change() {
    let mut rig = rig(Some(2), 1 << 20);
    assert_eq!(rig.ask(0, write(0, 3)), Err(IoError::NoSpace));
    rig.tell(0, HeadEvent::Quota(Some(3)));
    assert_eq!(rig.ask(0, write(0, 3)), Ok(Bytes::new()));
    rig.tell(0, HeadEvent::Quota(Some(1)));
    assert_eq!(rig.ask(0, write(0, 3)), Ok(Bytes::new()), "what is there");
    assert_eq!(rig.ask(0, write(3, 1)), Err(IoError::NoSpace));
    rig.tell(0, HeadEvent::Quota(None));
    assert_eq!(rig.ask(0, write(3, 1)), Ok(Bytes::new()));
}

#[test]
fn a_request_over_two_extents_changes_both_or_none() {
    for (quota, room) in [(Some(3), 1 << 20), (None, 3)] {
        let mut rig = rig(quota, room);
        let edge = BLOCKS_OF_EXTENT - 2;
        for request in [write(edge, 4), zero(edge, 4, true)] {
            assert_eq!(rig.ask(0, request), Err(IoError::NoSpace));
            assert_eq!((rig.allocated(0), rig.space.used()), (0, ByteCount(0)));
        }
        assert_eq!(rig.ask(0, write(edge, 3)), Ok(Bytes::new()));
        assert_eq!(rig.ask(0, write(edge, 4)), Err(IoError::NoSpace));
        assert_eq!(rig.allocated(0), 3);
    }
}

#[test]
fn what_is_reserved_for_writes_on_their_way_is_waited_for() {
    let mut rig = rig(None, 40);
    assert_eq!(rig.ask(0, write(0, 32)), Ok(Bytes::new()));
    rig.hold_writes = true;
    // Each may need a block as far as the head knows, and none does.
    let overwrites: Vec<u64> = (0..8).map(|block| rig.begin(0, write(block, 1))).collect();
    let fits = rig.begin(0, write(32, 8));
    let does_not = rig.begin(0, write(40, 1));
    assert_eq!(rig.reply(0, fits), None);
    rig.finish_writes();
    for id in overwrites.into_iter().chain([fits]) {
        assert_eq!(rig.reply(0, id), Some(Ok(Bytes::new())));
    }
    assert_eq!(rig.reply(0, does_not), Some(Err(IoError::NoSpace)));
}

#[test]
fn overwriting_asks_for_no_space() {
    let mut rig = rig(Some(1 << 18), 1 << 20);
    rig.ask(0, write(0, 64)).expect("room");
    let before = rig.counts.clone();
    for block in 0..64 {
        rig.ask(0, write(block, 1)).expect("room");
    }
    assert_eq!(rig.counts.messages, before.messages + 64);
    assert_eq!(rig.counts.disk, before.disk + 64);
}

#[test]
fn new_blocks_ask_for_space_once_in_4096() {
    let mut rig = rig(None, 1 << 20);
    for block in 0..8192 {
        rig.ask(0, write(block, 1)).expect("room");
    }
    assert!(rig.counts.grants <= 3, "{:?}", rig.counts);
}

#[test]
fn a_grant_that_lies_idle_is_given_back_when_somebody_needs_it() {
    let mut rig = Rig::new(2, 100 * EXTENT_SIZE, None, 100);
    rig.ask(0, write(0, 1)).expect("room");
    assert_eq!(rig.space.granted(), 99);
    assert_eq!(rig.ask(1, write(0, 99)), Ok(Bytes::new()));
    assert_eq!(rig.ask(0, write(1, 1)), Err(IoError::NoSpace));
    assert_eq!(rig.ask(1, trim(0, 1)), Ok(Bytes::new()));
    assert_eq!(rig.ask(0, write(1, 1)), Ok(Bytes::new()));
}

#[test]
fn a_grant_goes_back_when_nobody_writes_and_when_the_head_settles() {
    let mut rig = rig(None, 1 << 20);
    rig.ask(0, write(0, 1)).expect("room");
    rig.tick(0);
    assert_ne!(rig.space.granted(), 0, "written since the last tick");
    rig.tick(0);
    assert_eq!(rig.space.granted(), 0);
    rig.ask(0, write(1, 1)).expect("room");
    rig.tell(0, HeadEvent::Settle);
    assert_eq!(rig.space.granted(), 0);
    assert_eq!(rig.space.used(), ByteCount(2 * BLOCK_SIZE));
}

/// Long enough for everything that is put away when nobody uses it.
fn idle(rig: &mut Rig) {
    for _ in 0..3 {
        rig.now += 10_000;
        rig.tick(0);
    }
}

#[test]
fn an_extent_without_a_block_loses_its_record_when_idle() {
    let mut rig = rig(None, 1 << 20);
    rig.ask(0, write(0, 4)).expect("room");
    rig.ask(0, write(BLOCKS_OF_EXTENT, 4)).expect("room");
    let placed = |rig: &Rig| -> Vec<ExtentIndex> { rig.placed[0].keys().copied().collect() };
    assert!(placed(&rig).len() > 2, "taken ahead");
    idle(&mut rig);
    assert_eq!(placed(&rig), [ExtentIndex(0), ExtentIndex(1)]);
    for block in 0..4 {
        rig.ask(0, trim(block, 1)).expect("space goes back");
    }
    idle(&mut rig);
    assert_eq!(placed(&rig), [ExtentIndex(1)]);
    rig.ask(0, write(0, 1)).expect("room");
    assert_eq!((rig.allocated(0), placed(&rig).len()), (5, 2));
}

#[test]
fn an_extent_that_is_written_keeps_its_record() {
    let mut rig = rig(None, 1 << 20);
    rig.ask(0, write(0, 1)).expect("room");
    rig.ask(0, trim(0, 1)).expect("space goes back");
    rig.hold_writes = true;
    let late = rig.begin(0, write(0, 1));
    idle(&mut rig);
    rig.finish_writes();
    assert_eq!(rig.reply(0, late), Some(Ok(Bytes::new())));
    assert_eq!((rig.allocated(0), rig.placed[0].len()), (1, 1));
}

#[test]
fn discarding_a_device_costs_by_what_is_allocated() {
    let mut rig = Rig::new(1, 1 << 60, None, 1 << 20);
    let written = [0, 5000, 9_000_000_000];
    for extent in written {
        rig.ask(0, write(extent * BLOCKS_OF_EXTENT + 7, 1))
            .expect("room");
    }
    let before = rig.counts.clone();
    let request = Request::Trim {
        offset: 0,
        length: 1 << 60,
        fua: false,
    };
    rig.ask(0, request).expect("space goes back");
    assert_eq!(rig.space.used(), ByteCount(0));
    let after = rig.counts.clone();
    assert_eq!(after.store, before.store + 3, "a placement page each");
    assert_eq!(after.messages, before.messages + 3);
    assert_eq!(after.disk, before.disk + 3);
    // And again, by any number of requests that end within extents, costs nothing.
    for first in (0..1 << 40).step_by(1 << 30) {
        rig.ask(0, trim(first / BLOCK_SIZE + 3, 1 << 18))
            .expect("a hole");
    }
    assert_eq!(rig.counts, after);
}

#[test]
fn trimming_holes_of_a_placed_extent_touches_no_disk() {
    let mut rig = rig(None, 1 << 20);
    rig.ask(0, write(0, 1)).expect("room");
    rig.ask(0, trim(1, 1000)).expect("a hole");
    let before = rig.counts.disk;
    rig.ask(0, trim(1, 1000)).expect("a hole");
    rig.ask(0, zero(1, 1000, false)).expect("a hole");
    // Each looks what of it is durable, which costs nothing for no file.
    assert_eq!(rig.counts.disk, before + 2);
    assert_eq!(rig.allocated(0), 1);
}

/// The sums of a durable write need not have reached the disk.
#[test]
fn an_extent_is_not_called_empty_while_a_region_of_it_is_suspect() {
    let (volume, disk, epoch) = (VolumeId(1), rig::DISK, Epoch(1));
    let (extent, alloc) = (ExtentIndex(0), Alloc(1));
    let file = ExtentFile { extent, alloc };
    let record = DirtyLogRecord {
        sequence: 1,
        volume,
        regions: Some(BTreeSet::from([RegionIndex(3)])),
    };
    let found = Recovered {
        incarnation: Incarnation(0),
        promise: Slots::Fresh,
        log: Slots::Newest(record),
        missed: Slots::Fresh,
        extents: vec![(file, 0)],
    };
    let mut replica = Replica::recover(volume, disk, Arc::default(), found).expect("a replica");
    let mut ask = |ask| {
        let message = Message {
            volume,
            disk,
            incarnation: Incarnation(0),
            epoch,
            op: OpId(1),
            ask,
        };
        let mut events = vec![ReplicaEvent::Message(message)];
        let mut told = None;
        while let Some(event) = events.pop() {
            let mut effects = Vec::new();
            replica.handle(event, &mut effects);
            for effect in effects {
                let (id, answer) = match effect {
                    ReplicaEffect::Answer(answer) => {
                        told = Some(answer.result);
                        continue;
                    }
                    ReplicaEffect::Disk(id, DiskOp::Resum { .. }) => {
                        let (page, before, lost) = (Box::new([HOLE; 1024]), 0, Vec::new());
                        (id, DiskAnswer::Summed { page, before, lost })
                    }
                    ReplicaEffect::Disk(id, _) => (id, DiskAnswer::Done),
                    ReplicaEffect::Recall
                    | ReplicaEffect::DamageChanged
                    | ReplicaEffect::Scrubbed { .. } => continue,
                };
                events.push(ReplicaEvent::Done(id, Ok(answer)));
            }
        }
        told.expect("an answer")
    };
    assert_eq!(ask(Ask::Promise), Ok(3_u64.to_le_bytes().to_vec().into()));
    assert_eq!(ask(Ask::Empty), Ok(Bytes::new()));
    let (offset, length) = (3 * REGION_SIZE as u32, 4096);
    let map = Ask::Map {
        file,
        offset,
        length,
    };
    ask(map).expect("a map");
    assert_eq!(ask(Ask::Empty), Ok(Bytes::from(vec![0; 8])));
}

/// A request, as (volume, kind, block, count).
type Asked = (usize, u8, u64, u64);

fn asked() -> impl Strategy<Value = Asked> {
    let near = prop_oneof![0..24_u64, BLOCKS_OF_EXTENT - 8..BLOCKS_OF_EXTENT + 8];
    (0..2_usize, 0..10_u8, near, 1..9_u64)
}

proptest! {
    /// However space is granted, given back and recalled: a request is refused if and only if what it
    /// needs is not there, and then changes nothing.
    #[test]
    fn requests_are_refused_if_and_only_if_there_is_no_room(
        requests in vec(asked(), 1..80),
        quota in prop_oneof![Just(None), (4..24_u64).prop_map(Some)],
        room in 8..40_u64,
    ) {
        let mut rig = Rig::new(2, 100 * EXTENT_SIZE, quota, room);
        let mut model = [BTreeSet::new(), BTreeSet::new()];
        for (volume, kind, block, count) in requests {
            let range = block..block + count;
            let held: usize = model.iter().map(BTreeSet::len).sum();
            let own = &mut model[volume];
            let new = range.clone().filter(|block| !own.contains(block)).count() as u64;
            let fits = new == 0
                || held as u64 + new <= room && quota.is_none_or(|quota| own.len() as u64 + new <= quota);
            let no_room = if fits { Ok(Bytes::new()) } else { Err(IoError::NoSpace) };
            let (request, expected) = match kind {
                0..5 => (write(block, count), no_room),
                5 => (zero(block, count, true), no_room),
                6 => (zero(block, count, false), Ok(Bytes::new())),
                7 | 8 => (trim(block, count), Ok(Bytes::new())),
                _ => {
                    rig.now += 6000;
                    rig.tick(volume);
                    continue;
                }
            };
            let takes = kind <= 5;
            prop_assert_eq!(rig.ask(volume, request), expected);
            if !takes {
                own.retain(|block| !range.contains(block));
            } else if fits {
                own.extend(range);
            }
            for (volume, held) in model.iter().enumerate() {
                prop_assert_eq!(rig.allocated(volume), held.len() as u64);
            }
            let held: usize = model.iter().map(BTreeSet::len).sum();
            prop_assert_eq!(rig.space.used().0, held as u64 * BLOCK_SIZE);
            prop_assert!(held as u64 + rig.space.granted() <= room);
        }
    }
}
