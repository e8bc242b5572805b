use std::path::Path;

use async_trait::async_trait;

use crate::copy::{Copied, CopyError};
use crate::failure::StoreError;
use crate::transaction::{Change, Compare, LeaseId, Outcome, Revision};

/// One key's value, and the revisions that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key, at least one byte.
    pub key: Vec<u8>,
    /// The value, maybe empty.
    pub value: Vec<u8>,
    /// The revision that created the key (the last time it was created).
    pub created: Revision,
    /// The revision that wrote this value.
    pub modified: Revision,
}

/// A change as a watcher sees it, in the order of revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The revision of the change.
    pub revision: Revision,
    /// The key.
    pub key: Vec<u8>,
    /// The new value; `None` when the key was removed.
    pub value: Option<Vec<u8>>,
}

/// The store.
///
/// What it answers is durable, reads as much as transactions: no power cut takes back what somebody
/// was told, so that files may be removed by what the store says. (etcd's linearizable reads answer
/// what a majority has synced.)
///
/// A store that is elsewhere answers within seconds, [`StoreError::Unavailable`] if it has to, and is asked
/// anew by the next call: nobody has to open it again.
#[async_trait]
pub trait MetaStore: Send + Sync + 'static {
    /// The newest revision, also if it changed nothing of this store.
    async fn revision(&self) -> Result<Revision, StoreError>;

    /// One key.
    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError>;

    /// Up to `limit` entries whose key starts with `prefix` and is greater than `after` (if any),
    /// in the order of their keys, and the revision at which they were read. Nothing for a limit
    /// of 0.
    async fn range(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<(Revision, Vec<Entry>), StoreError>;

    /// Applies `changes` if every one of `compares` holds, durably and as one; up to
    /// [`MAX_OPERATIONS`](crate::MAX_OPERATIONS) of each, and
    /// [`MAX_TRANSACTION_BYTES`](crate::MAX_TRANSACTION_BYTES). A key that is put occurs in no other
    /// of the changes, as itself or below a prefix.
    async fn transact(
        &self,
        compares: Vec<Compare>,
        changes: Vec<Change>,
    ) -> Result<Outcome, StoreError>;

    /// The changes of keys that start with `prefix`, from the one after revision `after` on.
    /// Each is sent once, whatever connection is lost meanwhile. The receiver ends when the store is closed,
    /// when the watcher fell too far behind, or when the store could not be reached for some seconds: as
    /// long as it is open, its silence means that nothing changed.
    async fn watch(
        &self,
        prefix: &[u8],
        after: Revision,
    ) -> Result<tokio::sync::mpsc::Receiver<Event>, StoreError>;

    /// Copies all that the store holds at one revision to the file `to`, durably: as a SQLite store,
    /// whatever this store is. The file is made, or replaced once the copy is whole; only its owner
    /// may read it. Others go on meanwhile. Keys of leases may be left out: who held one is gone when the
    /// copy becomes a store.
    async fn copy_to(&self, to: &Path) -> Result<Copied, CopyError>;

    /// A new lease that ends `seconds` after its grant or its last renewal: not sooner while the
    /// store runs, but maybe later, since a store may have a shortest lease (etcd: 2 s) and may begin
    /// all leases anew when it is started. One node's store ends every lease of an earlier boot.
    async fn grant_lease(&self, seconds: u64) -> Result<LeaseId, StoreError>;

    /// Renews a lease for the length of its grant.
    async fn renew_lease(&self, lease: LeaseId) -> Result<(), StoreError>;

    /// Ends a lease at once and removes its keys, all under one revision.
    async fn end_lease(&self, lease: LeaseId) -> Result<(), StoreError>;
}
