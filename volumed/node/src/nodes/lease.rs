//! The node's lease in the store (V1): heads serve only while it stands.
//!
//! It counts from before its renewal was sent, so it ends here before it ends in the store, whatever was
//! delayed on the way. A process that was stopped finds it over before it answers anything.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use volumed_meta::{LeaseId, MetaStore, StoreError};

/// How long the store keeps a lease that is not renewed, in seconds. A bucket whose node died is to answer again
/// within 10 s.
const LENGTH: u64 = 4;

/// How long a head counts on it: this node's clock may run a tenth slower than the store's.
const COUNTED: Duration = Duration::from_millis(LENGTH * 900);

/// How often it is renewed: two attempts may fail before it ends.
pub(super) const RENEWAL: Duration = Duration::from_secs(1);

/// Until when this node's heads may serve.
pub(crate) struct Lease {
    begun: Instant,
    /// In milliseconds since `begun`; 0 while there is none.
    until: AtomicU64,
    id: Mutex<Option<LeaseId>>,
}

impl Lease {
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            until: AtomicU64::new(0),
            id: Mutex::default(),
        }
    }

    /// Whether heads may serve.
    pub fn stands(&self) -> bool {
        self.now() < self.until.load(Ordering::Acquire)
    }

    /// How long it stands still.
    pub fn left(&self) -> Duration {
        let until = self.until.load(Ordering::Acquire);
        Duration::from_millis(until.saturating_sub(self.now()))
    }

    /// Names it in the store.
    pub fn id(&self) -> Option<LeaseId> {
        *self.id.lock()
    }

    /// Takes a new one; what was kept under the one before is gone, or goes when that ends.
    pub async fn take(&self, store: &dyn MetaStore) -> Result<LeaseId, StoreError> {
        let sent = self.now();
        let id = store.grant_lease(LENGTH).await?;
        *self.id.lock() = Some(id);
        self.stands_since(sent);
        Ok(id)
    }

    /// Renews it. [`StoreError::LeaseEnded`]: another one is to be taken.
    pub async fn renew(&self, store: &dyn MetaStore) -> Result<(), StoreError> {
        let id = self.id().ok_or(StoreError::LeaseEnded)?;
        let sent = self.now();
        let renewed = store.renew_lease(id).await;
        match &renewed {
            Ok(()) => self.stands_since(sent),
            Err(StoreError::LeaseEnded) => *self.id.lock() = None,
            Err(_) => {}
        }
        renewed
    }

    /// Gives it up, and with it everything that is kept under it.
    pub async fn end(&self, store: &dyn MetaStore) -> Result<(), StoreError> {
        self.until.store(0, Ordering::Release);
        let id = self.id.lock().take();
        match id {
            Some(id) => store.end_lease(id).await,
            None => Ok(()),
        }
    }

    fn stands_since(&self, sent: u64) {
        self.until
            .store(sent + COUNTED.as_millis() as u64, Ordering::Release);
    }

    /// At least 1.
    fn now(&self) -> u64 {
        self.begun.elapsed().as_millis() as u64 + 1
    }
}

#[cfg(test)]
mod tests {
    use volumed_meta::SqliteStore;

    use super::*;

    #[tokio::test]
    async fn a_lease_ends_here_before_it_ends_in_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("meta.db")).unwrap();
        let lease = Lease::new();
        assert!(!lease.stands());
        assert!(matches!(
            lease.renew(&store).await,
            Err(StoreError::LeaseEnded)
        ));
        lease.take(&store).await.unwrap();
        assert!(lease.stands() && lease.left() <= COUNTED);
        lease.renew(&store).await.unwrap();
        lease.end(&store).await.unwrap();
        assert!(!lease.stands() && lease.id().is_none());
    }
}
