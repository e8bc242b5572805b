//! Opening a store, wherever it is.

use std::sync::Arc;

use crate::etcd::{EtcdStore, OpenEtcdError};
use crate::location::Location;
use crate::sqlite::{OpenFileError, SqliteStore};
use crate::store::MetaStore;

/// Opens the store that the setting `store` names. A SQLite file is made if there is none; an etcd must
/// answer.
pub async fn open(location: impl Into<Location>) -> Result<Arc<dyn MetaStore>, OpenError> {
    let path = match location.into() {
        Location::Etcd(etcd) => return Ok(Arc::new(EtcdStore::open(etcd).await?)),
        Location::File(path) => path,
    };
    let opened = tokio::task::spawn_blocking(move || SqliteStore::open(path)).await;
    let store = opened.map_err(|error| OpenFileError::Thread(error.into()))??;
    Ok(Arc::new(store))
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is in a file.
    #[error(transparent)]
    File(#[from] OpenFileError),
    /// It is in an etcd.
    #[error(transparent)]
    Etcd(#[from] OpenEtcdError),
}
