//! What a stale disk missed is known: to the head, to the replicas in sync and to the next head (V4).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use volumed_core::format::{MissedLogRecord, PromiseRecord, SlotRecord, Slots};
use volumed_core::head::{
    Head, HeadEffect, HeadEvent, HeadSettings, HeadStart, Lacks, Moment, RequestId, ResyncProgress,
};
use volumed_core::message::{Answer, Ask, ExtentFile, Message, OpId, ReplicaError};
use volumed_core::missed::{self, Missed, MissedByDisk};
use volumed_core::placement::{Placement, Role};
use volumed_core::replica::{
    DiskAnswer, DiskFault, DiskOp, DiskOpId, Recovered, Replica, ReplicaEffect, ReplicaEvent,
};
use volumed_core::{
    Alloc, ByteCount, DiskNumber, EXTENT_SIZE, Epoch, ExtentIndex, Incarnation, REGION_SIZE,
    RegionIndex, RegionSet, Request, VolumeId, marks, unfound,
};

const VOLUME: VolumeId = VolumeId(1);
const A: DiskNumber = DiskNumber(0);
const B: DiskNumber = DiskNumber(1);
const C: DiskNumber = DiskNumber(2);
const SINCE: Alloc = Alloc(9);
const FILE: ExtentFile = ExtentFile {
    extent: ExtentIndex(0),
    alloc: Alloc(1),
};

fn regions(of: &[u64]) -> BTreeSet<RegionIndex> {
    of.iter().copied().map(RegionIndex).collect()
}

fn missed_by_b(of: &[u64]) -> MissedByDisk {
    let regions: RegionSet = regions(of).into_iter().collect();
    MissedByDisk::from([(
        B,
        Missed {
            since: SINCE,
            regions,
        },
    )])
}

/// Disk A with a replica that may be started anew.
struct Disk {
    replica: Replica,
    slots: [Vec<u8>; 2],
    /// What it was asked to do, in turn.
    ops: Vec<(DiskOpId, DiskOp)>,
    answers: Vec<Answer>,
}

impl Disk {
    fn new() -> Self {
        Self {
            replica: recovered(Epoch(0), Slots::Fresh),
            slots: [Vec::new(), Vec::new()],
            ops: Vec::new(),
            answers: Vec::new(),
        }
    }

    fn tell(&mut self, event: ReplicaEvent) {
        let mut effects = Vec::new();
        self.replica.handle(event, &mut effects);
        for effect in effects {
            match effect {
                ReplicaEffect::Disk(id, op) => self.ops.push((id, op)),
                ReplicaEffect::Answer(answer) => self.answers.push(answer),
                _ => {}
            }
        }
    }

    fn ask(&mut self, epoch: u64, ask: Ask) {
        self.tell(ReplicaEvent::Message(Message {
            volume: VOLUME,
            disk: A,
            incarnation: Incarnation(0),
            epoch: Epoch(epoch),
            op: OpId(1),
            ask,
        }));
    }

    /// Asks, has all be done that follows, and answers what is said.
    fn asked(&mut self, epoch: u64, ask: Ask) -> Result<Bytes, ReplicaError> {
        self.ask(epoch, ask);
        while let Some((id, op)) = self.ops.pop() {
            if let DiskOp::WriteMissed(record) = op {
                self.slots[(record.sequence % 2) as usize] = record.encode();
            }
            self.tell(ReplicaEvent::Done(id, Ok(DiskAnswer::Done)));
        }
        self.answers.pop().expect("an answer").result
    }

    fn missed(&mut self, epoch: u64) -> MissedByDisk {
        let said = self.asked(epoch, Ask::Missed).expect("an answer");
        missed::unpack(&said).expect("what was missed")
    }

    /// Another head begins.
    fn promise(&mut self, epoch: u64) {
        self.asked(epoch, Ask::Promise).expect("a promise");
    }

    fn keep(&mut self, epoch: u64, missed: MissedByDisk) {
        let kept = self.asked(epoch, Ask::KeepMissed { missed });
        kept.expect("it is kept");
    }

    fn unmark(&mut self, epoch: u64, of: &[u64]) {
        let ask = Ask::Unmark {
            regions: regions(of),
        };
        self.asked(epoch, ask).expect("it is unmarked");
    }
}

