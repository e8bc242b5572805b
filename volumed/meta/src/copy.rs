use std::io;
use std::path::PathBuf;

use crate::failure::StoreError;
use crate::transaction::Revision;

/// A copy of a store: one SQLite file, whatever the store is, that [`open`](crate::open) takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// The newest revision in it.
    pub revision: Revision,
    /// Keys in it.
    pub keys: u64,
    /// Its length.
    pub bytes: u64,
}

/// Why a store was not copied. What stood under the copy's name stands there still.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The copy cannot be written.
    #[error("cannot write the copy {}: {source}", .path.display())]
    Write {
        /// The copy's file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// What is to be copied is not a store of this program or an older one.
    #[error("{} is not a metadata store that this program knows", .0.display())]
    NotAStore(PathBuf),
    /// What is to be copied contradicts itself.
    #[error("the metadata store {} is damaged: {what}", .path.display())]
    Damaged {
        /// The store's file.
        path: PathBuf,
        /// The first thing that is wrong.
        what: String,
    },
    /// SQLite failed.
    #[error("cannot copy the metadata store {}: {source}", .path.display())]
    Sqlite {
        /// The store's file.
        path: PathBuf,
        /// What SQLite answered.
        source: rusqlite::Error,
    },
    /// What is to be copied is not in a file, and does not answer.
    #[error("cannot copy the metadata store: {0}")]
    Store(#[from] StoreError),
    /// The system refused a thread.
    #[error("cannot start a thread to copy the metadata store: {0}")]
    Thread(io::Error),
}
