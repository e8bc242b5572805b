//! Disks that were added while the daemon ran. The store records where they are, so that a start takes
//! them into use beside those of the settings; where the settings name one too, they win.

use std::collections::{BTreeMap, BTreeSet};

use volumed_core::{ByteCount, DiskId, DiskNumber};
use volumed_disk::disk_in;
use volumed_meta::MetaStore;

use super::disks::MissingDisk;
use super::error::StartError;
use super::records::{AddedDisk, DISKS, DiskRecord, decode, last_part, read_all, unreadable};
use super::start::blocking;
use super::view::DiskSettings;

/// The disks of the settings and the added ones, and those of these that are not in their place.
pub(super) async fn with_added(
    store: &dyn MetaStore,
    mut settings: Vec<DiskSettings>,
) -> Result<(Vec<DiskSettings>, BTreeMap<DiskNumber, MissingDisk>), StartError> {
    let added = added(store).await?;
    blocking(move || {
        let in_settings = settings.iter().filter_map(|it| disk_in(&it.path).ok()?);
        let in_settings: BTreeSet<DiskId> = in_settings.collect();
        let mut missing = BTreeMap::new();
        for (id, number, it) in added {
            if in_settings.contains(&id) {
                continue;
            }
            match find(id, &it) {
                Ok(()) => settings.push(settings_of(it)),
                Err(why) => {
                    let path = it.path;
                    tracing::error!(disk = %id, path = %path.display(), why, "a disk of the pool is missing");
                    missing.insert(number, MissingDisk { id, path });
                }
            }
        }
        Ok((settings, missing))
    })
    .await
}

/// The disk must be there: a directory on which nothing is mounted is not to become another one.
pub(super) fn find(id: DiskId, added: &AddedDisk) -> Result<(), String> {
    match disk_in(&added.path) {
        Ok(Some(found)) if found == id => Ok(()),
        Ok(Some(other)) => Err(format!("the disk {other} is there")),
        Ok(None) => Err("no disk is there".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

async fn added(store: &dyn MetaStore) -> Result<Vec<(DiskId, DiskNumber, AddedDisk)>, StartError> {
    let mut all = Vec::new();
    for entry in read_all(store, DISKS).await? {
        let record: DiskRecord = decode(&entry)?;
        let id = last_part(&entry.key).parse();
        let id = id.map_err(|_| unreadable(&entry.key, "its key is no disk's"))?;
        all.extend(record.added.map(|it| (id, DiskNumber(record.number), it)));
    }
    Ok(all)
}

pub(super) fn settings_of(added: AddedDisk) -> DiskSettings {
    DiskSettings {
        path: added.path,
        capacity: added.capacity.map(ByteCount),
        reserve: added.reserve.map(ByteCount),
    }
}

/// What is recorded of a disk that is being added.
pub(super) fn record_of(settings: &DiskSettings) -> AddedDisk {
    AddedDisk {
        path: settings.path.clone(),
        capacity: settings.capacity.map(|it| it.0),
        reserve: settings.reserve.map(|it| it.0),
    }
}
