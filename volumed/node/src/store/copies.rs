//! Copies of the metadata store on every disk: losing the store would lose the pool.
//!
//! `<disk>/meta/2026-11-29.db` is a copy of that day (UTC), of which the newest seven are kept;
//! `<disk>/meta/format-1.db` is the store as it was before a program first wrote format 2.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use parking_lot::Mutex;
use volumed_core::DiskNumber;
use volumed_disk::Disk;
use volumed_meta::{Copied, CopyError, MetaStore};

use crate::view::CopyView;

/// Copies of days that are kept on a disk.
const KEPT: usize = 7;

/// How the copies of this daemon went.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    /// Why the last try to copy to a disk failed.
    pub failed: Mutex<BTreeMap<DiskNumber, String>>,
    pub failures: AtomicU64,
    /// Held while a copy is made, or store and disks count a start.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

/// Where a disk's copies are.
pub(crate) fn folder(disk: &Disk) -> PathBuf {
    disk.path().join("meta")
}

pub(crate) fn file_of(disk: &Disk, name: &str) -> PathBuf {
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
pub(crate) fn copies_in(folder: &Path) -> Vec<CopyView> {
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

pub(crate) fn remove_oldest(folder: &Path) {
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
