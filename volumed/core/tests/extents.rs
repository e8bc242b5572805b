//! Which replicas a head uses, and what it tells them of their extents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use volumed_core::format::Slots;
use volumed_core::head::{Head, HeadEffect, HeadEvent, HeadSettings, HeadStart, Moment, RequestId};
use volumed_core::message::{Answer, Ask, ExtentFile, Message, OpId};
use volumed_core::placement::{Placement, Role};
use volumed_core::replica::{DiskAnswer, DiskOp, Recovered, Replica, ReplicaEffect, ReplicaEvent};
use volumed_core::{
    Alloc, ByteCount, DiskNumber, EXTENT_SIZE, Epoch, ExtentIndex, Incarnation, Request, VolumeId,
    unfound,
};

const DISKS: [DiskNumber; 3] = [DiskNumber(0), DiskNumber(1), DiskNumber(2)];

/// A head of a volume with so many extents on disks 0, 1 and 2, on the last of which they are only
/// being copied.
fn head(extents: u64, stale: BTreeSet<DiskNumber>) -> Head {
    let roles = [Role::Full, Role::Full, Role::Incoming];
    let placement = Placement {
        alloc: Alloc(1),
        replicas: DISKS.into_iter().zip(roles).collect(),
    };
    Head::new(HeadStart {
        volume: VolumeId(1),
        epoch: Epoch(1),
        size: ByteCount(10_000 * EXTENT_SIZE),
        quota: None,
        settings: HeadSettings::for_replicas(2),
        disks: BTreeSet::from(DISKS),
        extents: (0..extents)
            .map(|extent| (ExtentIndex(extent), placement.clone()))
            .collect(),
        lost: BTreeMap::new(),
        stale,
        fell_behind: BTreeMap::new(),
        incarnations: BTreeMap::new(),
    })
}

fn tell(head: &mut Head, event: HeadEvent) -> Vec<HeadEffect> {
    let mut effects = Vec::new();
    head.handle(Moment(0), event, &mut effects);
    effects
}

fn ask(head: &mut Head, id: u64, request: Request) -> Vec<HeadEffect> {
    tell(head, HeadEvent::Request(RequestId(id), request))
}

fn trim(head: &mut Head, id: u64, first: u64, extents: u64) -> Vec<HeadEffect> {
    let request = Request::Trim {
        offset: first * EXTENT_SIZE,
        length: extents * EXTENT_SIZE,
        fua: false,
    };
    ask(head, id, request)
}

fn sent(effects: &[HeadEffect]) -> BTreeMap<DiskNumber, &Ask> {
    let message = |effect| match effect {
        &HeadEffect::Send(Message { disk, ref ask, .. }) => Some((disk, ask)),
        _ => None,
    };
    effects.iter().filter_map(message).collect()
}

/// Has every replica do what it was asked; what follows.
fn answer(head: &mut Head, effects: &[HeadEffect]) -> Vec<HeadEffect> {
    let mut followed = Vec::new();
    for effect in effects {
        if let &HeadEffect::Send(Message {
            volume,
            disk,
            incarnation,
            epoch,
            op,
            ..
        }) = effect
        {
            let answer = Answer {
                volume,
                disk,
                incarnation,
                epoch,
                op,
                allocated: 0,
                granted: 1 << 30,
                result: Ok(Bytes::new()),
            };
            followed.extend(tell(head, HeadEvent::Answer(answer)));
        }
    }
    followed
}

#[test]
fn a_stale_disk_and_one_being_copied_to_are_not_relied_on() {
    let read = Request::Read {
        offset: 0,
        length: 4096,
    };
    let write = Request::Write {
        offset: 8192,
        data: Bytes::from_static(&[1; 4096]),
        fua: true,
    };
    let used = |stale: &[DiskNumber]| {
        let mut head = head(1, stale.iter().copied().collect());
        let mut start = tell(&mut head, HeadEvent::Start);
        while !start.is_empty() {
            start = answer(&mut head, &start);
        }
        let readers = ask(&mut head, 1, read.clone());
        let marks = ask(&mut head, 2, write.clone());
        assert_eq!(sent(&readers).len(), 1);
        (
            sent(&readers).into_keys().collect::<Vec<_>>(),
            sent(&marks).into_keys().collect::<Vec<_>>(),
        )
    };
    assert_eq!(used(&[]), (vec![DISKS[0]], vec![DISKS[0], DISKS[1]]));
    assert_eq!(used(&[DISKS[0]]), (vec![DISKS[1]], vec![DISKS[1]]));
}

