//! The store of several nodes: an etcd, which others may use as well.

mod copy;
mod failure;
mod import;
mod keys;
mod members;
mod nearest;
mod range;
mod transaction;
mod watch;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use etcd_client::{Client, GetOptions};
use tokio::sync::mpsc;

use failure::Failure;
pub use import::{ImportError, Imported, import};
use keys::Keys;
pub use members::EtcdTlsError;
use members::Members;

use range::Pages;

use crate::copy::{Copied, CopyError};
use crate::failure::StoreError;
use crate::limits;
use crate::location::EtcdLocation;
use crate::store::{Entry, Event, MetaStore};
use crate::transaction::{Change, Compare, LeaseId, Outcome, Revision};

/// What every member is to be started with, so that a store's history stays bounded: the changes of
/// 10,000 revisions are kept, and the file has room for those that come between two looks at it (5
/// minutes), at the rate of an SSD.
pub const MEMBER_ARGUMENTS: [&str; 3] = [
    "--auto-compaction-mode=revision",
    "--auto-compaction-retention=10000",
    "--quota-backend-bytes=4294967296",
];

/// Seconds; etcd grants none that is longer.
const LONGEST_LEASE: i64 = 9_000_000_000;

/// A [`MetaStore`] in an etcd.
#[derive(Debug)]
pub struct EtcdStore {
    members: Arc<Members>,
    keys: Keys,
    /// Watches end with it.
    open: tokio::sync::watch::Sender<()>,
}

/// Why a store in an etcd could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenEtcdError {
    /// The TLS files cannot be used.
    #[error(transparent)]
    Tls(#[from] EtcdTlsError),
    /// No member answered.
    #[error("cannot open the metadata store {location}: {source}")]
    Unavailable {
        /// Where it was looked for.
        location: EtcdLocation,
        /// What came of it.
        source: StoreError,
    },
    /// A store was to be brought there, and that did not come to its end.
    #[error("the metadata store {0} is there in part only: bring it there again")]
    InPart(EtcdLocation),
}

impl EtcdStore {
    /// Opens the store, which needs a member that answers.
    pub async fn open(location: EtcdLocation) -> Result<Self, OpenEtcdError> {
        if location.tls.is_none() && location.leaves_this_machine() {
            tracing::warn!(
                %location,
                "the metadata store is read and written in plain text by whoever reaches it: give the \
                 store_tls settings"
            );
        }
        let store = Self::of(location).await?;
        tokio::spawn(nearest::return_to_nearest(Arc::downgrade(&store.members)));
        let importing = range::get(&store.members, store.keys.importing(), GetOptions::new()).await;
        let importing = importing.map_err(|failure| OpenEtcdError::Unavailable {
            location: store.members.location().clone(),
            source: failure.into(),
        })?;
        if !importing.kvs().is_empty() {
            return Err(OpenEtcdError::InPart(store.members.location().clone()));
        }
        Ok(store)
    }

    /// Whatever is there.
    async fn of(location: EtcdLocation) -> Result<Self, EtcdTlsError> {
        Ok(Self {
            keys: Keys::of(&location),
            members: Arc::new(Members::of(location).await?),
            open: tokio::sync::watch::Sender::new(()),
        })
    }
}

#[async_trait]
impl MetaStore for EtcdStore {
    async fn revision(&self) -> Result<Revision, StoreError> {
        Ok(range::newest(&self.members, &self.keys).await?)
    }

    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        let key = self.keys.in_etcd(key);
        let mut answer = range::get(&self.members, key, GetOptions::new()).await?;
        let found = answer.take_kvs().pop();
        Ok(found.map(|found| range::entry(&self.keys, found)))
    }

    async fn range(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<(Revision, Vec<Entry>), StoreError> {
        let mut pages = Pages::of(&self.members, &self.keys, prefix, after, limit);
        let mut entries = Vec::new();
        loop {
            let page = pages.next().await?;
            if page.is_empty() {
                return Ok((pages.revision().await?, entries));
            }
            entries.extend(page.into_iter().map(|found| found.entry));
        }
    }

    async fn transact(
        &self,
        compares: Vec<Compare>,
        changes: Vec<Change>,
    ) -> Result<Outcome, StoreError> {
        limits::check(&compares, &changes)?;
        let transaction = transaction::of(&self.keys, &compares, &changes);
        let call = |mut client: Client| {
            let transaction = transaction.clone();
            async move { client.txn(transaction).await }
        };
        let answer = self.members.write(call).await?;
        if !answer.succeeded() {
            return Ok(Outcome::Refused);
        }
        let header = answer.header().ok_or_else(|| {
            StoreError::Unavailable("etcd tells no revision of a transaction".to_owned())
        })?;
        Ok(Outcome::Committed(range::of_etcd(header.revision())))
    }

    async fn watch(
        &self,
        prefix: &[u8],
        after: Revision,
    ) -> Result<mpsc::Receiver<Event>, StoreError> {
        match range::refuse_compacted(&self.members, &self.keys, after).await {
            Err(Failure::Compacted) => return Err(StoreError::Compacted(after)),
            answer => answer?,
        }
        let (members, keys) = (Arc::clone(&self.members), self.keys.clone());
        let open = self.open.subscribe();
        Ok(watch::begin(members, keys, prefix, after, open))
    }

    async fn copy_to(&self, to: &Path) -> Result<Copied, CopyError> {
        copy::copy(self, to).await
    }

    async fn grant_lease(&self, seconds: u64) -> Result<LeaseId, StoreError> {
        let seconds = i64::try_from(seconds).unwrap_or(LONGEST_LEASE);
        let seconds = seconds.min(LONGEST_LEASE);
        // One that is granted and not told of ends by itself.
        let call = |mut client: Client| async move { client.lease_grant(seconds, None).await };
        let granted = self.members.read(call).await?;
        Ok(LeaseId(granted.id().cast_unsigned()))
    }

    async fn renew_lease(&self, lease: LeaseId) -> Result<(), StoreError> {
        let lease = transaction::lease_in_etcd(lease);
        // Its first answer tells whether there is such a lease.
        let call = |mut client: Client| async move { client.lease_keep_alive(lease).await };
        Ok(self.members.read(call).await.map(drop)?)
    }

    async fn end_lease(&self, lease: LeaseId) -> Result<(), StoreError> {
        let lease = transaction::lease_in_etcd(lease);
        let call = |mut client: Client| async move { client.lease_revoke(lease).await };
        Ok(self.members.write(call).await.map(drop)?)
    }
}

#[cfg(test)]
mod tests;
