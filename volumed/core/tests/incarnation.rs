//! A head and a replica whose disk lost what was not flushed do not take each other for what they were
//! (V7).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use volumed_core::format::Slots;
use volumed_core::head::{Head, HeadEffect, HeadEvent, HeadSettings, HeadStart, Moment, RequestId};
use volumed_core::message::{Answer, ExtentFile, Message, ReplicaError};
use volumed_core::placement::{Placement, Role};
use volumed_core::replica::{DiskAnswer, Recovered, Replica, ReplicaEffect, ReplicaEvent};
use volumed_core::{
    Alloc, ByteCount, DiskNumber, EXTENT_SIZE, Epoch, ExtentIndex, Incarnation, Request, VolumeId,
};

const VOLUME: VolumeId = VolumeId(1);
const DISK: DiskNumber = DiskNumber(0);
const FILE: ExtentFile = ExtentFile {
    extent: ExtentIndex(0),
    alloc: Alloc(1),
};

fn replica(incarnation: Incarnation) -> Replica {
    recovered(DISK, incarnation, vec![(FILE, 0)])
}

fn recovered(
    disk: DiskNumber,
    incarnation: Incarnation,
    extents: Vec<(ExtentFile, u32)>,
) -> Replica {
    let found = Recovered {
        incarnation,
        promise: Slots::Fresh,
        log: Slots::Fresh,
        missed: Slots::Fresh,
        extents,
    };
    Replica::recover(VOLUME, disk, Arc::default(), found).expect("a replica")
}

fn head() -> Head {
    let placement = Placement {
        alloc: FILE.alloc,
        replicas: vec![(DISK, Role::Full)],
    };
    Head::new(HeadStart {
        quota: None,
        volume: VOLUME,
        epoch: Epoch(1),
        size: ByteCount(EXTENT_SIZE),
        settings: HeadSettings::for_replicas(1),
        disks: BTreeSet::from([DISK]),
        extents: [(FILE.extent, placement)].into(),
        lost: BTreeMap::new(),
        stale: BTreeSet::new(),
        fell_behind: BTreeMap::new(),
        incarnations: BTreeMap::new(),
    })
}

/// The messages that follow, of which there are no other effects.
fn tell(head: &mut Head, event: HeadEvent) -> Vec<Message> {
    tell_at(head, 0, event)
}

fn tell_at(head: &mut Head, seconds: u64, event: HeadEvent) -> Vec<Message> {
    let mut effects = Vec::new();
    head.handle(Moment(seconds * 1000), event, &mut effects);
    let messages = effects.into_iter().filter_map(|effect| match effect {
        HeadEffect::Send(message) => Some(message),
        HeadEffect::Started(outcome) => {
            assert_eq!(outcome, Ok(()));
            None
        }
        other => panic!("{other:?}"),
    });
    messages.collect()
}

/// Delivers messages, answers, and what follows from them.
fn converse(head: &mut Head, replica: &mut Replica, mut messages: Vec<Message>) {
    while let Some(message) = messages.pop() {
        let answer = answer(replica, message);
        messages.extend(tell(head, HeadEvent::Answer(answer)));
    }
}

/// What a replica answers whose disk does all that it is asked.
fn answer(replica: &mut Replica, message: Message) -> Answer {
    let mut effects = Vec::new();
    replica.handle(ReplicaEvent::Message(message), &mut effects);
    loop {
        match effects.pop() {
            Some(ReplicaEffect::Disk(op, _)) => {
                replica.handle(ReplicaEvent::Done(op, Ok(DiskAnswer::Done)), &mut effects);
            }
            Some(ReplicaEffect::Answer(answer)) => return answer,
            Some(
                ReplicaEffect::Recall
                | ReplicaEffect::DamageChanged
                | ReplicaEffect::Scrubbed { .. },
            ) => {}
            None => panic!("no answer"),
        }
    }
}

#[test]
fn a_head_asks_for_the_incarnation_and_is_refused_by_any_other() {
    let mut replica = replica(Incarnation(7));
    let mut head = head();
    let messages = tell(&mut head, HeadEvent::Start);
    converse(&mut head, &mut replica, messages);
    let write = Request::Write {
        offset: 0,
        data: Bytes::from_static(&[1; 4096]),
        fua: false,
    };
    let messages = tell(&mut head, HeadEvent::Request(RequestId(1), write));
    let [mark] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!(mark.incarnation, Incarnation(7));
    let to_an_earlier_one = Message {
        incarnation: Incarnation(6),
        ..mark.clone()
    };
    let refusal = answer(&mut replica, to_an_earlier_one);
    assert_eq!(refusal.result, Err(ReplicaError::Restarted));
    assert_eq!(refusal.incarnation, Incarnation(7));
    assert!(replica.dirty().is_empty());
    let done = answer(&mut replica, mark.clone());
    assert_eq!(done.result, Ok(Bytes::new()));
}

#[test]
fn a_disk_that_joins_is_known_by_the_incarnation_it_promised_with_and_one_that_came_back_joins_anew()
 {
    let mut first = replica(Incarnation(7));
    let mut head = head();
    let messages = tell(&mut head, HeadEvent::Start);
    converse(&mut head, &mut first, messages);
    let joined = DiskNumber(1);
    // Every disk that the head has is asked every 10 s for what is empty on it.
    let asked = |head: &mut Head, seconds| {
        let asked = tell_at(head, seconds, HeadEvent::Tick);
        asked.into_iter().find(|message| message.disk == joined)
    };

    let mut second = recovered(joined, Incarnation(8), Vec::new());
    let messages = tell(&mut head, HeadEvent::Join(joined));
    assert!(!head.has(joined), "V1: it has not promised yet");
    assert_eq!(tell(&mut head, HeadEvent::Join(joined)), [], "it was asked");
    converse(&mut head, &mut second, messages);
    assert!(head.has(joined));
    let question = asked(&mut head, 20).expect("a question");
    assert_eq!(question.incarnation, Incarnation(8));

    // It is asked no more until its next replica promised, and what was asked stays unanswered.
    assert_eq!(tell(&mut head, HeadEvent::Leave(joined)), []);
    assert!(!head.has(joined));
    assert_eq!(asked(&mut head, 40), None);
    let late = answer(&mut second, question);
    assert_eq!(tell(&mut head, HeadEvent::Answer(late)), []);
    let mut third = recovered(joined, Incarnation(9), Vec::new());
    let promise = tell(&mut head, HeadEvent::Join(joined));
    // One that goes before it promised can come back too.
    tell(&mut head, HeadEvent::Leave(joined));
    let late = answer(&mut third, promise.into_iter().next().expect("a promise"));
    assert_eq!(tell(&mut head, HeadEvent::Answer(late)), []);
    assert!(!head.has(joined));
    let messages = tell(&mut head, HeadEvent::Join(joined));
    converse(&mut head, &mut third, messages);
    assert!(head.has(joined));
    let question = asked(&mut head, 60).expect("a question");
    assert_eq!(question.incarnation, Incarnation(9));
}
