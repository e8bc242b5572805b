//! What replicas and heads take for marked, suspect or empty, one event at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use volumed_core::format::{DirtyLogRecord, Slots};
use volumed_core::head::{Head, HeadEffect, HeadEvent, HeadSettings, HeadStart, Moment, RequestId};
use volumed_core::marks;
use volumed_core::message::{Answer, Ask, ExtentFile, Message, OpId, ReplicaError};
use volumed_core::placement::{Placement, Role};
use volumed_core::replica::{
    DiskAnswer, DiskFault, DiskOp, DiskOpId, Recovered, Replica, ReplicaEffect, ReplicaEvent,
};
use volumed_core::{
    Alloc, ByteCount, DiskNumber, EXTENT_SIZE, Epoch, ExtentIndex, Incarnation, REGION_SIZE,
    REGIONS_PER_EXTENT, RegionIndex, Request, VolumeId,
};

fn file(extent: u64) -> ExtentFile {
    ExtentFile {
        extent: ExtentIndex(extent),
        alloc: Alloc(1),
    }
}

/// Marks the first region of an extent.
fn mark(extent: u64) -> Ask {
    Ask::Mark {
        regions: BTreeSet::from([RegionIndex(extent * REGIONS_PER_EXTENT)]),
    }
}

/// A replica that holds extents 0 and 1.
fn replica() -> Replica {
    let found = Recovered {
        incarnation: Incarnation(0),
        promise: Slots::Fresh,
        log: Slots::Fresh,
        missed: Slots::Fresh,
        extents: vec![(file(0), 0), (file(1), 0)],
    };
    Replica::recover(VolumeId(1), DiskNumber(0), Arc::default(), found).expect("a fresh disk")
}

/// The disk operations that follow.
fn tell(replica: &mut Replica, event: ReplicaEvent) -> Vec<(DiskOpId, DiskOp)> {
    let mut effects = Vec::new();
    replica.handle(event, &mut effects);
    let ops = effects.into_iter().filter_map(|effect| match effect {
        ReplicaEffect::Disk(id, op) => Some((id, op)),
        _ => None,
    });
    ops.collect()
}

fn message(ask: Ask) -> Message {
    Message {
        volume: VolumeId(1),
        disk: DiskNumber(0),
        incarnation: Incarnation(0),
        epoch: Epoch(0),
        op: OpId(1),
        ask,
    }
}

fn ask(replica: &mut Replica, ask: Ask) -> Vec<(DiskOpId, DiskOp)> {
    tell(replica, ReplicaEvent::Message(message(ask)))
}

/// Has all of them done, and what follows.
fn finish(replica: &mut Replica, mut ops: Vec<(DiskOpId, DiskOp)>) {
    while let Some((id, _)) = ops.pop() {
        let done = ReplicaEvent::Done(id, Ok(DiskAnswer::Done));
        ops.extend(tell(replica, done));
    }
}

#[test]
fn a_mark_that_waits_for_the_log_goes_with_its_extent() {
    let mut replica = replica();
    let writing = ask(&mut replica, mark(0));
    assert!(matches!(writing[..], [(_, DiskOp::WriteLog(_))]));
    assert!(ask(&mut replica, mark(1)).is_empty(), "it waits");
    let removing = ask(&mut replica, Ask::Remove { file: file(1) });
    finish(&mut replica, removing);
    finish(&mut replica, writing);
    assert_eq!(*replica.dirty(), BTreeSet::from([RegionIndex(0)]));
}

#[test]
fn the_mark_of_an_extent_placed_anew_stays() {
    let mut replica = replica();
    let writing = ask(&mut replica, mark(0));
    let removing = ask(&mut replica, Ask::Remove { file: file(1) });
    finish(&mut replica, removing);
    let file = ExtentFile {
        alloc: Alloc(2),
        ..file(1)
    };
    ask(&mut replica, Ask::Adopt { file });
    ask(&mut replica, mark(1));
    finish(&mut replica, writing);
    let both = [RegionIndex(0), RegionIndex(REGIONS_PER_EXTENT)];
    assert_eq!(*replica.dirty(), BTreeSet::from(both));
}

