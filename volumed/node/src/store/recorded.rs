//! All that the store has of the volumes, for whoever takes disks into use.

use std::collections::BTreeMap;

use volumed_core::replica::Damage;
use volumed_core::{DiskNumber, VolumeId};
use volumed_meta::{Entry, MetaStore, Revision};

use crate::error::{PlacementsError, RecordError, StartError};
use crate::name::VolumeName;
use crate::store::damage;
use crate::store::placements::{self, Placements};
use crate::store::records::{
    VOLUMES, VolumeRecord, decode, last_part, read_all, unreadable, volume_key,
};

/// A volume.
pub(crate) struct Recorded {
    pub name: VolumeName,
    pub record: VolumeRecord,
    /// When the record was written.
    pub revision: Revision,
    pub placements: Placements,
    pub damage: BTreeMap<DiskNumber, Damage>,
}

/// All volumes. It reads the store by whole kinds of records: with so many calls for each volume, a node with
/// thousands of them would be long in starting, just when all others start, too.
pub(crate) async fn read_volumes(
    store: &dyn MetaStore,
) -> Result<BTreeMap<VolumeId, Recorded>, StartError> {
    let entries = read_all(store, VOLUMES).await?;
    let mut placements = placements::load_all(store).await?;
    let mut damage = damage::load_all(store).await?;
    let mut recorded = BTreeMap::new();
    for entry in &entries {
        let id = volume_of(entry)?;
        let placements = placements.remove(&id).unwrap_or_default();
        let damage = damage.remove(&id).unwrap_or_default();
        recorded.insert(id, volume(entry, placements, damage)?);
    }
    Ok(recorded)
}

/// What the store has of a volume, whose record this is.
pub(crate) async fn read_volume(
    store: &dyn MetaStore,
    entry: &Entry,
) -> Result<(VolumeId, Recorded), StartError> {
    let id = volume_of(entry)?;
    let placements = placements::load(store, id).await;
    let placements = placements.map_err(|error| placements_error(error, id))?;
    let damage = damage::load(store, id).await?;
    Ok((id, volume(entry, placements, damage)?))
}

fn volume_of(entry: &Entry) -> Result<VolumeId, RecordError> {
    let id = last_part(&entry.key).parse();
    id.map_err(|_| unreadable(&entry.key, "its key is no volume's"))
}

fn volume(
    entry: &Entry,
    placements: Placements,
    damage: BTreeMap<DiskNumber, Damage>,
) -> Result<Recorded, RecordError> {
    let record: VolumeRecord = decode(entry)?;
    let name = record.name.parse();
    let name = name.map_err(|_| unreadable(&entry.key, "its name is no volume's"))?;
    Ok(Recorded {
        name,
        record,
        revision: entry.modified,
        placements,
        damage,
    })
}

pub(crate) fn placements_error(error: PlacementsError, volume: VolumeId) -> StartError {
    match error {
        PlacementsError::Record(error) => StartError::Record(error),
        PlacementsError::Store(error) => StartError::Store(error),
        PlacementsError::Gone | PlacementsError::Overtaken => {
            StartError::Record(unreadable(&volume_key(volume), "it is gone"))
        }
    }
}