#[test]
fn a_promise_has_one_size_and_extents_are_reconciled_bit_by_bit_before_the_start() {
    let mut head = head(2500, BTreeSet::new());
    let mut effects = tell(&mut head, HeadEvent::Start);
    assert!(sent(&effects).values().all(|ask| **ask == Ask::Promise));
    let (mut next, mut told) = (Some(ExtentIndex(0)), BTreeSet::new());
    while let Some(expected) = next {
        effects = answer(&mut head, &effects);
        let asks = sent(&effects);
        assert_eq!(asks.keys().copied().collect::<Vec<_>>(), DISKS);
        let Ask::Reconcile { from, until, held } = asks[&DISKS[2]] else {
            panic!("{asks:?}")
        };
        assert_eq!(*from, expected);
        assert!(held.len() <= 1024);
        told.extend(held.iter().copied());
        next = *until;
    }
    let all = (0..2500).map(|extent| ExtentFile {
        extent: ExtentIndex(extent),
        alloc: Alloc(1),
    });
    assert_eq!(told, all.collect());
    effects = answer(&mut head, &effects);
    assert!(
        matches!(effects[..], [HeadEffect::Started(Ok(()))]),
        "{effects:?}"
    );
}

#[test]
fn extents_that_are_freed_leave_a_placement_page_together() {
    let mut head = head(3000, BTreeSet::new());
    let mut effects = trim(&mut head, 1, 1000, 100);
    // What comes while records are being removed shares the next removal.
    assert!(trim(&mut head, 2, 1200, 1000).is_empty());
    assert!(trim(&mut head, 3, 10, 1).is_empty());
    let mut removed = Vec::new();
    while let Some(HeadEffect::Unplace(files)) = effects.pop() {
        let first = files[0].extent.0;
        assert!(
            files
                .iter()
                .all(|file| file.extent.0 / 1024 == first / 1024)
        );
        removed.push((first, files.len()));
        let extents = files.iter().map(|file| file.extent).collect();
        effects = tell(&mut head, HeadEvent::Unplaced(extents, Ok(())));
    }
    assert_eq!(removed, [(1000, 24), (10, 1), (1024, 924), (2048, 152)]);
}

#[test]
fn what_the_store_does_not_place_in_the_range_goes_and_what_is_beyond_it_stays() {
    let file = |extent| ExtentFile {
        extent: ExtentIndex(extent),
        alloc: Alloc(1),
    };
    let found = Recovered {
        incarnation: Incarnation(0),
        promise: Slots::Fresh,
        log: Slots::Fresh,
        missed: Slots::Fresh,
        extents: vec![(file(0), 1), (file(5), 2), (file(2000), 4)],
    };
    let (volume, disk, epoch) = (VolumeId(1), DISKS[0], Epoch(1));
    let mut replica = Replica::recover(volume, disk, Arc::default(), found).expect("a replica");
    let mut send = |ask| {
        let mut effects = Vec::new();
        let (op, volume) = (OpId(1), volume);
        let message = Message {
            volume,
            disk,
            incarnation: Incarnation(0),
            epoch,
            op,
            ask,
        };
        replica.handle(ReplicaEvent::Message(message), &mut effects);
        if let [ReplicaEffect::Disk(id, DiskOp::WritePromise(_) | DiskOp::Remove { .. })] =
            effects[..]
        {
            replica.handle(ReplicaEvent::Done(id, Ok(DiskAnswer::Done)), &mut effects);
        }
        effects
    };
    send(Ask::Promise);
    let effects = send(Ask::Reconcile {
        from: ExtentIndex(0),
        until: Some(ExtentIndex(1500)),
        held: BTreeSet::from([file(0), file(7)]),
    });
    let [
        ReplicaEffect::Disk(_, DiskOp::Remove { file: removed }),
        ReplicaEffect::Answer(answer),
    ] = &effects[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!(*removed, file(5));
    // It says whose files it did not find.
    let unfound = unfound::pack([ExtentIndex(7)].into_iter());
    assert_eq!(answer.result, Ok(unfound));
    assert_eq!(replica.allocated(), 5);
    let held = [0, 5, 7, 2000].map(|extent| replica.readable(ExtentIndex(extent)));
    let expected = [Some(file(0)), None, Some(file(7)), Some(file(2000))];
    assert_eq!(held, expected);
}
