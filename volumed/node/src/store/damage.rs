//! Damaged blocks of volumes: kept in the store, so that nobody has to meet them twice to know.

use std::collections::BTreeMap;

use volumed_core::replica::Damage;
use volumed_core::sums::HOLE;
use volumed_core::{BlockIndex, DiskNumber, VolumeId};
use volumed_meta::{Change, Compare, Entry, MetaStore, StoreError};

use crate::error::{RecordError, StartError};
use crate::store::records::{
    DAMAGE, DamageRecord, VERSION, damage_key, damage_prefix, decode, encode, last_part, read_all,
    unreadable, volume_key, volume_of_part,
};

/// What the store has, of each disk. Held while it is written.
pub(crate) type KeptDamage = tokio::sync::Mutex<BTreeMap<DiskNumber, Damage>>;

/// Notes all that is damaged of a volume on a disk.
pub(crate) async fn write(
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
    let entries = read_all(store, &damage_prefix(volume)).await?;
    Ok(entries.iter().map(of_disk).collect::<Result<_, _>>()?)
}

/// The same of all volumes of which something is damaged.
pub(crate) async fn load_all(
    store: &dyn MetaStore,
) -> Result<BTreeMap<VolumeId, BTreeMap<DiskNumber, Damage>>, StartError> {
    let mut all: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for entry in read_all(store, DAMAGE).await? {
        let volume = volume_of_part(&entry.key)?;
        all.entry(volume).or_default().extend([of_disk(&entry)?]);
    }
    Ok(all)
}

fn of_disk(entry: &Entry) -> Result<(DiskNumber, Damage), RecordError> {
    let number = last_part(&entry.key).parse();
    let number = number.map_err(|error| unreadable(&entry.key, error))?;
    Ok((DiskNumber(number), read(entry)?))
}

/// What a record says.
pub(crate) fn read(entry: &Entry) -> Result<Damage, RecordError> {
    let record: DamageRecord = decode(entry)?;
    let found = record.found.into_iter().chain(std::iter::repeat(HOLE));
    let blocks = record.blocks.into_iter().map(BlockIndex).zip(found);
    Ok(Damage {
        blocks: blocks.collect(),
        more: record.more,
    })
}
