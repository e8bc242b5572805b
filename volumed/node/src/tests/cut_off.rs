//! A store that a node can be cut off from.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use volumed_meta::{
    Change, Compare, Copied, CopyError, Entry, Event, LeaseId, MetaStore, Outcome, Revision,
    StoreError,
};

/// A store that can be cut off.
pub struct CutOff {
    pub store: Arc<dyn MetaStore>,
    pub cut: Arc<AtomicBool>,
}

impl CutOff {
    fn here(&self) -> Result<&dyn MetaStore, StoreError> {
        if self.cut.load(Ordering::Acquire) {
            return Err(StoreError::Unavailable("it is cut off".to_owned()));
        }
        Ok(&*self.store)
    }
}

#[async_trait]
impl MetaStore for CutOff {
    async fn revision(&self) -> Result<Revision, StoreError> {
        self.here()?.revision().await
    }

    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        self.here()?.get(key).await
    }

    async fn range(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<(Revision, Vec<Entry>), StoreError> {
        self.here()?.range(prefix, after, limit).await
    }

    async fn transact(
        &self,
        compares: Vec<Compare>,
        changes: Vec<Change>,
    ) -> Result<Outcome, StoreError> {
        self.here()?.transact(compares, changes).await
    }

    /// A watch that is cut off never says so: as long as its silence may be trusted.
    async fn watch(
        &self,
        prefix: &[u8],
        after: Revision,
    ) -> Result<tokio::sync::mpsc::Receiver<Event>, StoreError> {
        let mut events = self.here()?.watch(prefix, after).await?;
        let (send, received) = tokio::sync::mpsc::channel(16);
        let cut = Arc::clone(&self.cut);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if !cut.load(Ordering::Acquire) && send.send(event).await.is_err() {
                    return;
                }
            }
        });
        Ok(received)
    }

    async fn copy_to(&self, to: &Path) -> Result<Copied, CopyError> {
        self.store.copy_to(to).await
    }

    async fn grant_lease(&self, seconds: u64) -> Result<LeaseId, StoreError> {
        self.here()?.grant_lease(seconds).await
    }

    async fn renew_lease(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.here()?.renew_lease(lease).await
    }

    async fn end_lease(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.here()?.end_lease(lease).await
    }
}
