//! Opening a store, wherever it is.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::etcd::{EtcdStore, OpenEtcdError};
use crate::location::Location;
use crate::sqlite::SqliteStore;
use crate::store::MetaStore;

/// Opens the store that the setting `store` names. A SQLite file is made if there is none; an etcd must
/// answer.
pub async fn open(location: impl Into<Location>) -> Result<Arc<dyn MetaStore>, OpenError> {
    let path = match location.into() {
        Location::Etcd(etcd) => return Ok(Arc::new(EtcdStore::open(etcd).await?)),
        Location::File(path) => path,
    };
    let opened = tokio::task::spawn_blocking(move || SqliteStore::open(path)).await;
    let store = opened.map_err(|error| OpenError::Thread(error.into()))??;
    Ok(Arc::new(store))
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be made or opened.
    #[error("cannot open the metadata store {}: {source}", .path.display())]
    File {
        /// The store's file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{} is not a metadata store; name another file or move this one away", .0.display())]
    NotAStore(PathBuf),
    /// A newer program wrote the file.
    #[error(
        "the metadata store {} has format {found}, and this program knows formats up to {known}; \
         run the newer program", .path.display()
    )]
    Newer {
        /// The store's file.
        path: PathBuf,
        /// The file's format.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// SQLite failed.
    #[error("cannot open the metadata store {}: {source}", .path.display())]
    Sqlite {
        /// The store's file.
        path: PathBuf,
        /// What SQLite answered.
        source: rusqlite::Error,
    },
    /// The store's thread could not be started.
    #[error("cannot start the metadata store's thread: {0}")]
    Thread(io::Error),
    /// It is in an etcd.
    #[error(transparent)]
    Etcd(#[from] OpenEtcdError),
}