fn recovered(epoch: Epoch, missed: Slots<MissedLogRecord>) -> Replica {
    let promise = PromiseRecord {
        sequence: 1,
        volume: VOLUME,
        epoch,
    };
    let found = Recovered {
        incarnation: Incarnation(0),
        promise: Slots::Newest(promise),
        log: Slots::Fresh,
        missed,
        extents: vec![(FILE, 0)],
    };
    Replica::recover(VOLUME, A, Arc::default(), found).expect("a replica")
}

#[test]
fn a_region_is_noted_as_missed_before_it_is_unmarked() {
    let mut disk = Disk::new();
    disk.promise(1);
    disk.keep(1, missed_by_b(&[3]));
    disk.ask(
        1,
        Ask::Unmark {
            regions: regions(&[5]),
        },
    );
    let [(id, DiskOp::WriteMissed(record))] = &disk.ops[..] else {
        panic!("{:?}", disk.ops)
    };
    assert_eq!(record.missed, missed_by_b(&[3, 5]));
    let id = *id;
    disk.ops.clear();
    disk.tell(ReplicaEvent::Done(id, Ok(DiskAnswer::Done)));
    assert!(matches!(disk.ops[..], [(_, DiskOp::WriteLog(_))]));
}

#[test]
fn nothing_is_unmarked_that_could_not_be_noted() {
    let mut disk = Disk::new();
    disk.promise(1);
    disk.keep(1, missed_by_b(&[]));
    for _ in 0..2 {
        disk.ask(
            1,
            Ask::Unmark {
                regions: regions(&[5]),
            },
        );
        let (id, op) = disk.ops.pop().expect("it is to be noted");
        assert!(matches!(op, DiskOp::WriteMissed(_)), "{op:?}");
        disk.tell(ReplicaEvent::Done(id, Err(DiskFault::Exhausted)));
        let said = disk.answers.pop().expect("an answer").result;
        assert_eq!(said, Err(ReplicaError::Exhausted));
        assert!(disk.ops.is_empty());
    }
    disk.unmark(1, &[5]);
    assert_eq!(disk.missed(1), missed_by_b(&[5]));
}

#[test]
fn nothing_more_is_written_while_no_disk_is_stale_or_the_region_was_missed_before() {
    let mut disk = Disk::new();
    disk.promise(1);
    for missed in [MissedByDisk::new(), missed_by_b(&[5])] {
        disk.keep(1, missed);
        for ask in [
            Ask::Mark {
                regions: regions(&[5]),
            },
            Ask::Unmark {
                regions: regions(&[5]),
            },
        ] {
            disk.ask(1, ask);
            let (id, op) = disk.ops.pop().expect("it is logged");
            assert!(matches!(op, DiskOp::WriteLog(_)), "{op:?}");
            disk.tell(ReplicaEvent::Done(id, Ok(DiskAnswer::Done)));
        }
    }
}

#[test]
fn the_next_head_hears_what_was_missed_also_after_a_crash() {
    let mut disk = Disk::new();
    disk.promise(1);
    disk.keep(1, missed_by_b(&[3]));
    disk.unmark(1, &[20]);
    disk.promise(2);
    assert_eq!(disk.missed(2), missed_by_b(&[3, 20]));
    let slots = disk.slots.each_ref().map(|slot| &slot[..]);
    let found = volumed_core::format::newest(slots).expect("a log");
    disk.replica = recovered(Epoch(2), found);
    disk.promise(3);
    assert_eq!(disk.missed(3), missed_by_b(&[3, 20]));
}

#[test]
fn what_a_head_does_not_have_kept_counts_no_more_after_it() {
    let mut disk = Disk::new();
    disk.promise(1);
    disk.keep(1, missed_by_b(&[3]));
    // An older program's, or one that knew of no stale disk.
    disk.promise(2);
    disk.promise(3);
    assert_eq!(disk.missed(3), MissedByDisk::new());
}

/// A head of an extent on A, B and maybe C.
struct Rig {
    head: Head,
    sent: Vec<Message>,
    wanted: Vec<HeadEffect>,
    /// What A says that others missed.
    said: MissedByDisk,
    /// What B says that it did not find, if it says so.
    unfound: Option<Vec<ExtentIndex>>,
    /// Marks in B's log; nothing stands for all.
    marked: Option<BTreeSet<RegionIndex>>,
}

