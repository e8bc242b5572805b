//! What a replica's log names, one event at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use volumed_core::format::Slots;
use volumed_core::message::{Ask, ExtentFile, Message, OpId};
use volumed_core::replica::{
    DiskAnswer, DiskOp, DiskOpId, Recovered, Replica, ReplicaEffect, ReplicaEvent,
};
use volumed_core::{
    Alloc, DiskNumber, Epoch, ExtentIndex, Incarnation, REGIONS_PER_EXTENT, RegionIndex, VolumeId,
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

fn ask(replica: &mut Replica, ask: Ask) -> Vec<(DiskOpId, DiskOp)> {
    let message = Message {
        volume: VolumeId(1),
        disk: DiskNumber(0),
        incarnation: Incarnation(0),
        epoch: Epoch(0),
        op: OpId(1),
        ask,
    };
    tell(replica, ReplicaEvent::Message(message))
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
