//! What is changed of a disk's record while it serves.

use volumed_core::DiskId;
use volumed_meta::{Change, Compare, MetaStore, Outcome};

use crate::error::ChangeDiskError;
use crate::store::records::{AddedDisk, DiskRecord, decode, disk_key, encode};

/// Refuses what is to be done with a disk that the store has as removed: it may be here all the same,
/// if the answer to its removal was lost.
pub(crate) async fn refuse_removed(
    store: &dyn MetaStore,
    id: DiskId,
) -> Result<(), ChangeDiskError> {
    let entry = store.get(&disk_key(id)).await?;
    let record: Option<DiskRecord> = entry.as_ref().map(decode).transpose()?;
    match record.filter(|record| record.removed) {
        Some(DiskRecord { path, .. }) => Err(ChangeDiskError::Removed { id, path }),
        None => Ok(()),
    }
}

/// Notes that a disk is in the pool, and where; also one that left it.
pub(crate) async fn note_added(
    store: &dyn MetaStore,
    id: DiskId,
    added: AddedDisk,
) -> Result<(), ChangeDiskError> {
    let edit = |record: &mut DiskRecord| {
        record.added = Some(added.clone());
        record.drain = None;
        record.removed = false;
    };
    change_record(store, id, &[], edit).await.map(|_| ())
}

/// Changes a disk's record, and other values `with` it, by compare-and-swap; answers the record as it was
/// before.
pub(crate) async fn change_record(
    store: &dyn MetaStore,
    id: DiskId,
    with: &[Change],
    edit: impl Fn(&mut DiskRecord),
) -> Result<DiskRecord, ChangeDiskError> {
    let key = disk_key(id);
    loop {
        let entry = store.get(&key).await?;
        let entry = entry.ok_or(ChangeDiskError::NotFound(id))?;
        let before: DiskRecord = decode(&entry)?;
        let mut record = before.clone();
        edit(&mut record);
        let same = Compare::Unchanged(key.clone(), entry.modified);
        let put = Change::Put(key.clone(), encode(&record));
        let changes = with.iter().cloned().chain([put]).collect();
        if let Outcome::Committed(_) = store.transact(vec![same], changes).await? {
            return Ok(before);
        }
    }
}
