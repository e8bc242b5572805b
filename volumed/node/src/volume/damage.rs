//! What is known to be damaged or lost of a volume, for whoever asks.

use volumed_core::replica::Damage;
use volumed_core::{BLOCK_SIZE, EXTENT_SIZE, ExtentIndex};

use crate::error::ShowVolumeError;
use crate::name::VolumeName;
use crate::store::damage;
use crate::store::lost::Lost;
use crate::view::{DamageView, DamagedRange};
use crate::volume::Volume;
use crate::volumes::Volumes;

impl Volumes {
    /// Which blocks of a volume are known to be damaged or lost.
    pub fn damage(&self, name: &VolumeName) -> Result<DamageView, ShowVolumeError> {
        let volume = self
            .find_here(name)
            .ok_or_else(|| ShowVolumeError::NotFound(name.clone()))?;
        let mut view = DamageView::default();
        for (number, on) in &*self.shared.node.disks.all() {
            let damage = volume.machine.damage_on(*number);
            view.more |= damage.more;
            view.ranges
                .extend(ranges(&damage).map(|(offset, length)| DamagedRange {
                    disk: Some(on.disk.id()),
                    extent: ExtentIndex::of(offset),
                    offset,
                    length,
                }));
        }
        add_lost(&mut view, &volume.machine.lost());
        Ok(view)
    }
}

/// As many ranges as are told of damage, at most.
fn add_lost(view: &mut DamageView, lost: &Lost) {
    let ranges = lost.iter().flat_map(|(&extent, blocks)| {
        blocks.runs().map(move |(first, count)| DamagedRange {
            disk: None,
            extent,
            offset: extent.start() + u64::from(first) * BLOCK_SIZE,
            length: u64::from(count) * BLOCK_SIZE,
        })
    });
    let mut ranges = ranges.take(Damage::MOST + 1);
    view.ranges.extend(ranges.by_ref().take(Damage::MOST));
    view.more |= ranges.next().is_some();
}

/// Runs of neighbours within an extent, each with its first byte and its length.
fn ranges(damage: &Damage) -> impl Iterator<Item = (u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for block in damage.blocks.keys() {
        let offset = block.0 * BLOCK_SIZE;
        match ranges.last_mut() {
            Some((first, length))
                if *first + *length == offset && !offset.is_multiple_of(EXTENT_SIZE) =>
            {
                *length += BLOCK_SIZE;
            }
            _ => ranges.push((offset, BLOCK_SIZE)),
        }
    }
    ranges.into_iter()
}

impl Volume {
    /// V10: what is known to be damaged on other nodes is made good by the head that begins.
    pub(super) async fn repair_known_damage(&self) {
        if self.node().others.is_none() || self.machine.replicas() == 1 {
            return;
        }
        let known = damage::load(&*self.node().store, self.id).await;
        for found in known.unwrap_or_default().values() {
            self.machine.repair(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use volumed_core::BlockIndex;

    use super::*;

    #[test]
    fn neighbours_of_an_extent_are_one_range() {
        let per_extent = EXTENT_SIZE / BLOCK_SIZE;
        let blocks = [3, 4, 6, per_extent - 1, per_extent].map(|block| (BlockIndex(block), 7));
        let damage = Damage {
            blocks: blocks.into(),
            more: false,
        };
        let found: Vec<_> = ranges(&damage).collect();
        let last = EXTENT_SIZE - 4096;
        let expected = [
            (12288, 8192),
            (24576, 4096),
            (last, 4096),
            (EXTENT_SIZE, 4096),
        ];
        assert_eq!(found, expected);
    }
}
