//! A set of regions that takes little memory where they lie in few extents.

use std::collections::BTreeMap;

use crate::{ExtentIndex, REGIONS_PER_EXTENT, RegionIndex};

/// Regions of a volume, as 16 bits for each extent that has some of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegionSet {
    /// None is 0.
    bits: BTreeMap<ExtentIndex, u16>,
}

impl RegionSet {
    /// All regions of these extents.
    pub fn of_extents(extents: impl Iterator<Item = ExtentIndex>) -> Self {
        Self {
            bits: extents.map(|extent| (extent, u16::MAX)).collect(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.bits.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        let counts = self.bits.values().map(|bits| u64::from(bits.count_ones()));
        counts.sum()
    }

    /// How many extents have some.
    pub fn extent_count(&self) -> usize {
        self.bits.len()
    }

    /// Whether a region is among them.
    pub fn contains(&self, region: RegionIndex) -> bool {
        self.bits_of(region.extent()) & bit_of(region) != 0
    }

    /// The first one.
    pub fn first(&self) -> Option<RegionIndex> {
        let (extent, bits) = self.bits.first_key_value()?;
        let within = u64::from(bits.trailing_zeros());
        Some(RegionIndex(extent.0 * REGIONS_PER_EXTENT + within))
    }

    /// Takes one in; whether it was not there.
    pub fn insert(&mut self, region: RegionIndex) -> bool {
        self.insert_bits(region.extent(), bit_of(region))
    }

    /// Takes all of another set in.
    pub fn extend(&mut self, other: &Self) {
        for (extent, bits) in other.extents() {
            self.insert_bits(extent, bits);
        }
    }

    /// Takes one out.
    pub fn remove(&mut self, region: RegionIndex) {
        let extent = region.extent();
        if let Some(bits) = self.bits.get_mut(&extent) {
            *bits &= !bit_of(region);
            if *bits == 0 {
                self.bits.remove(&extent);
            }
        }
    }

    /// Takes those of an extent out.
    pub fn remove_extent(&mut self, extent: ExtentIndex) {
        self.bits.remove(&extent);
    }

    /// Those of the extents that `keep` names.
    pub fn retain_extents(&mut self, keep: impl Fn(ExtentIndex) -> bool) {
        self.bits.retain(|extent, _| keep(*extent));
    }

    /// Each extent that has some, with a bit for each of its regions.
    pub fn extents(&self) -> impl Iterator<Item = (ExtentIndex, u16)> {
        self.bits.iter().map(|(extent, bits)| (*extent, *bits))
    }

    /// The bits of an extent.
    pub fn bits_of(&self, extent: ExtentIndex) -> u16 {
        self.bits.get(&extent).copied().unwrap_or(0)
    }

    /// Takes regions of an extent in, a bit each; whether one was not there.
    pub fn insert_bits(&mut self, extent: ExtentIndex, bits: u16) -> bool {
        if bits == 0 {
            return false;
        }
        let held = self.bits.entry(extent).or_default();
        let before = std::mem::replace(held, *held | bits);
        before | bits != before
    }
}

impl FromIterator<RegionIndex> for RegionSet {
    fn from_iter<I: IntoIterator<Item = RegionIndex>>(regions: I) -> Self {
        let mut set = Self::default();
        for region in regions {
            set.insert(region);
        }
        set
    }
}

fn bit_of(region: RegionIndex) -> u16 {
    const { assert!(REGIONS_PER_EXTENT == 16) }
    1 << (region.0 % REGIONS_PER_EXTENT)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_set_would(
            changes in proptest::collection::vec((0..100_u64, any::<bool>()), 0..200),
        ) {
            let (mut set, mut expected) = (RegionSet::default(), BTreeSet::new());
            for (region, insert) in changes {
                let region = RegionIndex(region);
                if insert {
                    prop_assert_eq!(set.insert(region), expected.insert(region));
                } else {
                    set.remove(region);
                    expected.remove(&region);
                }
                prop_assert_eq!(set.first(), expected.first().copied());
                prop_assert_eq!(set.len(), expected.len() as u64);
            }
            for region in (0..100).map(RegionIndex) {
                prop_assert_eq!(set.contains(region), expected.contains(&region));
            }
            prop_assert_eq!(set.is_empty(), expected.is_empty());
        }
    }
}
