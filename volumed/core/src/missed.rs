//! What stale disks missed: the regions that changed since each of them fell behind (V4). A replica keeps
//! this in its missed log, and its head has it replaced when it changes who is stale.
//!
//! Packed: of each disk, ascending, its number u16, since when u64, how many extents follow u32, then a u64 for
//! each extent, ascending: bits 0..16 a region each, 16..64 the extent.

use std::collections::BTreeMap;

use crate::format::{FormatError, Reader};
use crate::region_set::RegionSet;
use crate::{Alloc, DiskNumber, EXTENT_SIZE, ExtentIndex, MAX_VOLUME_SIZE};

/// The most bytes that packed take.
pub const MOST_PACKED: usize = 128_000;

/// The most extents in which a disk is known to have missed something.
pub const MOST_EXTENTS: usize = (MOST_PACKED - PACKED_DISK) / PACKED_EXTENT;

const PACKED_DISK: usize = 14;
const PACKED_EXTENT: usize = 8;

const EXTENT_SHIFT: u32 = 16;

/// What one stale disk missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// When it fell behind: no extent that was placed before has a higher alloc. No other time that a disk fell
    /// behind has the same.
    pub since: Alloc,
    /// What changed since, and maybe more.
    pub regions: RegionSet,
}

/// What each of some stale disks missed. Of a stale disk that is not among them, nothing is known.
pub type MissedByDisk = BTreeMap<DiskNumber, Missed>;

/// Leaves out what would take too many bytes: everything is resynced then.
pub fn bound(missed: &mut MissedByDisk) {
    while packed_size(missed) > MOST_PACKED {
        let largest = missed
            .iter()
            .max_by_key(|(_, missed)| missed.regions.extent_count());
        let Some((&largest, _)) = largest else { return };
        missed.remove(&largest);
    }
}

fn packed_size(missed: &MissedByDisk) -> usize {
    let one = |missed: &Missed| PACKED_DISK + PACKED_EXTENT * missed.regions.extent_count();
    missed.values().map(one).sum()
}

/// Packs what is within the [bound].
pub fn pack(missed: &MissedByDisk) -> Vec<u8> {
    const { assert!(MAX_VOLUME_SIZE.0 / EXTENT_SIZE <= 1 << (64 - EXTENT_SHIFT)) }
    let mut packed = Vec::with_capacity(packed_size(missed));
    for (disk, Missed { since, regions }) in missed {
        packed.extend_from_slice(&disk.0.to_le_bytes());
        packed.extend_from_slice(&since.0.to_le_bytes());
        packed.extend_from_slice(&(regions.extent_count() as u32).to_le_bytes());
        for (extent, bits) in regions.extents() {
            let word = extent.0 << EXTENT_SHIFT | u64::from(bits);
            packed.extend_from_slice(&word.to_le_bytes());
        }
    }
    packed
}

/// What was packed.
pub fn unpack(packed: &[u8]) -> Result<MissedByDisk, FormatError> {
    let valid = |is: bool| is.then_some(()).ok_or(FormatError::Damaged);
    valid(packed.len() <= MOST_PACKED)?;
    let mut packed = Reader(packed);
    let mut missed = MissedByDisk::new();
    while !packed.0.is_empty() {
        let disk = DiskNumber(packed.u16()?);
        let since = Alloc(packed.u64()?);
        let count = packed.u32()?;
        let mut regions = RegionSet::default();
        let mut next = 0;
        for _ in 0..count {
            let word = packed.u64()?;
            let (extent, bits) = (word >> EXTENT_SHIFT, word as u16);
            valid(extent >= next && bits != 0 && extent < MAX_VOLUME_SIZE.0 / EXTENT_SIZE)?;
            next = extent + 1;
            regions.insert_bits(ExtentIndex(extent), bits);
        }
        valid(missed.last_key_value().is_none_or(|(last, _)| *last < disk))?;
        missed.insert(disk, Missed { since, regions });
    }
    Ok(missed)
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, btree_set};
    use proptest::prelude::*;

    use super::*;
    use crate::RegionIndex;

    fn missed() -> impl Strategy<Value = Missed> {
        let regions = btree_set(0..1_u64 << 38, 0..50);
        (any::<u64>(), regions).prop_map(|(since, regions)| Missed {
            since: Alloc(since),
            regions: regions.into_iter().map(RegionIndex).collect(),
        })
    }

    proptest! {
        #[test]
        fn what_was_missed_arrives_as_it_was(
            missed in btree_map(any::<u16>().prop_map(DiskNumber), missed(), 0..9),
        ) {
            prop_assert_eq!(unpack(&pack(&missed)), Ok(missed));
        }

        #[test]
        fn anything_may_arrive(bytes: Vec<u8>) {
            let _ = unpack(&bytes);
        }
    }

    #[test]
    fn what_takes_too_much_is_left_out_disk_by_disk() {
        let of = |extents: usize| Missed {
            since: Alloc(1),
            regions: RegionSet::of_extents((0..extents as u64).map(ExtentIndex)),
        };
        let most = MOST_EXTENTS;
        let mut missed =
            MissedByDisk::from([(DiskNumber(1), of(most - 100)), (DiskNumber(2), of(50))]);
        bound(&mut missed);
        assert_eq!(missed.len(), 2);
        missed.insert(DiskNumber(3), of(99));
        bound(&mut missed);
        assert_eq!(
            missed.into_keys().collect::<Vec<_>>(),
            [2, 3].map(DiskNumber)
        );
        let mut full = MissedByDisk::from([(DiskNumber(1), of(most))]);
        bound(&mut full);
        assert!(pack(&full).len() <= MOST_PACKED && full.len() == 1);
    }
}