#[test]
fn a_new_head_has_the_marks_of_extents_that_are_elsewhere_forgotten() {
    let mut replica = replica();
    for extent in [0, 1] {
        let writing = ask(&mut replica, mark(extent));
        finish(&mut replica, writing);
    }
    // Extent 0 was only made anew; extent 1 is on another disk now.
    let held = BTreeSet::from([ExtentFile {
        alloc: Alloc(2),
        ..file(0)
    }]);
    let reconcile = Ask::Reconcile {
        from: ExtentIndex(0),
        until: None,
        held,
    };
    let removing = ask(&mut replica, reconcile);
    finish(&mut replica, removing);
    assert_eq!(*replica.dirty(), BTreeSet::from([RegionIndex(0)]));
}

/// What a head sends after a write to an extent on disk 0 whose first region is dirty by the log of `disk`.
fn asked_first(disk: u16) -> Ask {
    let placement = Placement {
        alloc: Alloc(1),
        replicas: vec![(DiskNumber(0), Role::Full)],
    };
    let mut head = Head::new(HeadStart {
        volume: VolumeId(1),
        epoch: Epoch(1),
        size: ByteCount(EXTENT_SIZE),
        quota: None,
        settings: HeadSettings::for_replicas(1),
        disks: BTreeSet::from([DiskNumber(0), DiskNumber(1)]),
        extents: BTreeMap::from([(ExtentIndex(0), placement)]),
        lost: BTreeMap::new(),
        stale: BTreeSet::new(),
        fell_behind: BTreeMap::new(),
        incarnations: BTreeMap::new(),
    });
    let mut events = vec![HeadEvent::Start];
    let mut written = false;
    while let Some(event) = events.pop() {
        let mut effects = Vec::new();
        head.handle(Moment(0), event, &mut effects);
        for effect in effects {
            match effect {
                HeadEffect::Send(message) => match message.ask {
                    Ask::Mark { .. } | Ask::Write { .. } => return message.ask,
                    Ask::Promise if message.disk == DiskNumber(disk) => {
                        let mut answer = well(&message);
                        answer.result = Ok(marks::pack(&BTreeSet::from([RegionIndex(0)])));
                        events.push(HeadEvent::Answer(answer));
                    }
                    _ => events.push(HeadEvent::Answer(well(&message))),
                },
                HeadEffect::Started(outcome) if !written => {
                    assert_eq!(outcome, Ok(()));
                    written = true;
                    let write = Request::Write {
                        offset: 0,
                        data: Bytes::from_static(&[1; 4096]),
                        fua: false,
                    };
                    events.push(HeadEvent::Request(RequestId(1), write));
                }
                other => panic!("{other:?}"),
            }
        }
    }
    panic!("nothing was written")
}

fn well(message: &Message) -> Answer {
    Answer {
        volume: message.volume,
        disk: message.disk,
        incarnation: message.incarnation,
        epoch: message.epoch,
        op: message.op,
        allocated: 0,
        granted: 1 << 20,
        result: Ok(Bytes::new()),
    }
}

#[test]
fn the_log_of_another_disk_marks_nothing() {
    assert!(matches!(asked_first(0), Ask::Write { .. }));
    assert!(matches!(asked_first(1), Ask::Mark { .. }));
}

/// What a head asks the replicas about marks while it takes an event, and what they `answer`; in order.
fn asked_about_marks(
    head: &mut Head,
    event: HeadEvent,
    mut answer: impl FnMut(&Message) -> Answer,
) -> Vec<(u16, Ask)> {
    let (mut asked, mut events) = (Vec::new(), VecDeque::from([event]));
    while let Some(event) = events.pop_front() {
        let mut effects = Vec::new();
        head.handle(Moment(0), event, &mut effects);
        for effect in effects {
            if let HeadEffect::Send(message) = effect {
                events.push_back(HeadEvent::Answer(answer(&message)));
                if matches!(message.ask, Ask::Mark { .. } | Ask::Unmark { .. }) {
                    asked.push((message.disk.0, message.ask));
                }
            }
        }
    }
    asked
}

