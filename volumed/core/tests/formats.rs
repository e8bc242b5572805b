//! What is written is read back, any flipped byte is noticed, and anything may be read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseResult;
use volumed_core::format::{
    DirtyLogRecord, FormatError, PlacementPage, PromiseRecord, SlotRecord, SumsHeader, decode_sums,
    encode_sums, newest,
};
use volumed_core::placement::{Placement, ReplicaState};
use volumed_core::{Alloc, DiskNumber, Epoch, ExtentIndex, RegionIndex, VolumeId};

/// Where to flip a byte, and how.
fn flip() -> impl Strategy<Value = (Index, u8)> {
    (any::<Index>(), 1..=255_u8)
}

fn check<R: PartialEq + Debug>(
    record: &R,
    bytes: &[u8],
    (at, how): (Index, u8),
    decode: impl Fn(&[u8]) -> Result<R, FormatError>,
) -> TestCaseResult {
    let read = decode(bytes);
    prop_assert_eq!(read.as_ref(), Ok(record));
    let mut flipped = bytes.to_vec();
    flipped[at.index(bytes.len())] ^= how;
    prop_assert!(decode(&flipped).is_err());
    let cut = at.index(bytes.len());
    prop_assert!(decode(&bytes[..cut]).is_err());
    Ok(())
}

fn placement() -> impl Strategy<Value = Placement> {
    let state = prop_oneof![Just(ReplicaState::InSync), Just(ReplicaState::Stale)];
    let replica = (any::<u16>().prop_map(DiskNumber), state);
    // As far apart as a page may hold them.
    let alloc = (7_u64 << 40..8_u64 << 40).prop_map(Alloc);
    (alloc, vec(replica, 0..4)).prop_map(|(alloc, replicas)| Placement { alloc, replicas })
}

proptest! {
    #[test]
    fn promises(sequence: u64, volume: u64, epoch: u64, flip in flip()) {
        let record = PromiseRecord { sequence, volume: VolumeId(volume), epoch: Epoch(epoch) };
        check(&record, &record.encode(), flip, PromiseRecord::decode)?;
    }

    #[test]
    fn dirty_logs(
        sequence: u64,
        volume: u64,
        regions in proptest::option::of(btree_set(any::<u64>().prop_map(RegionIndex), 0..100)),
        flip in flip(),
    ) {
        let record = DirtyLogRecord { sequence, volume: VolumeId(volume), regions };
        check(&record, &record.encode(), flip, DirtyLogRecord::decode)?;
    }

    #[test]
    fn sums_headers(volume: u64, extent: u64, alloc: u64, allocated: u32, flip in flip()) {
        let header = SumsHeader {
            volume: VolumeId(volume),
            extent: ExtentIndex(extent),
            alloc: Alloc(alloc),
            allocated,
        };
        let page = header.encode();
        prop_assert_eq!(page.len(), 4096);
        prop_assert_eq!(SumsHeader::decode(&page), Ok(header));
        let mut flipped = page.clone();
        flipped[flip.0.index(page.len())] ^= flip.1;
        prop_assert!(SumsHeader::decode(&flipped).is_err());
    }

    #[test]
    fn placement_pages(extents in btree_map(0..1024_u16, placement(), 0..64), flip in flip()) {
        let page = PlacementPage { extents };
        let bytes = page.encode().unwrap();
        check(&page, &bytes, flip, PlacementPage::decode)?;
    }

    #[test]
    fn sums_pages(sums in vec(any::<u32>(), 1024)) {
        prop_assert_eq!(&decode_sums(&encode_sums(&sums))[..], &sums[..]);
    }

    #[test]
    fn anything_may_be_read(bytes: Vec<u8>, other: Vec<u8>) {
        let _ = PlacementPage::decode(&bytes);
        let _ = SumsHeader::decode(&bytes);
        let _ = newest::<PromiseRecord>([&bytes, &other]);
        let _ = newest::<DirtyLogRecord>([&bytes, &other]);
        let _ = decode_sums(&bytes);
    }
}

#[test]
fn more_regions_than_a_slot_holds_are_written_as_all() {
    let regions: BTreeSet<_> = (0..20_000).map(RegionIndex).collect();
    let record = DirtyLogRecord {
        sequence: 1,
        volume: VolumeId(1),
        regions: Some(regions),
    };
    assert_eq!(
        DirtyLogRecord::decode(&record.encode()).unwrap().regions,
        None
    );
}

#[test]
fn a_placed_extent_costs_eight_bytes() {
    let replicas = vec![(DiskNumber(3), ReplicaState::InSync)];
    let placed = |count: u16| {
        let extents: BTreeMap<_, _> = (0..count)
            .map(|at| {
                (
                    at,
                    Placement {
                        alloc: Alloc(900 + u64::from(at)),
                        replicas: replicas.clone(),
                    },
                )
            })
            .collect();
        PlacementPage { extents }.encode().unwrap().len()
    };
    assert_eq!(placed(1024) - placed(24), 8000);
}

#[test]
fn allocs_too_far_apart_are_refused() {
    let at = |alloc| Placement {
        alloc: Alloc(alloc),
        replicas: Vec::new(),
    };
    let page = PlacementPage {
        extents: BTreeMap::from([(0, at(1)), (1, at(1 + (1 << 40)))]),
    };
    assert!(page.encode().is_err());
}
