//! Head and replica one event at a time; how they do together under power cuts is simulated.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use volumed_core::format::{DirtyLogRecord, Slots};
use volumed_core::head::{
    Head, HeadEffect, HeadEvent, HeadSettings, HeadStart, Moment, PlaceFailure, RequestId,
};
use volumed_core::message::{Answer, Ask, ExtentFile, Message, OpId, ReplicaError};
use volumed_core::placement::{Placement, Role};
use volumed_core::replica::{
    DiskAnswer, DiskFault, DiskOp, DiskOpId, DiskResult, Recovered, Replica, ReplicaEffect,
    ReplicaEvent,
};
use volumed_core::space::DiskSpace;
use volumed_core::{
    Alloc, ByteCount, DiskNumber, EXTENT_SIZE, Epoch, ExtentIndex, Incarnation, IoError,
    REGION_SIZE, RegionIndex, Request, VolumeId,
};

const VOLUME: VolumeId = VolumeId(1);
const DISK: DiskNumber = DiskNumber(0);

fn placement() -> Placement {
    Placement {
        alloc: Alloc(1),
        replicas: vec![(DISK, Role::Full)],
    }
}

/// A head that was granted more space than a test needs.
fn head(placed: u64) -> Head {
    let mut head = Head::new(HeadStart {
        volume: VOLUME,
        epoch: Epoch(1),
        size: ByteCount(100 * EXTENT_SIZE),
        quota: None,
        settings: HeadSettings::for_replicas(1),
        disks: BTreeSet::from([DISK]),
        extents: (0..placed)
            .map(|it| (ExtentIndex(it), placement()))
            .collect(),
        lost: BTreeMap::new(),
        stale: BTreeSet::new(),
        fell_behind: BTreeMap::new(),
        incarnations: BTreeMap::new(),
    });
    let mut sent = tell(&mut head, HeadEvent::Start);
    while !sent.is_empty() {
        sent = answer(&mut head, &sent, &WELL);
    }
    head
}

fn tell(head: &mut Head, event: HeadEvent) -> Vec<HeadEffect> {
    let mut effects = Vec::new();
    head.handle(Moment(0), event, &mut effects);
    effects
}

fn ask(head: &mut Head, id: u64, request: Request) -> Vec<HeadEffect> {
    tell(head, HeadEvent::Request(RequestId(id), request))
}

fn write(offset: u64) -> Request {
    Request::Write {
        offset,
        data: Bytes::from_static(&[1; 4096]),
        fua: false,
    }
}

/// Answers what was sent; what follows.
fn answer(
    head: &mut Head,
    sent: &[HeadEffect],
    result: &Result<Bytes, ReplicaError>,
) -> Vec<HeadEffect> {
    let mut effects = Vec::new();
    for effect in sent {
        if let HeadEffect::Send(message) = effect {
            let answer = Answer {
                volume: message.volume,
                disk: message.disk,
                incarnation: message.incarnation,
                epoch: message.epoch,
                op: message.op,
                allocated: 0,
                granted: 1 << 30,
                result: result.clone(),
            };
            effects.extend(tell(head, HeadEvent::Answer(answer)));
        }
    }
    effects
}

const WELL: Result<Bytes, ReplicaError> = Ok(Bytes::new());

fn asks(effects: &[HeadEffect]) -> Vec<&Ask> {
    let sent = effects.iter().filter_map(|effect| match effect {
        HeadEffect::Send(message) => Some(&message.ask),
        _ => None,
    });
    sent.collect()
}

fn replies(effects: &[HeadEffect]) -> BTreeMap<u64, Result<Bytes, IoError>> {
    let reply = |effect: &HeadEffect| match effect {
        HeadEffect::Reply(id, reply) => Some((id.0, reply.clone())),
        _ => None,
    };
    effects.iter().filter_map(reply).collect()
}

#[test]
fn extents_are_taken_ahead_of_a_sequential_writer() {
    let mut head = head(0);
    let mut taken = Vec::new();
    let mut next = 0;
    while taken.len() < 5 {
        let effects = ask(&mut head, next, write(next * EXTENT_SIZE));
        let [HeadEffect::Place(extents)] = &effects[..] else {
            panic!("{effects:?}")
        };
        taken.push(extents.len());
        for &extent in extents {
            let sent = tell(&mut head, HeadEvent::Placed(extent, placement()));
            answer(&mut head, &sent, &WELL);
            next = extent.0 + 1;
        }
    }
    assert_eq!(taken, [1, 2, 4, 8, 8]);
}

