//! What is written is read back, any flipped byte is noticed, and anything may be read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseResult;
use volumed_core::format::{
    DirtyLogRecord, DiskState, FormatError, HeldRecord, LOG_SLOT_SIZE, MISSED_SLOT_SIZE,
    MissedLogRecord, PlacementPage, PromiseRecord, SlotRecord, SumsHeader, decode_sums,
    encode_sums, newest,
};
use volumed_core::message::ExtentFile;
use volumed_core::missed::Missed;
use volumed_core::placement::{Placement, Role};
use volumed_core::{
    Alloc, BLOCKS_PER_EXTENT, DiskId, DiskNumber, Epoch, ExtentIndex, Incarnation, RegionIndex,
    StoreGeneration, StoreId, VolumeId,
};

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
    let role = prop_oneof![Just(Role::Full), Just(Role::Incoming)];
    let replica = (any::<u16>().prop_map(DiskNumber), role);
    // As far apart as a page may hold them.
    let alloc = (7_u64 << 40..8_u64 << 40).prop_map(Alloc);
    (alloc, vec(replica, 0..4)).prop_map(|(alloc, replicas)| Placement { alloc, replicas })
}

/// Neighbours and others, up to the last region of the largest volume.
fn regions() -> impl Strategy<Value = BTreeSet<RegionIndex>> {
    let run = (prop_oneof![0..50_u64, 0..1_u64 << 38], 1..9_u64);
    let one = |(first, count): (u64, u64)| (first..first + count).map(RegionIndex);
    vec(run, 0..30).prop_map(move |runs| runs.into_iter().flat_map(one).collect())
}

proptest! {
    #[test]
    fn promises(sequence: u64, volume: u64, epoch: u64, flip in flip()) {
        let record = PromiseRecord { sequence, volume: VolumeId(volume), epoch: Epoch(epoch) };
        check(&record, &record.encode(), flip, PromiseRecord::decode)?;
    }

    #[test]
    fn missed_logs(
        numbers: [u64; 3],
        disk: u16,
        since: u64,
        regions in regions(),
        flip in flip(),
    ) {
        let [sequence, volume, epoch] = numbers;
        let regions = regions.into_iter().collect();
        let missed = Missed { since: Alloc(since), regions };
        let missed = [(DiskNumber(disk), missed)].into();
        let (volume, epoch) = (VolumeId(volume), Epoch(epoch));
        let record = MissedLogRecord { sequence, volume, epoch, missed };
        check(&record, &record.encode(), flip, MissedLogRecord::decode)?;
        prop_assert!((record.encode().len() as u64) < MISSED_SLOT_SIZE);
    }

    #[test]
    fn dirty_logs(
        sequence: u64,
        volume: u64,
        regions in proptest::option::of(regions()),
        flip in flip(),
    ) {
        let record = DirtyLogRecord { sequence, volume: VolumeId(volume), regions };
        check(&record, &record.encode(), flip, DirtyLogRecord::decode)?;
    }

    #[test]
    fn notes_of_what_is_held(
        sequence: u64,
        volume: u64,
        extents in btree_map((any::<u64>(), any::<u64>()), any::<u32>(), 0..40),
        flip in flip(),
    ) {
        let file = |(extent, alloc)| ExtentFile { extent: ExtentIndex(extent), alloc: Alloc(alloc) };
        let extents = extents.into_iter().map(|(name, blocks)| (file(name), blocks)).collect();
        let record = HeldRecord { volume: VolumeId(volume), sequence, extents };
        check(&record, &record.encode(), flip, HeldRecord::decode)?;
    }

    #[test]
    fn disk_states(
        numbers: [u64; 4],
        ids: [u128; 3],
        mount: u64,
        failed: bool,
        flip in flip(),
    ) {
        let state = DiskState {
            sequence: numbers[0],
            disk: DiskId(ids[0]),
            store: StoreId(ids[1]),
            generation: StoreGeneration(numbers[1]),
            incarnation: Incarnation(numbers[2]),
            boot: ids[2],
            mount,
            failed,
        };
        check(&state, &state.encode(), flip, DiskState::decode)?;
    }

    #[test]
    fn sums_headers(
        volume: u64, extent: u64, alloc: u64, allocated in 0..=BLOCKS_PER_EXTENT, flip in flip()
    ) {
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
        let _ = newest::<DiskState>([&bytes, &other]);
        let _ = decode_sums(&bytes);
    }
}

#[test]
fn an_extent_holds_no_more_blocks_than_it_has() {
    let page = |allocated| {
        let header = SumsHeader {
            volume: VolumeId(1),
            extent: ExtentIndex(0),
            alloc: Alloc(1),
            allocated,
        };
        SumsHeader::decode(&header.encode()).map(|header| header.allocated)
    };
    assert_eq!(page(BLOCKS_PER_EXTENT), Ok(BLOCKS_PER_EXTENT));
    assert_eq!(page(BLOCKS_PER_EXTENT + 1), Err(FormatError::Damaged));
}

fn log_of(regions: BTreeSet<RegionIndex>) -> DirtyLogRecord {
    DirtyLogRecord {
        sequence: 1,
        volume: VolumeId(1),
        regions: Some(regions),
    }
}

#[test]
fn more_regions_than_a_slot_holds_are_written_as_all() {
    let scattered = (0..20_000).map(|at| RegionIndex(2 * at)).collect();
    for too_many in [scattered, (0..1_100_000).map(RegionIndex).collect()] {
        let bytes = log_of(too_many).encode();
        assert!(bytes.len() as u64 <= LOG_SLOT_SIZE);
        assert_eq!(DirtyLogRecord::decode(&bytes).unwrap().regions, None);
    }
}

#[test]
fn neighbouring_regions_cost_eight_bytes_together() {
    let one = log_of((7..8).map(RegionIndex).collect());
    let many = log_of((7..4_103).map(RegionIndex).collect());
    assert_eq!(one.encode().len(), many.encode().len());
    assert_eq!(DirtyLogRecord::decode(&many.encode()), Ok(many));
}

/// A page of so many extents, of which `together` at a time were placed at once.
fn page(count: u16, together: u16) -> PlacementPage {
    let place = |at: u16| Placement {
        alloc: Alloc(900 + u64::from(at / together)),
        replicas: vec![(DiskNumber(3), Role::Full)],
    };
    PlacementPage {
        extents: (0..count).map(|at| (at, place(at))).collect(),
    }
}

#[test]
fn a_placed_extent_costs_eight_bytes_and_one_of_eight_placed_at_once_costs_one() {
    let length = |count, together| page(count, together).encode().unwrap().len();
    assert_eq!(length(1024, 1) - length(24, 1), 8000);
    assert_eq!(length(1024, 8) - length(24, 8), 1000);
    let full = page(1024, 1024);
    assert_eq!(PlacementPage::decode(&full.encode().unwrap()), Ok(full));
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
