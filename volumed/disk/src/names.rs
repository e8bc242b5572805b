//! Names of files and folders that no power cut takes away.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::open::open_to_read;

/// The names that this process made durable. That a name is found on the disk says nothing: a
/// process that was killed may have left it before it came to the sync.
#[derive(Debug)]
pub(crate) struct DurableNames {
    known: Mutex<HashSet<PathBuf>>,
    sync: fn(&Path) -> std::io::Result<()>,
}

impl DurableNames {
    pub fn new() -> Self {
        Self::syncing(sync_parent)
    }

    fn syncing(sync: fn(&Path) -> std::io::Result<()>) -> Self {
        let known = Mutex::default();
        Self { known, sync }
    }

    pub fn knows(&self, path: &Path) -> bool {
        self.known.lock().contains(path)
    }

    /// Makes a name durable, once.
    pub fn make_durable(&self, path: &Path) -> std::io::Result<()> {
        if !self.knows(path) {
            (self.sync)(path)?;
            self.known.lock().insert(path.to_owned());
        }
        Ok(())
    }

    /// A folder is removed, and everything in it.
    pub fn forget(&self, folder: &Path) {
        self.known.lock().retain(|path| !path.starts_with(folder));
    }
}

/// Makes a file's name durable.
pub(crate) fn sync_parent(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().ok_or(ErrorKind::InvalidInput)?;
    open_to_read(parent)?.sync_all()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    thread_local! {
        static FAILING: Cell<bool> = const { Cell::new(false) };
        static SYNCED: RefCell<Vec<(PathBuf, Vec<u8>)>> = const { RefCell::new(Vec::new()) };
    }

    /// What a process that was just started knows; its syncs are only noted.
    pub fn just_started() -> DurableNames {
        DurableNames::syncing(|path| {
            if FAILING.get() {
                return Err(std::io::Error::other("the sync failed"));
            }
            let held = std::fs::read(path).unwrap_or_default();
            SYNCED.with_borrow_mut(|synced| synced.push((path.to_owned(), held)));
            Ok(())
        })
    }

    /// The names that were synced, each with what its file held at that moment.
    pub fn take_synced() -> Vec<(PathBuf, Vec<u8>)> {
        SYNCED.take()
    }

    pub fn syncs_fail(fail: bool) {
        FAILING.set(fail);
    }

    #[test]
    fn a_name_is_synced_once_and_again_when_it_was_removed_meanwhile() {
        let names = just_started();
        let (folder, file) = (Path::new("v1"), Path::new("v1/dirty"));
        let synced = |paths: &[&Path]| {
            for path in paths {
                names.make_durable(path).expect("synced");
            }
            let synced = take_synced().into_iter().map(|(path, _)| path);
            synced.collect::<Vec<_>>()
        };
        assert_eq!(synced(&[folder, file, file, folder]), [folder, file]);
        names.forget(Path::new("v"));
        assert!(synced(&[folder, file]).is_empty());
        names.forget(folder);
        assert_eq!(synced(&[folder, file]), [folder, file]);
    }

    #[test]
    fn a_name_whose_sync_failed_is_not_taken_for_durable() {
        let names = just_started();
        syncs_fail(true);
        let path = Path::new("v1");
        names.make_durable(path).expect_err("the sync failed");
        assert!(!names.knows(path));
        names.make_durable(path).expect_err("the sync failed");
    }
}
