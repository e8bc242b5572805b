//! An extent is copied while its volume has several replicas: what becomes of the copy, and of those in sync,
//! when disks leave meanwhile.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use volumed_core::format::Slots;
use volumed_core::head::{
    CopyProgress, Head, HeadEffect, HeadEvent, HeadSettings, HeadStart, Moment, PlaceFailure,
};
use volumed_core::message::{Answer, Ask, ExtentFile, Message, OpId, ReplicaError};
use volumed_core::placement::{Placement, Role};
use volumed_core::replica::{DiskAnswer, DiskOp, Recovered, Replica, ReplicaEffect, ReplicaEvent};
use volumed_core::{
    Alloc, ByteCount, DiskNumber, EXTENT_SIZE, Epoch, ExtentIndex, Incarnation, VolumeId,
};

const VOLUME: VolumeId = VolumeId(1);
const A: DiskNumber = DiskNumber(0);
const B: DiskNumber = DiskNumber(1);
const C: DiskNumber = DiskNumber(2);
const FILE: ExtentFile = ExtentFile {
    extent: ExtentIndex(0),
    alloc: Alloc(1),
};

fn placed_on(disks: &[DiskNumber]) -> Placement {
    Placement {
        alloc: FILE.alloc,
        replicas: disks.iter().map(|disk| (*disk, Role::Full)).collect(),
    }
}

/// A head of extents on these disks, and what it wanted that is not of its messages.
struct Rig {
    head: Head,
    wanted: Vec<HeadEffect>,
}

impl Rig {
    fn new(extents: &[&[DiskNumber]], stale: &[DiskNumber]) -> Self {
        let placed = (0..).zip(extents);
        let head = Head::new(HeadStart {
            volume: VOLUME,
            epoch: Epoch(1),
            size: ByteCount(4 * EXTENT_SIZE),
            quota: None,
            settings: HeadSettings::for_replicas(2),
            disks: BTreeSet::from([A, B, C]),
            extents: placed
                .map(|(extent, disks)| (ExtentIndex(extent), placed_on(disks)))
                .collect(),
            lost: BTreeMap::new(),
            stale: stale.iter().copied().collect(),
            fell_behind: BTreeMap::new(),
            incarnations: BTreeMap::new(),
        });
        let wanted = Vec::new();
        let mut rig = Self { head, wanted };
        rig.tell(HeadEvent::Start);
        rig
    }

    /// Every disk does at once what it is asked.
    fn tell(&mut self, event: HeadEvent) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let mut effects = Vec::new();
            self.head.handle(Moment(0), event, &mut effects);
            for effect in effects {
                match effect {
                    HeadEffect::Send(message) => events.push_back(done(&message)),
                    effect => self.wanted.push(effect),
                }
            }
        }
    }

    fn wants(&mut self, is: impl Fn(&HeadEffect) -> bool) -> bool {
        std::mem::take(&mut self.wanted).iter().any(is)
    }

    /// Copies the first extent to C, but for the store's word.
    fn copy(&mut self) {
        self.tell(HeadEvent::BeginCopy(FILE, C));
        let switches = |effect: &HeadEffect| matches!(effect, HeadEffect::Switch(FILE, C));
        let steps = (0..200).take_while(|_| {
            self.tell(HeadEvent::CopyOn(FILE.extent));
            !self.wants(switches)
        });
        assert!(steps.count() < 200, "it becomes a replica");
    }
}

fn done(message: &Message) -> HeadEvent {
    HeadEvent::Answer(Answer {
        volume: message.volume,
        disk: message.disk,
        incarnation: Incarnation(0),
        epoch: message.epoch,
        op: message.op,
        allocated: 0,
        granted: 0,
        result: Ok(match message.ask {
            Ask::Promise => volumed_core::marks::pack(&BTreeSet::new()),
            _ => Bytes::new(),
        }),
    })
}

fn excludes(disk: DiskNumber) -> impl Fn(&HeadEffect) -> bool {
    move |effect| matches!(effect, HeadEffect::Exclude(it, _) if *it == disk)
}

#[test]
fn a_copy_whose_disk_left_is_given_up() {
    let mut rig = Rig::new(&[&[A, B]], &[]);
    rig.tell(HeadEvent::BeginCopy(FILE, C));
    rig.tell(HeadEvent::CopyOn(FILE.extent));
    rig.tell(HeadEvent::Leave(C));
    let failed = CopyProgress::Failed(ReplicaError::Unreachable);
    assert!(rig.wants(|it| matches!(it, HeadEffect::Copy(_, how) if *how == failed)));
}

#[test]
fn a_copy_whose_disk_left_while_it_became_a_replica_is_stale() {
    let mut rig = Rig::new(&[&[A, B]], &[]);
    rig.copy();
    rig.tell(HeadEvent::Leave(C));
    rig.tell(HeadEvent::Switched(FILE.extent, Ok(placed_on(&[C, B]))));
    assert!(rig.wants(excludes(C)));
}

#[test]
fn a_disk_that_will_be_the_last_in_sync_is_not_recorded_stale() {
    let mut rig = Rig::new(&[&[A, B], &[A, C]], &[B]);
    rig.copy();
    rig.tell(HeadEvent::Leave(C));
    assert!(!rig.wants(excludes(C)), "A may hold nothing of it soon");

    let mut rig = Rig::new(&[&[A, B], &[A, C]], &[]);
    rig.copy();
    rig.tell(HeadEvent::Leave(C));
    assert!(rig.wants(excludes(C)), "A or B stays");
}

