//! Copies of the metadata store on every disk: losing the store would lose the pool.
//!
//! `<disk>/meta/2026-11-29.db` is a copy of that day (UTC), of which the newest seven are kept;
//! `<disk>/meta/format-1.db` is the store as it was before a program first wrote format 2.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use time::OffsetDateTime;
use volumed_core::DiskNumber;
use volumed_disk::Disk;
use volumed_meta::{Copied, CopyError, MetaStore};

use crate::error::{BackUpError, StartError};
use crate::start::{blocking, serve};
use crate::store::state::StoreState;
use crate::view::{CopyView, DiskCopiesView, StoreView};
use crate::volumes::Volumes;

/// Copies of days that are kept on a disk.
const KEPT: usize = 7;

/// A start has other work first.
const FIRST: Duration = Duration::from_mins(1);

/// How often is looked whether today's copy is there.
const EVERY: Duration = Duration::from_mins(10);

/// How the copies of this daemon went.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    /// Why the last try to copy to a disk failed.
    failed: Mutex<BTreeMap<DiskNumber, String>>,
    failures: AtomicU64,
    /// Held while a copy is made, or store and disks count a start.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

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
        serve(&*node.store, state, disks.collect()).await.map(drop)
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

/// Where a disk's copies are.
fn folder(disk: &Disk) -> PathBuf {
    disk.path().join("meta")
}

fn file_of(disk: &Disk, name: &str) -> PathBuf {
    folder(disk).join(format!("{name}.db"))
}

/// Makes the copy `name` on a disk.
pub(crate) async fn copy(
    store: &dyn MetaStore,
    disk: &Disk,
    name: &str,
) -> Result<Copied, CopyError> {
    let folder = folder(disk);
    let made = tokio::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .await;
    made.map_err(|source| CopyError::Write {
        path: folder,
        source,
    })?;
    store.copy_to(&file_of(disk, name)).await
}

/// Every copy in a folder, by name.
fn copies_in(folder: &Path) -> Vec<CopyView> {
    let view = |entry: io::Result<std::fs::DirEntry>| {
        let path = entry.ok()?.path();
        let metadata = path.metadata().ok()?;
        (path.extension()? == "db").then_some(CopyView {
            made: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            bytes: metadata.len(),
            path,
        })
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut copies: Vec<_> = entries.filter_map(view).collect();
    copies.sort_by(|one, other| one.path.cmp(&other.path));
    copies
}

fn remove_oldest(folder: &Path) {
    let days = copies_in(folder).into_iter().map(|copy| copy.path);
    let days: Vec<_> = days.filter(|path| is_of_a_day(path)).collect();
    for path in &days[..days.len().saturating_sub(KEPT)] {
        if let Err(error) = std::fs::remove_file(path) {
            tracing::warn!(path = %path.display(), %error, "an old copy stays");
        }
    }
}

/// Their names are ordered as they are.
fn is_of_a_day(path: &Path) -> bool {
    let name = path.file_stem().and_then(|name| name.to_str());
    name.is_some_and(|name| {
        name.len() == 10
            && name.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    })
}
