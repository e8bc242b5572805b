//! Moves the metadata store of one node into an etcd, while no daemon runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use volumed_meta::{EtcdLocation, ImportError, Imported, Location, OpenError, OpenEtcdError};

use crate::error::StartError;
use crate::store::records::STORE_BASE;
use crate::store::restore::BEYOND_REMOVALS;
use crate::store::state::StoreState;

/// Why a store was not moved; it is where it was.
#[derive(Debug, thiserror::Error)]
pub enum ImportStoreError {
    /// There is nothing to move.
    #[error("there is no metadata store {}: name the one to move", .0.display())]
    Missing(PathBuf),
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be understood.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It cannot be brought into the etcd.
    #[error(transparent)]
    Import(#[from] ImportError),
}

/// Brings the store in the file `from` into an etcd that has none, so that daemons start on that with
/// the same disks. The caller sees to it that nobody changes the file meanwhile, and that nobody starts
/// on it afterwards: a daemon that has started on the etcd since makes that be refused.
///
/// The etcd counts its revisions from anew. What they count from is raised by all that the file counted,
/// so that a new alloc is newer than every one that was given.
pub async fn import_store(from: &Path, into: EtcdLocation) -> Result<Imported, ImportStoreError> {
    // Opening it would make one.
    if !from.exists() {
        return Err(ImportStoreError::Missing(from.to_owned()));
    }
    let store = volumed_meta::open(from).await?;
    let state = StoreState::read(&*store).await?;
    let revision = store.revision().await.map_err(StartError::from)?;
    drop(store);
    let base = state.base + revision + BEYOND_REMOVALS;
    let instead = BTreeMap::from([(STORE_BASE.to_vec(), base.to_string().into_bytes())]);
    Ok(volumed_meta::import(from, into, instead).await?)
}

/// Refuses an etcd that has a store; what an attempt left that did not end is none.
pub(super) async fn refuse_unless_empty(etcd: &EtcdLocation) -> Result<(), ImportStoreError> {
    let store = match volumed_meta::open(Location::Etcd(etcd.clone())).await {
        Err(OpenError::Etcd(OpenEtcdError::InPart(_))) => return Ok(()),
        store => store?,
    };
    let (_, found) = store.range(b"", None, 1).await.map_err(StartError::from)?;
    if found.is_empty() {
        return Ok(());
    }
    Err(ImportError::NotEmpty(etcd.clone()).into())
}
