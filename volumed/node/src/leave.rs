//! Disks that leave the pool.

use std::sync::Arc;

use volumed_core::{DiskId, DiskNumber};
use volumed_meta::{Change, Compare, Outcome};

use super::disks::PoolDisk;
use super::error::ChangeDiskError;
use super::records::{DiskRecord, decode, disk_key, encode, scrub_key};
use super::start::read_volumes;
use super::{Shared, Volumes};

impl Volumes {
    /// Has a disk leave the pool that holds nothing of any volume. It is remembered as one that left: a
    /// start whose settings still name it passes it over, until it is added again.
    pub async fn remove_disk(&self, id: DiskId) -> Result<(), ChangeDiskError> {
        let _turn = self.shared.disk_turn.lock().await;
        if self.stopping() {
            return Err(ChangeDiskError::Stopping);
        }
        let shared = &self.shared;
        let disks = &shared.node.disks;
        let Some(on) = disks.find(id) else {
            let missing = disks.missing();
            let found = missing.iter().find(|(_, it)| it.id == id);
            let (&number, _) = found.ok_or(ChangeDiskError::NotFound(id))?;
            refuse_used(shared, number, id).await?;
            note_removed(shared, number, id).await?;
            disks.remove(number);
            return Ok(());
        };
        let others = disks.all();
        let mut others = others.values().filter(|other| other.number != on.number);
        if others.all(|other| other.disk.failed()) {
            return Err(ChangeDiskError::LastDisk(id));
        }
        let drained = disks.is_draining(on.number);
        disks.set_draining(on.number, true);
        let removed = remove(shared, &on).await;
        if removed.is_err() && !drained {
            disks.set_draining(on.number, false);
        }
        removed
    }
}

async fn remove(shared: &Arc<Shared>, on: &Arc<PoolDisk>) -> Result<(), ChangeDiskError> {
    // Whatever was to be placed there has its record by then.
    for volume in shared.all() {
        volume.machine.placed().await;
    }
    let (number, id) = (on.number, on.disk.id());
    refuse_used(shared, number, id).await?;
    note_removed(shared, number, id).await?;
    // A volume that is made from here on gets no replica there.
    shared.node.disks.remove(number);
    shared.drains.forget(number);
    for volume in shared.all() {
        volume.machine.drop_replica(number).await;
    }
    shared.node.disks.share_file_systems();
    Ok(())
}

/// Refuses to do without a disk that some record names.
async fn refuse_used(
    shared: &Arc<Shared>,
    number: DiskNumber,
    id: DiskId,
) -> Result<(), ChangeDiskError> {
    let recorded = read_volumes(&*shared.node.store).await?;
    let used = |it: &super::start::Recorded| it.placements.on(number).len();
    let extents = recorded.values().map(used).sum();
    if extents == 0 {
        return Ok(());
    }
    let volumes = recorded.values().filter(|it| used(it) > 0);
    Err(ChangeDiskError::InUse {
        id,
        extents,
        volumes: volumes.map(|it| it.name.clone()).collect(),
    })
}

async fn note_removed(
    shared: &Arc<Shared>,
    number: DiskNumber,
    id: DiskId,
) -> Result<(), ChangeDiskError> {
    let (store, key) = (&shared.node.store, disk_key(id));
    loop {
        let entry = store.get(&key).await?;
        let entry = entry.ok_or(ChangeDiskError::NotFound(id))?;
        let mut record: DiskRecord = decode(&entry)?;
        record.added = None;
        record.drain = None;
        record.removed = true;
        let same = Compare::Unchanged(key.clone(), entry.modified);
        let changes = vec![
            Change::Put(key.clone(), encode(&record)),
            Change::Delete(scrub_key(number)),
        ];
        if let Outcome::Committed(_) = store.transact(vec![same], changes).await? {
            return Ok(());
        }
    }
}