#[test]
fn a_region_is_marked_before_it_is_written_and_eight_ahead_of_a_sequential_writer() {
    let mut head = head(2);
    let sent = ask(&mut head, 1, write(0));
    let [Ask::Mark { regions }] = asks(&sent)[..] else {
        panic!("{sent:?}")
    };
    assert_eq!(regions.len(), 1);
    let sent = answer(&mut head, &sent, &WELL);
    assert!(matches!(asks(&sent)[..], [Ask::Write { .. }]), "{sent:?}");
    let sent = ask(&mut head, 2, write(REGION_SIZE));
    let [Ask::Mark { regions }] = asks(&sent)[..] else {
        panic!("{sent:?}")
    };
    assert_eq!(regions.len(), 8);
    let sent = ask(&mut head, 3, write(4096));
    assert!(
        matches!(asks(&sent)[..], [Ask::Write { .. }]),
        "already marked: {sent:?}"
    );
}

#[test]
fn a_flush_waits_for_a_running_sync_and_a_failed_one_is_done_again() {
    let mut head = head(1);
    let mark = ask(&mut head, 1, write(0));
    let sent = answer(&mut head, &mark, &WELL);
    answer(&mut head, &sent, &WELL);
    let sync = ask(&mut head, 2, Request::Flush);
    assert!(matches!(asks(&sync)[..], [Ask::Sync { .. }]));
    // Nothing new was written, but what was is not durable yet.
    assert!(ask(&mut head, 3, Request::Flush).is_empty());
    let failed = answer(&mut head, &sync, &Err(ReplicaError::Disk));
    assert_eq!(
        replies(&failed),
        BTreeMap::from([(2, Err(IoError::Io)), (3, Err(IoError::Io))])
    );
    let sync = ask(&mut head, 4, Request::Flush);
    assert!(
        matches!(asks(&sync)[..], [Ask::Sync { .. }]),
        "its dirty set was put back"
    );
    let done = answer(&mut head, &sync, &WELL);
    assert_eq!(replies(&done), BTreeMap::from([(4, Ok(Bytes::new()))]));
    assert_eq!(replies(&ask(&mut head, 5, Request::Flush)).len(), 1);
}

#[test]
fn a_pool_without_room_refuses_and_a_later_write_tries_again() {
    let mut head = head(0);
    ask(&mut head, 1, write(0));
    let failed = HeadEvent::PlaceFailed(ExtentIndex(0), PlaceFailure::NoSpace);
    assert_eq!(
        replies(&tell(&mut head, failed)),
        BTreeMap::from([(1, Err(IoError::NoSpace))])
    );
    assert!(matches!(
        ask(&mut head, 2, write(0))[..],
        [HeadEffect::Place(_)]
    ));
}

#[test]
fn what_another_head_was_told_means_nothing() {
    let mut head = head(1);
    let sent = ask(
        &mut head,
        1,
        Request::Read {
            offset: 0,
            length: 4096,
        },
    );
    let [HeadEffect::Send(message)] = &sent[..] else {
        panic!("{sent:?}")
    };
    let &Message {
        volume, disk, op, ..
    } = message;
    let stale = Answer {
        volume,
        disk,
        incarnation: Incarnation(0),
        epoch: Epoch(0),
        op,
        allocated: 0,
        granted: 0,
        result: WELL,
    };
    assert!(tell(&mut head, HeadEvent::Answer(stale)).is_empty());
}

const FILE: ExtentFile = ExtentFile {
    extent: ExtentIndex(0),
    alloc: Alloc(1),
};

fn found(log: Slots<DirtyLogRecord>, extents: Vec<(ExtentFile, u32)>) -> Recovered {
    Recovered {
        incarnation: Incarnation(0),
        promise: Slots::Fresh,
        log,
        missed: Slots::Fresh,
        extents,
    }
}

fn replica(blocks: u64) -> (Replica, Arc<DiskSpace>) {
    let space = Arc::new(DiskSpace::default());
    space.set_limit(ByteCount(blocks * 4096));
    let found = found(Slots::Fresh, vec![(FILE, 0)]);
    let replica = Replica::recover(VOLUME, DISK, Arc::clone(&space), found).expect("a fresh disk");
    (replica, space)
}

fn send(replica: &mut Replica, epoch: u64, ask: Ask) -> Vec<ReplicaEffect> {
    let mut effects = Vec::new();
    let message = Message {
        volume: VOLUME,
        disk: DISK,
        incarnation: Incarnation(0),
        epoch: Epoch(epoch),
        op: OpId(1),
        ask,
    };
    replica.handle(ReplicaEvent::Message(message), &mut effects);
    effects
}

