//! Disks that were added while the daemon ran. The store records where they are, so that a start takes
//! them into use beside those of the settings; where the settings name one too, they win.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use volumed_cluster::NodeNumber;
use volumed_core::{ByteCount, DiskId, DiskNumber};
use volumed_disk::{Disk, disk_in};
use volumed_meta::MetaStore;

use crate::disks::open::blocking;
use crate::disks::{MissingDisk, Removed};
use crate::error::StartError;
use crate::store::records::{
    AddedDisk, DISKS, DiskRecord, decode, last_part, read_all, unreadable,
};
use crate::view::DiskSettings;

/// The disks of the settings, and those of the added ones that are in their place.
pub(crate) async fn with_added(
    store: &dyn MetaStore,
    mut settings: Vec<DiskSettings>,
    own: Option<NodeNumber>,
) -> Result<Vec<DiskSettings>, StartError> {
    let added = added(store, own).await?;
    blocking(move || {
        let in_settings = settings.iter().filter_map(|it| disk_in(&it.path).ok()?);
        let in_settings: BTreeSet<DiskId> = in_settings.collect();
        for (id, it) in added {
            if in_settings.contains(&id) {
                continue;
            }
            match find(id, &it) {
                Ok(()) => settings.push(settings_of(it)),
                Err(why) => {
                    let path = it.path;
                    tracing::error!(disk = %id, path = %path.display(), why, "a disk of the pool is missing");
                }
            }
        }
        Ok(settings)
    })
    .await
}

/// The disk must be there: a directory on which nothing is mounted is not to become another one.
pub(crate) fn find(id: DiskId, added: &AddedDisk) -> Result<(), String> {
    match disk_in(&added.path) {
        Ok(Some(found)) if found == id => Ok(()),
        Ok(Some(other)) => Err(format!("the disk {other} is there")),
        Ok(None) => Err("no disk is there".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

async fn added(
    store: &dyn MetaStore,
    own: Option<NodeNumber>,
) -> Result<Vec<(DiskId, AddedDisk)>, StartError> {
    let recorded = recorded(store).await?.into_iter();
    let recorded = recorded.filter(|(_, record)| is_of(record, own));
    let added = recorded.filter_map(|(id, record)| Some((id, record.added?)));
    Ok(added.collect())
}

/// The disks of the pool that are not `here`, and those that left it.
pub(crate) async fn absent(
    store: &dyn MetaStore,
    here: &BTreeMap<DiskNumber, Arc<Disk>>,
    named: BTreeMap<DiskNumber, PathBuf>,
    own: Option<NodeNumber>,
) -> Result<(BTreeMap<DiskNumber, MissingDisk>, Removed), StartError> {
    let (mut missing, mut numbers) = (BTreeMap::new(), BTreeSet::new());
    for (id, record) in recorded(store).await? {
        let number = DiskNumber(record.number);
        if record.removed {
            numbers.insert(number);
        } else if !here.contains_key(&number) && is_of(&record, own) {
            // Of one that was added, it was said already why.
            if record.added.is_none() {
                tracing::error!(disk = %id, "a disk of the pool is missing");
            }
            let path = record.added.map(|it| it.path).or(record.path);
            let path = path.unwrap_or_default();
            missing.insert(number, MissingDisk { id, path });
        }
    }
    Ok((missing, Removed { numbers, named }))
}

/// Whether the disk is to be at this node. One that served before there was a cluster is the first node's.
fn is_of(record: &DiskRecord, own: Option<NodeNumber>) -> bool {
    const FIRST: u16 = 1;
    own.is_none_or(|own| record.node.unwrap_or(FIRST) == own.0)
}

async fn recorded(store: &dyn MetaStore) -> Result<Vec<(DiskId, DiskRecord)>, StartError> {
    let mut all = Vec::new();
    for entry in read_all(store, DISKS).await? {
        let id = last_part(&entry.key).parse();
        let id = id.map_err(|_| unreadable(&entry.key, "its key is no disk's"))?;
        all.push((id, decode(&entry)?));
    }
    Ok(all)
}

pub(crate) fn settings_of(added: AddedDisk) -> DiskSettings {
    DiskSettings {
        path: added.path,
        capacity: added.capacity.map(ByteCount),
        reserve: added.reserve.map(ByteCount),
    }
}

/// What is recorded of a disk that is being added.
pub(crate) fn record_of(settings: &DiskSettings) -> AddedDisk {
    AddedDisk {
        path: settings.path.clone(),
        capacity: settings.capacity.map(|it| it.0),
        reserve: settings.reserve.map(|it| it.0),
    }
}
