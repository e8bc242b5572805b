//! Damaged blocks of volumes: kept in the store, so that nobody has to meet them twice to know.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use volumed_core::replica::Damage;
use volumed_core::sums::HOLE;
use volumed_core::{BLOCK_SIZE, BlockIndex, DiskNumber, EXTENT_SIZE, ExtentIndex, VolumeId};
use volumed_meta::{Change, Compare, MetaStore, StoreError};

use crate::error::{ShowVolumeError, StartError};
use crate::machine::Machine;
use crate::name::VolumeName;
use crate::store::lost::Lost;
use crate::store::records::{
    DamageRecord, VERSION, damage_key, damage_prefix, decode, encode, last_part, read_all,
    unreadable, volume_key,
};
use crate::view::{DamageView, DamagedRange};
use crate::volumes::Volumes;

/// How long to wait for a store that is away.
const RETRY: Duration = Duration::from_millis(500);

/// What the store has, of each disk. Held while it is written.
pub(crate) type KeptDamage = tokio::sync::Mutex<BTreeMap<DiskNumber, Damage>>;

/// Has the store know what the replica on a disk knows. Until it does, a crash forgets it: whoever
/// reads the block finds it damaged again.
pub(crate) async fn keep(machine: Arc<Machine>, disk: DiskNumber) {
    let mut kept = machine.damage.lock().await;
    loop {
        let now = machine.damage_on(disk);
        if kept.get(&disk).cloned().unwrap_or_default() == now {
            return;
        }
        match write(&*machine.node.store, machine.volume, disk, &now).await {
            Ok(()) => {
                kept.insert(disk, now);
            }
            Err(error) => {
                tracing::warn!(volume = %machine.volume, %error, "damage cannot be noted yet");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

async fn write(
    store: &dyn MetaStore,
    volume: VolumeId,
    disk: DiskNumber,
    damage: &Damage,
) -> Result<(), StoreError> {
    let key = damage_key(volume, disk);
    let change = if damage.is_empty() {
        Change::Delete(key)
    } else {
        let record = DamageRecord {
            version: VERSION,
            blocks: damage.blocks.keys().map(|block| block.0).collect(),
            found: damage.blocks.values().copied().collect(),
            more: damage.more,
        };
        Change::Put(key, encode(&record))
    };
    // Of a volume that was deleted nothing is kept.
    let exists = Compare::Present(volume_key(volume));
    store.transact(vec![exists], vec![change]).await.map(drop)
}

/// What the store knows to be damaged of a volume.
pub(crate) async fn load(
    store: &dyn MetaStore,
    volume: VolumeId,
) -> Result<BTreeMap<DiskNumber, Damage>, StartError> {
    let mut all = BTreeMap::new();
    for entry in read_all(store, &damage_prefix(volume)).await? {
        let record: DamageRecord = decode(&entry)?;
        let number = last_part(&entry.key).parse();
        let number = number.map_err(|error| unreadable(&entry.key, error))?;
        let found = record.found.into_iter().chain(std::iter::repeat(HOLE));
        let blocks = record.blocks.into_iter().map(BlockIndex).zip(found);
        let damage = Damage {
            blocks: blocks.collect(),
            more: record.more,
        };
        all.insert(DiskNumber(number), damage);
    }
    Ok(all)
}

impl Volumes {
    /// Which blocks of a volume are known to be damaged or lost.
    pub fn damage(&self, name: &VolumeName) -> Result<DamageView, ShowVolumeError> {
        let volume = self
            .find(name)
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

#[cfg(test)]
mod tests {
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
