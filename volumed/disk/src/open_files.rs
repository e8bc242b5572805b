//! A bounded cache of open extents.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use volumed_core::VolumeId;
use volumed_core::message::ExtentFile;

use crate::extent_file::OpenExtent;
use crate::layout::Layout;

/// Extents kept open, up to three files each; more only while none of them may be closed.
const KEPT_OPEN: usize = 256;

type Key = (VolumeId, ExtentFile);

#[derive(Debug, Default)]
struct Cache {
    open: HashMap<Key, (Arc<OpenExtent>, u64)>,
    uses: u64,
    kept: usize,
    /// V8: extents into which the process before may have written what no sync covers. One that
    /// was closed is not among them: only what is synced is closed.
    unclean: HashSet<Key>,
}

#[derive(Debug)]
pub(crate) struct OpenFiles {
    layout: Layout,
    cache: Mutex<Cache>,
}

impl OpenFiles {
    pub fn new(layout: Layout) -> Self {
        Self::keeping(KEPT_OPEN, layout)
    }

    fn keeping(kept: usize, layout: Layout) -> Self {
        let cache = Cache {
            kept,
            ..Cache::default()
        };
        Self {
            layout,
            cache: Mutex::new(cache),
        }
    }

    /// The extent has regions in the dirty log that the process before left. Every other one is
    /// clean: V5 takes a region out of the log only when its data and sums are synced. To be said
    /// before the extent is opened.
    pub fn found_unclean(&self, volume: VolumeId, file: ExtentFile) {
        self.cache.lock().unclean.insert((volume, file));
    }

    pub fn get(&self, volume: VolumeId, file: ExtentFile) -> std::io::Result<Arc<OpenExtent>> {
        let mut cache = self.cache.lock();
        cache.uses += 1;
        let uses = cache.uses;
        let key = (volume, file);
        if let Some((extent, used)) = cache.open.get_mut(&key) {
            *used = uses;
            return Ok(Arc::clone(extent));
        }
        let unsynced = cache.unclean.contains(&key);
        let extent = Arc::new(OpenExtent::open(&self.layout, volume, file, unsynced)?);
        cache.keep(key, &extent);
        Ok(extent)
    }

    pub fn create(&self, volume: VolumeId, file: ExtentFile) -> std::io::Result<()> {
        let extent = Arc::new(OpenExtent::create(&self.layout, volume, file)?);
        self.cache.lock().keep((volume, file), &extent);
        Ok(())
    }

    /// Closes what had to stay open and may be closed by now. To be called after syncs.
    pub fn close_surplus(&self) {
        self.cache.lock().close_surplus();
    }

    /// The extent is deleted: what it holds is of no interest any more.
    pub fn forget(&self, volume: VolumeId, file: ExtentFile) {
        self.cache.lock().close((volume, file));
    }

    pub fn forget_volume(&self, volume: VolumeId) {
        let mut cache = self.cache.lock();
        cache.open.retain(|(of, _), _| *of != volume);
        cache.unclean.retain(|(of, _)| *of != volume);
    }
}

impl Cache {
    /// The caller holds the extent, so it is not closed at once.
    fn keep(&mut self, key: Key, extent: &Arc<OpenExtent>) {
        self.open.insert(key, (Arc::clone(extent), self.uses));
        self.close_surplus();
    }

    /// Closes what was not used for longest, down to the bound. V8: an extent that is in use or has
    /// unsynced writes is not closed.
    fn close_surplus(&mut self) {
        let surplus = self.open.len().saturating_sub(self.kept);
        if surplus == 0 {
            return;
        }
        let closable = self
            .open
            .iter()
            .filter(|(_, (extent, _))| Arc::strong_count(extent) == 1 && !extent.unsynced());
        let mut closable: Vec<_> = closable.map(|(&key, (_, used))| (*used, key)).collect();
        closable.sort_unstable();
        for (_, key) in closable.into_iter().take(surplus) {
            self.close(key);
        }
    }

    fn close(&mut self, key: Key) {
        self.open.remove(&key);
        self.unclean.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use volumed_core::{Alloc, ExtentIndex};

    use super::*;

    const VOLUME: VolumeId = VolumeId(7);
    const KEPT: usize = 4;

    fn file(extent: u64) -> ExtentFile {
        ExtentFile {
            extent: ExtentIndex(extent),
            alloc: Alloc(1),
        }
    }

    /// A disk's cache that keeps four extents open, as it is before any of its twelve is opened.
    fn just_started(folder: &tempfile::TempDir) -> OpenFiles {
        let layout = Layout::new(folder.path().to_owned());
        std::fs::create_dir_all(layout.volume(VOLUME)).expect("a folder");
        for extent in 0..12 {
            OpenExtent::create(&layout, VOLUME, file(extent)).expect("an extent");
        }
        OpenFiles::keeping(KEPT, layout)
    }

    fn open(files: &OpenFiles) -> Vec<u64> {
        let cache = files.cache.lock();
        let mut open: Vec<_> = cache.open.keys().map(|(_, file)| file.extent.0).collect();
        open.sort_unstable();
        open
    }

    fn read(files: &OpenFiles, extent: u64) {
        let extent = files.get(VOLUME, file(extent)).expect("an extent");
        extent.read(0, &mut [0; 4096]).expect("a block");
    }

    fn sync(files: &OpenFiles, extent: u64) {
        let extent = files.get(VOLUME, file(extent)).expect("an extent");
        extent.sync_data().expect("synced");
        extent.sync_sums().expect("synced");
    }

    #[test]
    fn extents_that_are_only_read_do_not_pile_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = just_started(&folder);
        (0..12).for_each(|extent| read(&files, extent));
        assert_eq!(open(&files), [8, 9, 10, 11]);
    }

    #[test]
    fn what_the_process_before_may_not_have_synced_stays_open_until_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = just_started(&folder);
        files.found_unclean(VOLUME, file(0));
        (0..12).for_each(|extent| read(&files, extent));
        assert_eq!(open(&files), [0, 9, 10, 11]);
        sync(&files, 0);
        (1..12).for_each(|extent| read(&files, extent));
        assert_eq!(open(&files), [8, 9, 10, 11]);
        // It was closed, so it is clean; opened again it is like any other.
        (0..12).for_each(|extent| read(&files, extent));
        assert_eq!(open(&files), [8, 9, 10, 11]);
    }

    #[test]
    fn what_had_to_stay_open_is_closed_once_it_may_be() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = just_started(&folder);
        for extent in 0..10 {
            let extent = files.get(VOLUME, file(extent)).expect("an extent");
            extent.write(0, &[5; 4096], false).expect("a write");
        }
        assert_eq!(open(&files).len(), 10);
        (0..10).for_each(|extent| sync(&files, extent));
        read(&files, 10);
        assert_eq!(open(&files), [7, 8, 9, 10]);

        for extent in 0..10 {
            let extent = files.get(VOLUME, file(extent)).expect("an extent");
            extent.write(0, &[6; 4096], false).expect("a write");
        }
        (0..10).for_each(|extent| sync(&files, extent));
        files.close_surplus();
        assert_eq!(open(&files), [6, 7, 8, 9]);
    }
}
