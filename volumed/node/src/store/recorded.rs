//! All that the store has of the volumes, for whoever takes disks into use.

use std::collections::BTreeMap;

use volumed_core::replica::Damage;
use volumed_core::{DiskNumber, VolumeId};
use volumed_meta::{Entry, MetaStore, Revision};

use crate::error::{PlacementsError, StartError};
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

pub(crate) async fn read_volumes(
    store: &dyn MetaStore,
) -> Result<BTreeMap<VolumeId, Recorded>, StartError> {
    let mut recorded = BTreeMap::new();
    for entry in read_all(store, VOLUMES).await? {
        let (id, volume) = read_volume(store, &entry).await?;
        recorded.insert(id, volume);
    }
    Ok(recorded)
}

/// What the store has of a volume, whose record this is.
pub(crate) async fn read_volume(
    store: &dyn MetaStore,
    entry: &Entry,
) -> Result<(VolumeId, Recorded), StartError> {
    let unreadable = |why: &str| unreadable(&entry.key, why);
    let id: VolumeId = last_part(&entry.key)
        .parse()
        .map_err(|_| unreadable("its key is no volume's"))?;
    let record: VolumeRecord = decode(entry)?;
    let name = record
        .name
        .parse()
        .map_err(|_| unreadable("its name is no volume's"))?;
    let placements = placements::load(store, id).await;
    let placements = placements.map_err(|error| placements_error(error, id))?;
    let damage = damage::load(store, id).await?;
    let volume = Recorded {
        name,
        record,
        revision: entry.modified,
        placements,
        damage,
    };
    Ok((id, volume))
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