fn gives_up(file: ExtentFile, disk: DiskNumber) -> impl Fn(&HeadEffect) -> bool {
    move |effect| matches!(effect, HeadEffect::GiveUp(of, on) if (*of, *on) == (file, disk))
}

fn stays(effect: &HeadEffect) -> bool {
    matches!(effect, HeadEffect::Copy(_, CopyProgress::Stays))
}

#[test]
fn a_replica_goes_once_the_store_says_so_and_not_the_last_in_sync() {
    let mut rig = Rig::new(&[&[A, B, C]], &[C]);
    rig.tell(HeadEvent::GiveUp(FILE, C));
    assert!(rig.wants(gives_up(FILE, C)), "what is stale goes, too");
    rig.tell(HeadEvent::GiveUp(FILE, A));
    assert!(rig.wants(stays), "one at a time");
    rig.tell(HeadEvent::Switched(FILE.extent, Ok(placed_on(&[A, B]))));
    assert!(rig.wants(|it| matches!(it, HeadEffect::Copy(_, CopyProgress::Done))));
    rig.tell(HeadEvent::GiveUp(FILE, A));
    assert!(rig.wants(gives_up(FILE, A)));
    rig.tell(HeadEvent::Switched(FILE.extent, Err(PlaceFailure::Failed)));
    assert!(rig.wants(stays), "the record is as it was");
    rig.tell(HeadEvent::Leave(B));
    rig.tell(HeadEvent::Excluded(B, Ok(None)));
    rig.wanted.clear();
    rig.tell(HeadEvent::GiveUp(FILE, A));
    assert!(rig.wants(stays), "nobody else has everything");
}

#[test]
fn one_that_is_away_is_none_for_whose_sake_another_goes() {
    let mut rig = Rig::new(&[&[A, B], &[B]], &[]);
    rig.tell(HeadEvent::Leave(B));
    assert!(!rig.wants(excludes(B)), "it alone has the second extent");
    rig.tell(HeadEvent::GiveUp(FILE, A));
    assert!(rig.wants(stays), "B may never come back");
    rig.tell(HeadEvent::GiveUp(FILE, B));
    assert!(rig.wants(gives_up(FILE, B)), "A is here and has everything");
}

#[test]
fn nobody_is_excluded_for_the_sake_of_a_replica_that_goes() {
    let mut rig = Rig::new(&[&[A, B]], &[]);
    rig.tell(HeadEvent::GiveUp(FILE, B));
    assert!(rig.wants(gives_up(FILE, B)));
    rig.tell(HeadEvent::Leave(A));
    assert!(!rig.wants(excludes(A)), "B may have nothing of it by now");

    let mut rig = Rig::new(&[&[A, B]], &[]);
    rig.tell(HeadEvent::GiveUp(FILE, B));
    rig.tell(HeadEvent::Leave(B));
    assert!(rig.wants(excludes(B)), "A has everything");
}

#[test]
fn a_volume_that_holds_nothing_begins_with_a_stale_disk() {
    let mut rig = Rig::new(&[], &[A, B, C]);
    assert!(rig.wants(|it| matches!(it, HeadEffect::Started(Ok(())))));
    rig.tell(HeadEvent::Join(A));
    rig.tell(HeadEvent::ResyncOn(A));
    assert!(rig.wants(|it| matches!(it, HeadEffect::Include(A))));

    let mut rig = Rig::new(&[&[A, B]], &[A, B, C]);
    assert!(rig.wants(|it| matches!(it, HeadEffect::Started(Err(_)))));
}

#[test]
fn a_disk_that_joins_has_removed_what_it_is_not_to_hold() {
    let found = Recovered {
        incarnation: Incarnation(0),
        promise: Slots::Fresh,
        log: Slots::Fresh,
        missed: Slots::Fresh,
        extents: vec![(FILE, 0)],
    };
    let mut replica = Replica::recover(VOLUME, C, Arc::default(), found).expect("a replica");
    let mut told = |event| {
        let mut effects = Vec::new();
        replica.handle(event, &mut effects);
        effects
    };
    let ask = |ask| {
        ReplicaEvent::Message(Message {
            volume: VOLUME,
            disk: C,
            incarnation: Incarnation(0),
            epoch: Epoch(1),
            op: OpId(1),
            ask,
        })
    };
    let promise = told(ask(Ask::Promise));
    let [ReplicaEffect::Disk(id, DiskOp::WritePromise(_))] = promise[..] else {
        panic!("{promise:?}");
    };
    told(ReplicaEvent::Done(id, Ok(DiskAnswer::Done)));
    let effects = told(ask(Ask::Reconcile {
        from: ExtentIndex(0),
        until: None,
        held: BTreeSet::new(),
    }));
    let [ReplicaEffect::Disk(id, DiskOp::Remove { file: FILE })] = effects[..] else {
        panic!("it answers before the files are gone: {effects:?}");
    };
    // What is placed there meanwhile is none of them.
    let file = ExtentFile {
        alloc: Alloc(2),
        ..FILE
    };
    let effects = told(ask(Ask::Adopt { file }));
    assert!(matches!(effects[..], [ReplicaEffect::Answer(_)]));
    let effects = told(ReplicaEvent::Done(id, Ok(DiskAnswer::Done)));
    assert!(
        matches!(effects[..], [ReplicaEffect::Answer(_)]),
        "{effects:?}"
    );
}
