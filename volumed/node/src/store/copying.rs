//! Copies the store to every disk, and to where somebody asks for.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use time::OffsetDateTime;
use volumed_meta::Copied;

use crate::disks::open::blocking;
use crate::error::{BackUpError, StartError};
use crate::store::copies::{copies_in, copy, file_of, folder, remove_oldest};
use crate::store::state::{StoreState, serve};
use crate::view::{DiskCopiesView, StoreView};
use crate::volumes::Volumes;

/// A start has other work first.
const FIRST: Duration = Duration::from_mins(1);

/// How often is looked whether today's copy is there.
const EVERY: Duration = Duration::from_mins(10);

impl Volumes {
    /// Has a copy a day made on every disk, in a task that ends with the volumes.
    pub fn make_daily_copies(&self) {
        let shared = Arc::downgrade(&self.shared);
        tokio::spawn(async move {
            let mut pause = FIRST;
            loop {
                tokio::time::sleep(pause).await;
                pause = EVERY;
                let Some(shared) = shared.upgrade() else {
                    return;
                };
                let today = OffsetDateTime::now_utc().date().to_string();
                if let Err(error) = (Volumes { shared }).copy_to_disks(&today).await {
                    tracing::warn!(%error, "copies of the metadata store cannot be told from the store");
                }
            }
        });
    }

    /// Copies the store to every disk that has no copy of this day yet.
    pub(crate) async fn copy_to_disks(&self, day: &str) -> Result<(), BackUpError> {
        let (node, copies) = (&self.shared.node, &self.shared.copies);
        let _turn = copies.turn.lock().await;
        let mut copied = false;
        for (&number, on) in &*node.disks.all() {
            let disk = &on.disk;
            let of_today = file_of(disk, day);
            if disk.failed() || blocking(move || Ok(of_today.exists())).await? {
                continue;
            }
            match copy(&*node.store, disk, day).await {
                Ok(_) => {
                    copied = true;
                    copies.failed.lock().remove(&number);
                    let folder = folder(disk);
                    blocking(move || {
                        remove_oldest(&folder);
                        Ok(())
                    })
                    .await?;
                }
                Err(error) => {
                    tracing::warn!(path = %disk.path().display(), %error, "the metadata store was not copied");
                    copies.failures.fetch_add(1, Ordering::Relaxed);
                    copies.failed.lock().insert(number, error.to_string());
                }
            }
        }
        if copied {
            self.outdate_copies().await?;
        }
        Ok(())
    }

    /// Copies the store to a file; what stood there is replaced once the copy is whole.
    pub async fn back_up(&self, to: &Path) -> Result<Copied, BackUpError> {
        let _turn = self.shared.copies.turn.lock().await;
        let copied = self.shared.node.store.copy_to(to).await?;
        self.outdate_copies().await?;
        Ok(copied)
    }

    /// Store and disks count as if the daemon had been started anew. So they know more than any copy,
    /// and one that is put in the store's place by hand is found out, whatever was changed since.
    async fn outdate_copies(&self) -> Result<(), StartError> {
        let node = &self.shared.node;
        let state = StoreState::read(&*node.store).await?;
        let all = node.disks.all();
        let well = all.values().filter(|on| !on.disk.failed());
        let disks = well.map(|on| (on.number, Arc::clone(&on.disk)));
        serve(&*node.store, state, disks.collect(), node.own())
            .await
            .map(drop)
    }

    /// The store and its copies.
    pub async fn store(&self) -> Result<StoreView, StartError> {
        let (node, copies) = (&self.shared.node, &self.shared.copies);
        let revision = node.store.revision().await?;
        let generation = StoreState::read(&*node.store).await?.generation();
        let mut disks = Vec::new();
        for (number, on) in &*node.disks.all() {
            let disk = &on.disk;
            let folder = folder(disk);
            disks.push(DiskCopiesView {
                disk: disk.id(),
                folder: folder.clone(),
                copies: blocking(move || Ok(copies_in(&folder))).await?,
                failure: copies.failed.lock().get(number).cloned(),
            });
        }
        Ok(StoreView {
            revision,
            generation,
            disks,
            failures: copies.failures.load(Ordering::Relaxed),
        })
    }
}