impl Rig {
    /// It begins with both, or B is stale.
    fn new(stale: &[DiskNumber], said: MissedByDisk) -> Self {
        Self::on(&[A, B], stale, said)
    }

    fn on(disks: &[DiskNumber], stale: &[DiskNumber], said: MissedByDisk) -> Self {
        let placement = Placement {
            alloc: FILE.alloc,
            replicas: disks.iter().map(|disk| (*disk, Role::Full)).collect(),
        };
        let head = Head::new(HeadStart {
            volume: VOLUME,
            epoch: Epoch(1),
            size: ByteCount(EXTENT_SIZE),
            quota: None,
            settings: HeadSettings::for_replicas(2),
            disks: BTreeSet::from([A, B, C]),
            extents: [(FILE.extent, placement)].into(),
            lost: BTreeMap::new(),
            stale: stale.iter().copied().collect(),
            fell_behind: stale.iter().map(|disk| (*disk, SINCE)).collect(),
            incarnations: BTreeMap::new(),
        });
        let mut rig = Self {
            head,
            sent: Vec::new(),
            wanted: Vec::new(),
            said,
            unfound: Some(Vec::new()),
            marked: Some(BTreeSet::new()),
        };
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
                    HeadEffect::Send(message) => {
                        events.push_back(HeadEvent::Answer(self.answer(&message)));
                        self.sent.push(message);
                    }
                    effect => self.wanted.push(effect),
                }
            }
        }
    }

    fn answer(&self, message: &Message) -> Answer {
        let said = match &message.ask {
            Ask::Promise if message.disk == B => match &self.marked {
                Some(marked) => marks::pack(marked),
                None => Bytes::from_static(&[1]),
            },
            Ask::Promise => marks::pack(&BTreeSet::new()),
            Ask::Reconcile { .. } => match &self.unfound {
                Some(unfound) if message.disk == B => unfound::pack(unfound.iter().copied()),
                _ => Bytes::new(),
            },
            Ask::Missed => missed::pack(&self.said).into(),
            _ => Bytes::new(),
        };
        Answer {
            volume: message.volume,
            disk: message.disk,
            incarnation: Incarnation(0),
            epoch: message.epoch,
            op: message.op,
            allocated: 0,
            granted: 1 << 20,
            result: Ok(said),
        }
    }

    /// Writes a block of a region.
    fn write(&mut self, region: u64) {
        let write = Request::Write {
            offset: region * REGION_SIZE,
            data: Bytes::from_static(&[1; 4096]),
            fua: false,
        };
        self.tell(HeadEvent::Request(RequestId(region), write));
    }

    fn fall_behind(&mut self) {
        self.tell(HeadEvent::Leave(B));
        let recorded = HeadEffect::Exclude(B, Lacks::Changes);
        assert!(self.wants(&recorded));
        self.tell(HeadEvent::Excluded(B, Ok(Some(SINCE))));
    }

    fn wants(&self, what: &HeadEffect) -> bool {
        let what = format!("{what:?}");
        self.wanted.iter().any(|it| format!("{it:?}") == what)
    }

    /// How many regions are to be compared once B joins.
    fn behind(&mut self) -> Option<u64> {
        self.tell(HeadEvent::Join(B));
        self.wanted.iter().find_map(|effect| match effect {
            HeadEffect::Resync(B, ResyncProgress::Behind(regions)) => Some(*regions),
            _ => None,
        })
    }

    /// What a disk was asked to keep last.
    fn kept_by(&self, disk: DiskNumber) -> Option<&MissedByDisk> {
        self.sent
            .iter()
            .rev()
            .find_map(|message| match &message.ask {
                Ask::KeepMissed { missed } if message.disk == disk => Some(missed),
                _ => None,
            })
    }
}

#[test]
fn a_disk_that_was_away_is_resynced_where_it_was_marked_then_or_since() {
    let mut rig = Rig::new(&[], MissedByDisk::new());
    rig.write(2);
    rig.fall_behind();
    assert_eq!(rig.kept_by(A), Some(&missed_by_b(&[2])));
    rig.write(7);
    rig.write(7);
    rig.marked = Some(regions(&[2, 11]));
    assert_eq!(rig.behind(), Some(3));
}

