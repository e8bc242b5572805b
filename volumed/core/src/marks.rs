//! The regions that a replica's dirty log names, as it tells a head that it promised (V5).
//!
//! Packed: runs as in the [log](crate::format::DirtyLogRecord), a u64 each; or one byte, if all of its
//! regions are dirty.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::RegionIndex;
use crate::format::{pack_runs, unpack_runs};

const ALL: &[u8] = &[1];

/// Packs marks.
pub fn pack(marked: &BTreeSet<RegionIndex>) -> Bytes {
    match pack_runs(marked) {
        Some(runs) => runs.into(),
        None => Bytes::from_static(ALL),
    }
}

/// What was packed; `None` stands for every region that the replica holds, as does what is none of it.
pub fn unpack(packed: &[u8]) -> Option<BTreeSet<RegionIndex>> {
    unpack_runs(packed).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn marks_arrive_as_they_were(marked in proptest::collection::btree_set(0..1_u64 << 38, 0..300)) {
            let marked: BTreeSet<_> = marked.into_iter().map(RegionIndex).collect();
            prop_assert_eq!(unpack(&pack(&marked)), Some(marked));
        }

        #[test]
        fn anything_may_arrive(bytes: Vec<u8>) {
            unpack(&bytes);
        }
    }

    #[test]
    fn too_many_to_be_listed_are_all() {
        let scattered = (0..20_000).map(|at| RegionIndex(at * 2)).collect();
        assert_eq!(unpack(&pack(&scattered)), None);
    }
}
