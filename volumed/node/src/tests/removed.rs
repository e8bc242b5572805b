//! Disks that the store has as removed while they serve, since the answer that said so was lost.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use volumed_core::DiskId;
use volumed_meta::{
    Change, Compare, Copied, CopyError, Entry, Event, LeaseId, Outcome, Revision, StoreError,
};

use super::disks::{break_log, mend_log, settings, store};
use super::*;
use crate::{ChangeDiskError, DiskState};

const GIB: u64 = 1 << 30;

/// A store that does what it is asked, and loses the next answer to a change of a disk's record if told to.
struct Forgetful {
    store: Arc<dyn MetaStore>,
    loses: AtomicBool,
}

#[async_trait]
impl MetaStore for Forgetful {
    async fn revision(&self) -> Result<Revision, StoreError> {
        self.store.revision().await
    }

    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        self.store.get(key).await
    }

    async fn range(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<(Revision, Vec<Entry>), StoreError> {
        self.store.range(prefix, after, limit).await
    }

    async fn transact(
        &self,
        compares: Vec<Compare>,
        changes: Vec<Change>,
    ) -> Result<Outcome, StoreError> {
        let is_disk =
            |change: &Change| matches!(change, Change::Put(key, _) if key.starts_with(b"disks/"));
        let loses = changes.iter().any(is_disk) && self.loses.swap(false, Ordering::AcqRel);
        let outcome = self.store.transact(compares, changes).await;
        if loses {
            return Err(StoreError::Unavailable("the answer was lost".to_owned()));
        }
        outcome
    }

    async fn watch(
        &self,
        prefix: &[u8],
        after: Revision,
    ) -> Result<tokio::sync::mpsc::Receiver<Event>, StoreError> {
        self.store.watch(prefix, after).await
    }

    async fn copy_to(&self, to: &Path) -> Result<Copied, CopyError> {
        self.store.copy_to(to).await
    }

    async fn grant_lease(&self, seconds: u64) -> Result<LeaseId, StoreError> {
        self.store.grant_lease(seconds).await
    }

    async fn renew_lease(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.store.renew_lease(lease).await
    }

    async fn end_lease(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.store.end_lease(lease).await
    }
}

/// A node with the disks "a", which has room for one block, and "b"; and the volume "v" open.
async fn with_two_disks(folder: &TempDir) -> (Volumes, Arc<Forgetful>, DiskId, Arc<Export>) {
    let store = Arc::new(Forgetful {
        store: store(folder),
        loses: AtomicBool::new(false),
    });
    let disks = vec![settings(folder, "a", 4096)];
    let volumes = Volumes::start(Arc::clone(&store) as _, disks, OPEN_EXTENTS, None)
        .await
        .unwrap();
    let added = volumes.add_disk(settings(folder, "b", GIB)).await.unwrap();
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    (volumes, store, added.id, export)
}

async fn remove_unheard(volumes: &Volumes, store: &Forgetful, id: DiskId) {
    store.loses.store(true, Ordering::Release);
    let removed = volumes.remove_disk(id, true).await;
    assert!(
        matches!(removed, Err(ChangeDiskError::Store(_))),
        "{removed:?}"
    );
}

fn assert_says_to_add(refused: &ChangeDiskError, folder: &TempDir) {
    let path = folder.path().canonicalize().unwrap().join("b");
    let typed = format!("`volumed disk add {}`", path.display());
    assert!(refused.to_string().contains(&typed), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_whose_removal_nobody_heard_of_is_not_taken_back_but_added_again() {
    let folder = TempDir::new().unwrap();
    let (volumes, store, id, export) = with_two_disks(&folder).await;
    // Two blocks fit on one of the disks only.
    write(&export, 0, &[1; 8192], true).await.unwrap();
    let log = break_log(&folder, "b");
    let failed = write(&export, 8 * MIB, &[1; 4096], true).await;
    assert_eq!(failed, Err(IoError::Io));
    drop(export);
    remove_unheard(&volumes, &store, id).await;

    mend_log(&log);
    let refused = volumes.retry_disk(id).await.unwrap_err();
    assert_says_to_add(&refused, &folder);
    let added = volumes.add_disk(settings(&folder, "b", GIB)).await.unwrap();
    assert_eq!((added.id, added.state), (id, DiskState::Online));
    let export = open(&volumes, "v").await.unwrap();
    assert_eq!(read(&export, 0, 8192).await.unwrap(), vec![1; 8192]);
    write(&export, 64 * MIB, &[2; 8192], true).await.unwrap();
    drop(export);
    kill(volumes).await;

    let disks = vec![settings(&folder, "a", 4096)];
    let volumes = Volumes::start(store, disks, OPEN_EXTENTS, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    assert_eq!(read(&export, 64 * MIB, 8192).await.unwrap(), vec![2; 8192]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_placed_on_a_disk_whose_removal_nobody_heard_of() {
    let folder = TempDir::new().unwrap();
    let (volumes, store, id, export) = with_two_disks(&folder).await;
    remove_unheard(&volumes, &store, id).await;
    let full = write(&export, 0, &[1; 8192], true).await;
    assert_eq!(full, Err(IoError::NoSpace));
    for refused in [
        volumes.retry_disk(id).await,
        volumes.drain_disk(id).await,
        volumes.cancel_drain(id).await,
    ] {
        assert_says_to_add(&refused.unwrap_err(), &folder);
    }
    volumes.add_disk(settings(&folder, "b", GIB)).await.unwrap();
    while write(&export, 0, &[1; 8192], true).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_could_not_be_removed_is_used_as_before() {
    let folder = TempDir::new().unwrap();
    let (volumes, _, id, export) = with_two_disks(&folder).await;
    write(&export, 0, &[1; 8192], true).await.unwrap();
    let refused = volumes.remove_disk(id, false).await;
    assert!(matches!(refused, Err(ChangeDiskError::InUse { .. })));
    write(&export, 64 * MIB, &[2; 8192], true).await.unwrap();
}
