//! The metadata store: what etcd offers, behind one trait.
//!
//! Keys are ordered byte strings. Every change of the store takes the next *revision*, a number
//! that only grows; a transaction compares and then puts or deletes, all under one revision.

#[cfg(test)]
mod conformance;
mod copy;
mod limits;
mod sqlite;
mod store;

use std::path::Path;
use std::sync::Arc;

pub use copy::{Copied, CopyError};
pub use limits::{InvalidTransaction, MAX_OPERATIONS, MAX_TRANSACTION_BYTES};
pub use sqlite::{OpenError, ReplaceError, SqliteStore, copy_file, replace};
pub use store::{Change, Compare, Entry, Event, LeaseId, MetaStore, Outcome, Revision, StoreError};

/// Opens the store that the setting `store` names: the path of a SQLite file, which is made if there
/// is none.
pub async fn open(location: &Path) -> Result<Arc<dyn MetaStore>, OpenError> {
    let location = location.to_owned();
    let opened = tokio::task::spawn_blocking(move || SqliteStore::open(location)).await;
    let store = opened.map_err(|error| OpenError::Thread(error.into()))??;
    Ok(Arc::new(store))
}
