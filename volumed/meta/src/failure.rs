//! Why a store does not answer.

use crate::limits::InvalidTransaction;
use crate::transaction::Revision;

/// Why the store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No store takes such a transaction: a defect of who asks.
    #[error(transparent)]
    Invalid(#[from] InvalidTransaction),
    /// The lease has ended.
    #[error("the lease has ended")]
    LeaseEnded,
    /// The changes a watcher asked for are no longer kept.
    #[error("changes since revision {0} are no longer kept; read the keys anew")]
    Compacted(Revision),
    /// The store cannot be reached or failed; whether a transaction was applied is unknown.
    #[error("the metadata store is unavailable: {0}")]
    Unavailable(String),
}
