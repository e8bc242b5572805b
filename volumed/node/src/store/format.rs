//! Before a program changes the form of what the store holds, the store is copied to the disks.

use std::collections::BTreeMap;
use std::sync::Arc;

use volumed_core::DiskNumber;
use volumed_disk::Disk;
use volumed_meta::{Change, MetaStore, Outcome};

use crate::error::StartError;
use crate::store::copies;
use crate::store::records::{STORE_FORMAT, parse};
use crate::store::state::as_it_was;

/// What this program writes; to be raised with every form of a value that it did not write before.
/// 2: placement pages of runs, the store's generation. 3: damage, added disks. 4: lost extents. A store that does not say has format 1.
pub(crate) const FORMAT: u32 = 4;

/// Has the store copied to the disks that it knows if an older program wrote it, and notes that this
/// one writes it now. One disk must take the copy.
pub(crate) async fn raise(
    store: &dyn MetaStore,
    disks: &BTreeMap<DiskNumber, Arc<Disk>>,
    to: u32,
) -> Result<(), StartError> {
    loop {
        let entry = store.get(STORE_FORMAT).await?;
        let found = entry.as_ref().map_or(Ok(1), parse::<u32>)?;
        if found > to {
            return Err(StartError::NewerStore { found, known: to });
        }
        if found == to {
            return Ok(());
        }
        copy_to_disks(store, disks, found).await?;
        let same = as_it_was(STORE_FORMAT, entry.as_ref());
        let put = Change::Put(STORE_FORMAT.to_vec(), to.to_string().into_bytes());
        if let Outcome::Committed(_) = store.transact(vec![same], vec![put]).await? {
            return Ok(());
        }
    }
}

async fn copy_to_disks(
    store: &dyn MetaStore,
    disks: &BTreeMap<DiskNumber, Arc<Disk>>,
    format: u32,
) -> Result<(), StartError> {
    let (mut copied, mut failed) = (false, None);
    for disk in disks.values() {
        match copies::copy(store, disk, &format!("format-{format}")).await {
            Ok(_) => copied = true,
            Err(error) => {
                tracing::warn!(path = %disk.path().display(), %error, "the metadata store was not copied");
                failed = Some(error);
            }
        }
    }
    match failed {
        Some(error) if !copied => Err(StartError::NotCopied(error)),
        _ => Ok(()),
    }
}