fn promise(replica: &mut Replica, epoch: u64) -> Vec<ReplicaEffect> {
    send(replica, epoch, Ask::Promise)
}

fn done(replica: &mut Replica, op: DiskOpId, result: DiskResult) -> Vec<ReplicaEffect> {
    let mut effects = Vec::new();
    replica.handle(ReplicaEvent::Done(op, result), &mut effects);
    effects
}

fn the_op(effects: &[ReplicaEffect]) -> (DiskOpId, &DiskOp) {
    let [ReplicaEffect::Disk(id, op)] = effects else {
        panic!("{effects:?}")
    };
    (*id, op)
}

fn the_answer(effects: &[ReplicaEffect]) -> &Result<Bytes, ReplicaError> {
    let [ReplicaEffect::Answer(answer)] = effects else {
        panic!("{effects:?}")
    };
    &answer.result
}

/// A replica that promised epoch 2 and knows the sums of the first region.
fn promised(blocks: u64) -> (Replica, Arc<DiskSpace>) {
    let (mut replica, space) = replica(blocks);
    let (op, _) = the_op(&promise(&mut replica, 2));
    assert_eq!(
        the_answer(&done(&mut replica, op, Ok(DiskAnswer::Done))),
        &WELL
    );
    let (load, _) = the_op(&send(&mut replica, 2, read(0)));
    let page = DiskAnswer::Page {
        page: Box::new([0; 1024]),
    };
    let (op, _) = the_op(&done(&mut replica, load, Ok(page)));
    done(
        &mut replica,
        op,
        Ok(DiskAnswer::Data(Bytes::from(vec![0; 4096]))),
    );
    (replica, space)
}

fn read(offset: u32) -> Ask {
    Ask::Read {
        file: FILE,
        offset,
        length: 4096,
    }
}

fn put(blocks: usize) -> Ask {
    let data = Bytes::from(vec![1; blocks * 4096]);
    Ask::Write {
        file: FILE,
        offset: 0,
        data,
        durable: false,
        clear: false,
    }
}

#[test]
fn only_the_promised_epoch_is_served() {
    let (mut replica, _) = promised(10);
    for epoch in [1, 3] {
        assert_eq!(
            the_answer(&send(&mut replica, epoch, read(0))),
            &Err(ReplicaError::Fenced)
        );
    }
    assert_eq!(
        the_answer(&promise(&mut replica, 1)),
        &Err(ReplicaError::Fenced)
    );
}

