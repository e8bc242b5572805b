//! Extents of which a replica did not find the files that it should hold, as it says to a head that reconciles it.
//!
//! Packed: a 1, then the extents, a u64 each. An older replica says nothing at all.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::ExtentIndex;

const SAID: u8 = 1;

/// Packs them.
pub fn pack(extents: impl Iterator<Item = ExtentIndex>) -> Bytes {
    let mut packed = vec![SAID];
    packed.extend(extents.flat_map(|extent| extent.0.to_le_bytes()));
    packed.into()
}

/// What was packed; nothing if the replica does not say.
pub fn unpack(packed: &[u8]) -> Option<BTreeSet<ExtentIndex>> {
    let (_, extents) = packed.split_first().filter(|(first, _)| **first == SAID)?;
    let (extents, rest) = extents.as_chunks();
    let extents = extents
        .iter()
        .map(|it| ExtentIndex(u64::from_le_bytes(*it)));
    rest.is_empty().then(|| extents.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_arrive_as_they_were(extents: BTreeSet<u64>) {
            let extents: BTreeSet<_> = extents.into_iter().map(ExtentIndex).collect();
            prop_assert_eq!(unpack(&pack(extents.iter().copied())), Some(extents));
        }

        #[test]
        fn anything_may_arrive(bytes: Vec<u8>) {
            unpack(&bytes);
        }
    }

    #[test]
    fn an_older_replica_does_not_say() {
        assert_eq!(unpack(&[]), None);
        assert_eq!(unpack(&pack(std::iter::empty())), Some(BTreeSet::new()));
    }
}