#[test]
fn one_whose_log_cannot_be_read_is_resynced_as_a_whole() {
    let mut rig = Rig::new(&[], MissedByDisk::new());
    rig.fall_behind();
    rig.marked = None;
    assert_eq!(rig.behind(), Some(16));
}

#[test]
fn one_that_failed_is_resynced_as_a_whole() {
    let mut rig = Rig::new(&[], MissedByDisk::new());
    let mut effects = Vec::new();
    let write = Request::Write {
        offset: 0,
        data: Bytes::from_static(&[1; 4096]),
        fua: true,
    };
    rig.tell(HeadEvent::Request(RequestId(0), write.clone()));
    rig.head.handle(
        Moment(0),
        HeadEvent::Request(RequestId(1), write),
        &mut effects,
    );
    for effect in effects {
        if let HeadEffect::Send(message) = effect {
            let mut answer = rig.answer(&message);
            if message.disk == B {
                answer.result = Err(ReplicaError::Disk);
            }
            rig.tell(HeadEvent::Answer(answer));
        }
    }
    assert!(rig.wants(&HeadEffect::Exclude(B, Lacks::Anything)));
    rig.tell(HeadEvent::Excluded(B, Ok(None)));
    assert_eq!(rig.behind(), Some(16));
}

#[test]
fn the_next_head_takes_the_word_of_who_is_in_sync() {
    let mut rig = Rig::new(&[B], missed_by_b(&[4, 5]));
    rig.write(9);
    assert_eq!(rig.behind(), Some(3));
}

#[test]
fn a_word_of_another_time_is_none() {
    let mut said = missed_by_b(&[4]);
    for missed in said.values_mut() {
        missed.since = Alloc(8);
    }
    let mut rig = Rig::new(&[B], said);
    assert_eq!(rig.behind(), Some(16));
}

#[test]
fn one_that_lost_a_file_is_recorded_as_lacking_anything_first() {
    for unfound in [Some(vec![FILE.extent]), None] {
        let mut rig = Rig::new(&[B], missed_by_b(&[4]));
        rig.unfound = unfound;
        assert_eq!(rig.behind(), None);
        assert!(rig.wants(&HeadEffect::Exclude(B, Lacks::Anything)));
        rig.tell(HeadEvent::Excluded(B, Ok(None)));
        assert_eq!(rig.behind(), Some(16));
    }
}

#[test]
fn a_disk_knows_what_others_missed_before_it_is_called_in_sync() {
    let of_c = missed_by_b(&[4]).remove(&B).expect("one");
    let mut said = missed_by_b(&[]);
    said.insert(C, of_c.clone());
    let mut rig = Rig::on(&[A, B, C], &[B, C], said);
    assert_eq!(rig.behind(), Some(0));
    assert_eq!(rig.kept_by(B), None);
    rig.tell(HeadEvent::ResyncOn(B));
    assert_eq!(rig.kept_by(B), Some(&MissedByDisk::from([(C, of_c)])));
    assert!(!rig.wants(&HeadEffect::Include(B)));
    rig.tell(HeadEvent::ResyncOn(B));
    assert!(rig.wants(&HeadEffect::Include(B)));
}

#[test]
fn one_that_has_everything_is_called_in_sync_while_clients_write() {
    let mut rig = Rig::new(&[B], missed_by_b(&[]));
    assert_eq!(rig.behind(), Some(0));
    for _ in 0..10 {
        rig.write(9);
        rig.tell(HeadEvent::ResyncOn(B));
    }
    assert!(rig.wants(&HeadEffect::Include(B)));
}

#[test]
fn a_disk_knows_what_others_missed_before_it_gets_their_extent() {
    let mut rig = Rig::new(&[B], missed_by_b(&[4]));
    rig.sent.clear();
    rig.tell(HeadEvent::BeginCopy(FILE, C));
    for _ in 0..200 {
        rig.tell(HeadEvent::CopyOn(FILE.extent));
    }
    assert_eq!(rig.kept_by(C), Some(&missed_by_b(&[4])));
    assert!(rig.wants(&HeadEffect::Switch(FILE, C)));
}