#[test]
fn a_promise_waits_for_what_the_older_head_began_and_does_not_acknowledge_it() {
    let (mut replica, _) = promised(10);
    let (op, _) = the_op(&send(&mut replica, 2, put(1)));
    assert!(promise(&mut replica, 3).is_empty());
    let effects = done(&mut replica, op, Ok(DiskAnswer::Sums(vec![5])));
    let [
        ReplicaEffect::Answer(old),
        ReplicaEffect::Disk(_, DiskOp::WritePromise(record)),
    ] = &effects[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!(old.result, Err(ReplicaError::Fenced));
    assert_eq!(record.epoch, Epoch(3));
}

#[test]
fn a_full_disk_is_told_before_anything_is_changed() {
    let (mut replica, space) = promised(3);
    assert_eq!(
        the_answer(&send(&mut replica, 2, put(4))),
        &Err(ReplicaError::NoSpace)
    );
    assert_eq!(space.used(), ByteCount(0));
    let (op, _) = the_op(&send(&mut replica, 2, put(3)));
    assert_eq!((space.used(), space.granted()), (ByteCount(0), 3));
    done(&mut replica, op, Ok(DiskAnswer::Sums(vec![5; 3])));
    assert_eq!(
        (space.used(), replica.allocated()),
        (ByteCount(3 * 4096), 3)
    );
}

#[test]
fn a_write_that_failed_half_way_makes_its_region_suspect() {
    let (mut replica, space) = promised(3);
    let (op, _) = the_op(&send(&mut replica, 2, put(1)));
    let failed = done(&mut replica, op, Err(DiskFault::Io));
    assert_eq!(the_answer(&failed), &Err(ReplicaError::Disk));
    assert_eq!(space.used(), ByteCount(0));
    let effects = send(&mut replica, 2, read(0));
    assert!(matches!(the_op(&effects), (_, DiskOp::Resum { .. })));
}

#[test]
fn a_region_that_cannot_be_summed_anew_stays_marked_and_fails_no_other() {
    let (mut replica, _) = promised(10);
    let regions = BTreeSet::from([RegionIndex(0), RegionIndex(1)]);
    let mark = Ask::Mark {
        regions: regions.clone(),
    };
    let (op, _) = the_op(&send(&mut replica, 2, mark));
    done(&mut replica, op, Ok(DiskAnswer::Done));
    let (op, _) = the_op(&send(&mut replica, 2, put(1)));
    done(&mut replica, op, Err(DiskFault::Io));

    let settle = Ask::Settle {
        regions: regions.clone(),
    };
    let effects = send(&mut replica, 2, settle);
    let (op, resum) = the_op(&effects);
    assert!(matches!(resum, DiskOp::Resum { .. }), "{resum:?}");
    let effects = done(&mut replica, op, Err(DiskFault::Io));
    let (op, settle) = the_op(&effects);
    assert!(matches!(settle, DiskOp::Settle { .. }), "{settle:?}");
    assert_eq!(
        the_answer(&done(&mut replica, op, Ok(DiskAnswer::Done))),
        &WELL
    );
    let effects = send(&mut replica, 2, Ask::Unmark { regions });
    let (_, DiskOp::WriteLog(record)) = the_op(&effects) else {
        panic!("{effects:?}")
    };
    assert_eq!(record.regions, Some(BTreeSet::from([RegionIndex(0)])));
}

#[test]
fn a_new_extent_is_not_suspect_by_what_the_log_says_of_an_older_one() {
    let regions = BTreeSet::from([RegionIndex(0)]);
    let record = DirtyLogRecord {
        sequence: 1,
        volume: VOLUME,
        regions: Some(regions.clone()),
    };
    let found = found(Slots::Newest(record), Vec::new());
    let mut replica = Replica::recover(VOLUME, DISK, Arc::default(), found).expect("a disk");
    let (op, _) = the_op(&promise(&mut replica, 2));
    done(&mut replica, op, Ok(DiskAnswer::Done));
    send(&mut replica, 2, Ask::Adopt { file: FILE });
    let effects = send(&mut replica, 2, Ask::Unmark { regions });
    let (_, DiskOp::WriteLog(record)) = the_op(&effects) else {
        panic!("{effects:?}")
    };
    assert_eq!(record.regions, Some(BTreeSet::new()));
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged() {
    let (mut replica, _) = promised(3);
    let (write, _) = the_op(&send(&mut replica, 2, put(1)));
    let sync = Ask::Sync {
        extents: BTreeSet::from([ExtentIndex(0)]),
    };
    let (op, _) = the_op(&send(&mut replica, 2, sync));
    done(&mut replica, op, Err(DiskFault::Sync));
    let late = done(&mut replica, write, Ok(DiskAnswer::Sums(vec![5])));
    assert_eq!(the_answer(&late), &Err(ReplicaError::Disk));
    assert_eq!(
        the_answer(&send(&mut replica, 2, read(0))),
        &Err(ReplicaError::Disk)
    );
}

#[test]
fn an_extent_is_read_past_the_replica_only_while_it_is_sound() {
    let (mut replica, _) = promised(3);
    assert_eq!(replica.readable(ExtentIndex(0)), Some(FILE));
    assert_eq!(replica.readable(ExtentIndex(1)), None);
    let (write, _) = the_op(&send(&mut replica, 2, put(1)));
    done(&mut replica, write, Err(DiskFault::Io));
    assert_eq!(replica.readable(ExtentIndex(0)), None, "half written");

    let (mut replica, _) = promised(3);
    let (write, _) = the_op(&send(&mut replica, 2, put(1)));
    done(&mut replica, write, Err(DiskFault::Sync));
    assert_eq!(replica.readable(ExtentIndex(0)), None, "a failed disk");
}

#[test]
fn as_many_pieces_as_a_client_sends_may_wait_for_one() {
    const TRIMS: u64 = 20_000;
    let mut head = head(0);
    ask(&mut head, 0, write(0));
    for id in 1..=TRIMS {
        let trim = Request::Trim {
            offset: 0,
            length: 4096,
            fua: false,
        };
        assert!(replies(&ask(&mut head, id, trim)).is_empty());
    }
    let failed = HeadEvent::PlaceFailed(ExtentIndex(0), PlaceFailure::NoSpace);
    let replies = replies(&tell(&mut head, failed));
    assert_eq!(replies.len() as u64, TRIMS + 1);
    assert_eq!(replies[&0], Err(IoError::NoSpace));
    assert_eq!(replies[&TRIMS], Ok(Bytes::new()));
}
