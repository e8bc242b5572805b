//! What a head has done before it answers, or calls a disk in sync.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use volumed_core::head::{
    Head, HeadEffect, HeadEvent, HeadSettings, HeadStart, Moment, RequestId, ResyncProgress,
};
use volumed_core::message::{Answer, Ask, ExtentFile, Message, ReplicaError};
use volumed_core::placement::{Placement, Role};
use volumed_core::sums::HOLE;
use volumed_core::{
    Alloc, BLOCK_SIZE, ByteCount, DiskNumber, EXTENT_SIZE, Epoch, ExtentIndex, Incarnation,
    IoError, Request, VolumeId, digest, marks,
};

const A: DiskNumber = DiskNumber(0);
const B: DiskNumber = DiskNumber(1);
const FILE: ExtentFile = ExtentFile {
    extent: ExtentIndex(0),
    alloc: Alloc(1),
};

/// A head of an extent on A and B.
struct Rig {
    head: Head,
    sent: Vec<Message>,
    wanted: Vec<HeadEffect>,
    /// Whether no disk has room for what it is to write.
    full: bool,
}

impl Rig {
    /// It begins with both, or some are stale.
    fn new(stale: &[DiskNumber]) -> Self {
        let placement = Placement {
            alloc: FILE.alloc,
            replicas: [A, B].map(|disk| (disk, Role::Full)).into(),
        };
        let head = Head::new(HeadStart {
            volume: VolumeId(1),
            epoch: Epoch(1),
            size: ByteCount(EXTENT_SIZE),
            quota: None,
            settings: HeadSettings::for_replicas(2),
            disks: BTreeSet::from([A, B]),
            extents: [(FILE.extent, placement)].into(),
            lost: BTreeMap::new(),
            stale: stale.iter().copied().collect(),
            fell_behind: BTreeMap::new(),
            incarnations: BTreeMap::new(),
        });
        let mut rig = Self {
            head,
            sent: Vec::new(),
            wanted: Vec::new(),
            full: false,
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
        let result = match &message.ask {
            Ask::Promise => Ok(marks::pack(&BTreeSet::new())),
            Ask::Write { .. } if self.full => Err(ReplicaError::NoSpace),
            Ask::Digest { length, .. } => {
                let holes = vec![HOLE; *length as usize / BLOCK_SIZE as usize];
                Ok(digest::pack(&holes, &vec![0; *length as usize]).into())
            }
            _ => Ok(Bytes::new()),
        };
        Answer {
            volume: message.volume,
            disk: message.disk,
            incarnation: Incarnation(0),
            epoch: message.epoch,
            op: message.op,
            allocated: 0,
            granted: 1 << 20,
            result,
        }
    }

    fn write(&mut self) {
        let write = Request::Write {
            offset: 0,
            data: Bytes::from_static(&[1; 4096]),
            fua: false,
        };
        self.tell(HeadEvent::Request(RequestId(1), write));
    }

    fn wants(&mut self, is: impl Fn(&HeadEffect) -> bool) -> bool {
        std::mem::take(&mut self.wanted).iter().any(is)
    }
}

#[test]
fn nothing_is_answered_before_who_lacks_it_is_recorded_stale() {
    let mut rig = Rig::new(&[]);
    rig.tell(HeadEvent::Leave(B));
    assert!(rig.wants(|it| matches!(it, HeadEffect::Exclude(B, _))));
    rig.write();
    let written = |it: &HeadEffect| matches!(it, HeadEffect::Reply(_, Ok(_)));
    assert!(!rig.wants(written), "after a crash B would be read");
    rig.tell(HeadEvent::Excluded(B, Ok(Some(Alloc(2)))));
    assert!(rig.wants(written));
}

#[test]
fn replicas_are_compared_where_a_change_failed_before_it_is_answered() {
    let mut rig = Rig::new(&[]);
    rig.full = true;
    rig.sent.clear();
    rig.write();
    let refused = |it: &HeadEffect| matches!(it, HeadEffect::Reply(_, Err(IoError::NoSpace)));
    assert!(rig.wants(refused));
    let compared = rig
        .sent
        .iter()
        .filter(|it| matches!(it.ask, Ask::Digest { .. }));
    let compared: BTreeSet<_> = compared.map(|it| it.disk).collect();
    assert_eq!(compared, BTreeSet::from([A, B]));
}

#[test]
fn what_a_disk_was_given_is_durable_before_it_is_in_sync() {
    let mut rig = Rig::new(&[B]);
    rig.tell(HeadEvent::Join(B));
    rig.sent.clear();
    while rig.wants(|it| matches!(it, HeadEffect::Resync(B, ResyncProgress::Behind(_)))) {
        rig.tell(HeadEvent::ResyncOn(B));
    }
    let compared = rig
        .sent
        .iter()
        .any(|it| matches!(it.ask, Ask::Digest { .. }));
    assert!(compared, "it gets what it lacks");
    let last = rig.sent.last().expect("it was asked something");
    assert!(
        matches!(&last.ask, Ask::Sync { extents } if extents.contains(&FILE.extent)),
        "{last:?}"
    );
    assert_eq!(last.disk, B);
}