#[test]
fn marks_that_one_of_several_replicas_refuses_are_taken_away_from_the_others() {
    let placed = |extent: u16| {
        let replicas = vec![(DiskNumber(extent), Role::Full)];
        let alloc = Alloc(1);
        (ExtentIndex(extent.into()), Placement { alloc, replicas })
    };
    let last = REGIONS_PER_EXTENT - 1;
    let mut head = Head::new(HeadStart {
        volume: VolumeId(1),
        epoch: Epoch(1),
        size: ByteCount(2 * EXTENT_SIZE),
        quota: None,
        settings: HeadSettings::for_replicas(1),
        disks: BTreeSet::from([DiskNumber(0), DiskNumber(1)]),
        extents: [placed(0), placed(1)].into(),
        lost: BTreeMap::new(),
        stale: BTreeSet::new(),
        fell_behind: BTreeMap::new(),
        incarnations: BTreeMap::new(),
    });
    // What follows looks like a sequential writer's, so marks are made ahead in the next extent.
    let marked = |message: &Message| match message.ask {
        Ask::Promise if message.disk == DiskNumber(0) => Answer {
            result: Ok(marks::pack(&BTreeSet::from([RegionIndex(last - 1)]))),
            ..well(message)
        },
        _ => well(message),
    };
    asked_about_marks(&mut head, HeadEvent::Start, marked);
    let write = |number| {
        let write = Request::Write {
            offset: last * REGION_SIZE,
            data: Bytes::from_static(&[1; 4096]),
            fua: false,
        };
        HeadEvent::Request(RequestId(number), write)
    };
    let refused = |message: &Message| match message.ask {
        Ask::Mark { .. } if message.disk == DiskNumber(0) => Answer {
            result: Err(ReplicaError::Exhausted),
            ..well(message)
        },
        _ => well(message),
    };
    let own = BTreeSet::from([RegionIndex(last)]);
    let ahead: BTreeSet<_> = (1..8).map(|next| RegionIndex(last + next)).collect();
    let marks = [
        (
            0,
            Ask::Mark {
                regions: own.clone(),
            },
        ),
        (
            1,
            Ask::Mark {
                regions: ahead.clone(),
            },
        ),
    ];
    let unmarks = [
        (0, Ask::Unmark { regions: own }),
        (1, Ask::Unmark { regions: ahead }),
    ];
    let asked = asked_about_marks(&mut head, write(1), refused);
    assert_eq!(asked, [marks.clone(), unmarks].concat());
    assert_eq!(head.dirty_regions(), 1);
    // Whoever writes there marks anew.
    assert_eq!(asked_about_marks(&mut head, write(2), well), marks);
    assert_eq!(head.dirty_regions(), 9);
}

/// What a replica answers that found these extents on its disk and is told to hold extent 0.
fn called_empty(found: Vec<(ExtentFile, u32)>) -> Bytes {
    let found = Recovered {
        incarnation: Incarnation(0),
        promise: Slots::Fresh,
        log: Slots::Fresh,
        missed: Slots::Fresh,
        extents: found,
    };
    let replica = Replica::recover(VolumeId(1), DiskNumber(0), Arc::default(), found);
    let mut replica = replica.expect("a fresh disk");
    let reconcile = Ask::Reconcile {
        from: ExtentIndex(0),
        until: None,
        held: BTreeSet::from([file(0)]),
    };
    assert!(ask(&mut replica, reconcile).is_empty());
    let mut effects = Vec::new();
    replica.handle(ReplicaEvent::Message(message(Ask::Empty)), &mut effects);
    match effects.pop() {
        Some(ReplicaEffect::Answer(answer)) => answer.result.expect("it is told"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_extent_that_was_not_found_is_not_called_empty() {
    assert_eq!(called_empty(vec![(file(0), 0)])[..], [0; 8]);
    assert_eq!(called_empty(Vec::new()), Bytes::new());
}

#[test]
fn a_region_that_cannot_be_summed_anew_holds_up_no_other() {
    let record = DirtyLogRecord {
        sequence: 1,
        volume: VolumeId(1),
        regions: Some(BTreeSet::from([RegionIndex(0), RegionIndex(1)])),
    };
    let found = Recovered {
        incarnation: Incarnation(0),
        promise: Slots::Fresh,
        log: Slots::Newest(record),
        missed: Slots::Fresh,
        extents: vec![(file(0), 0)],
    };
    let replica = Replica::recover(VolumeId(1), DiskNumber(0), Arc::default(), found);
    let mut replica = replica.expect("a disk");
    let mut begun = Vec::new();
    for _ in 0..5 {
        let mut effects = Vec::new();
        let more = replica.resum_one(&mut effects);
        let mut again = Vec::new();
        assert!(!more || replica.resum_one(&mut again));
        assert!(again.is_empty(), "one at a time");
        match effects.pop() {
            Some(ReplicaEffect::Disk(id, DiskOp::Resum { region, .. })) => {
                begun.push(Some(region.0));
                replica.handle(ReplicaEvent::Done(id, Err(DiskFault::Io)), &mut Vec::new());
            }
            None => begun.push(None),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(begun, [Some(0), Some(1), None, Some(0), Some(1)]);
}
