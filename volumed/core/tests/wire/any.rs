//! Frames of any content within the bounds.

use bytes::Bytes;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use volumed_core::message::{Answer, Ask, ExtentFile, MOST_DATA, Message, OpId, ReplicaError};
use volumed_core::missed::Missed;
use volumed_core::wire::Frame;
use volumed_core::{
    Alloc, DiskNumber, EXTENT_SIZE, Epoch, ExtentIndex, Incarnation, RegionIndex, VolumeId,
};

use super::REFUSALS;

fn file() -> impl Strategy<Value = ExtentFile> {
    (0..1_u64 << 34, any::<u64>()).prop_map(|(extent, alloc)| ExtentFile {
        extent: ExtentIndex(extent),
        alloc: Alloc(alloc),
    })
}

/// A part of an extent, no longer than `most`.
fn part(most: u32) -> impl Strategy<Value = (u32, u32)> {
    let whole = EXTENT_SIZE as u32;
    (0..whole).prop_flat_map(move |offset| (Just(offset), 1..=most.min(whole - offset)))
}

fn missed() -> impl Strategy<Value = Missed> {
    let regions = btree_set((0..1_u64 << 38).prop_map(RegionIndex), 0..20);
    (any::<u64>(), regions).prop_map(|(since, regions)| Missed {
        since: Alloc(since),
        regions: regions.into_iter().collect(),
    })
}

fn ask() -> impl Strategy<Value = Ask> {
    let regions = || btree_set((0..1_u64 << 38).prop_map(RegionIndex), 0..20);
    let extent = || (0..1_u64 << 34).prop_map(ExtentIndex);
    prop_oneof![
        Just(Ask::Promise),
        (
            extent(),
            proptest::option::of(extent()),
            btree_set(file(), 0..20)
        )
            .prop_map(|(from, until, held)| Ask::Reconcile { from, until, held }),
        (file(), part(MOST_DATA)).prop_map(|(file, (offset, length))| Ask::Read {
            file,
            offset,
            length
        }),
        (file(), part(EXTENT_SIZE as u32)).prop_map(|(file, (offset, length))| Ask::Map {
            file,
            offset,
            length
        }),
        (file(), part(EXTENT_SIZE as u32)).prop_map(|(file, (offset, length))| Ask::Holes {
            file,
            offset,
            length
        }),
        any::<[u64; 2]>().prop_map(|[least, most]| Ask::Grant { least, most }),
        any::<u64>().prop_map(|blocks| Ask::GiveBack { blocks }),
        Just(Ask::Empty),
        (
            file(),
            0..(EXTENT_SIZE - 100) as u32,
            vec(any::<u8>(), 1..100),
            any::<[bool; 2]>()
        )
            .prop_map(|(file, offset, data, [durable, clear])| {
                let data = data.into();
                Ask::Write {
                    file,
                    offset,
                    data,
                    durable,
                    clear,
                }
            }),
        (file(), 0..16_000_u32, 1..384_u32, any::<[bool; 2]>()).prop_map(
            |(file, first, count, [durable, keep])| {
                let (offset, length) = (first * 4096, count * 4096);
                Ask::Zero {
                    file,
                    offset,
                    length,
                    durable,
                    keep,
                }
            }
        ),
        btree_set(extent(), 0..20).prop_map(|extents| Ask::Sync { extents }),
        regions().prop_map(|regions| Ask::Mark { regions }),
        regions().prop_map(|regions| Ask::Settle { regions }),
        regions().prop_map(|regions| Ask::Unmark { regions }),
        file().prop_map(|file| Ask::Adopt { file }),
        file().prop_map(|file| Ask::Remove { file }),
        file().prop_map(|file| Ask::Receive { file }),
        (btree_set(file(), 0..20), any::<bool>())
            .prop_map(|(files, missing)| Ask::Create { files, missing }),
        Just(Ask::Missed),
        btree_map(any::<u16>().prop_map(DiskNumber), missed(), 0..4)
            .prop_map(|missed| Ask::KeepMissed { missed }),
        copied(),
    ]
}

fn copied() -> impl Strategy<Value = Ask> {
    prop_oneof![
        (file(), 0..16_000_u32, 1..=128_u32, vec(any::<u8>(), 0..100)).prop_map(
            |(file, first, count, chunk)| Ask::Store {
                file,
                offset: first * 4096,
                length: count * 4096,
                chunk: chunk.into(),
            }
        ),
        (file(), 0..16_000_u32, 1..=128_u32, vec(any::<u8>(), 0..100)).prop_map(
            |(file, first, count, chunk)| Ask::Replace {
                file,
                offset: first * 4096,
                length: count * 4096,
                chunk: chunk.into(),
            }
        ),
        (file(), 0..15_000_u32, 1..=1024_u32).prop_map(|(file, first, count)| Ask::Digest {
            file,
            offset: first * 4096,
            length: count * 4096,
        }),
        (file(), 0..16_000_u32, 1..=128_u32).prop_map(|(file, first, count)| Ask::Fetch {
            file,
            offset: first * 4096,
            length: count * 4096,
        }),
    ]
}

fn result() -> impl Strategy<Value = Result<Bytes, ReplicaError>> {
    let refusal = proptest::sample::select(&REFUSALS[..]);
    prop_oneof![
        vec(any::<u8>(), 0..100).prop_map(|data| Ok(data.into())),
        refusal.prop_map(Err),
    ]
}

pub fn frame() -> impl Strategy<Value = Frame> {
    let content = prop_oneof![ask().prop_map(Ok), result().prop_map(Err)];
    (any::<[u64; 6]>(), any::<u16>(), content).prop_map(|(numbers, disk, content)| {
        let [volume, incarnation, epoch, op, allocated, granted] = numbers;
        let (volume, disk) = (VolumeId(volume), DiskNumber(disk));
        let (incarnation, epoch, op) = (Incarnation(incarnation), Epoch(epoch), OpId(op));
        match content {
            Ok(ask) => Frame::Message(Message {
                volume,
                disk,
                incarnation,
                epoch,
                op,
                ask,
            }),
            Err(result) => Frame::Answer(Answer {
                volume,
                disk,
                incarnation,
                epoch,
                op,
                allocated,
                granted,
                result,
            }),
        }
    })
}
