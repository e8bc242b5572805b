//! A bounded cache of open extents.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use volumed_core::VolumeId;
use volumed_core::message::ExtentFile;

use crate::extent_file::OpenExtent;
use crate::layout::Layout;

/// Extents kept open, two files each; more only while none of them may be closed.
const KEPT_OPEN: usize = 256;

/// Descriptors that an open extent takes: data and sums.
pub const DESCRIPTORS_OF_AN_EXTENT: usize = 2;

type Key = (VolumeId, ExtentFile);

#[derive(Debug, Default)]
struct Cache {
    open: HashMap<Key, (Arc<OpenExtent>, u64)>,
    uses: u64,
    /// Extents that stay open while nobody needs them.
    kept: usize,
    /// Extents that are open at most: before one more is opened, another is synced and closed.
    most: usize,
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
    pub fn new(layout: Layout, most: usize) -> Self {
        Self::keeping(KEPT_OPEN.min(most), most, layout)
    }

    fn keeping(kept: usize, most: usize, layout: Layout) -> Self {
        let cache = Cache {
            kept,
            most,
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

    /// Whether the extent is open, or can be without closing another that must be synced first.
    pub fn is_at_hand(&self, volume: VolumeId, file: ExtentFile) -> bool {
        let cache = self.cache.lock();
        cache.open.len() < cache.most || cache.open.contains_key(&(volume, file))
    }

    /// The extent to sync so that another can be opened in its place, if there are as many as may be
    /// open and none can be closed as it is. It is the one that was not used for longest.
    pub fn in_the_way(&self) -> Option<Arc<OpenExtent>> {
        let mut cache = self.cache.lock();
        let most = cache.most;
        cache.close_down_to(most.saturating_sub(1));
        if cache.open.len() < most {
            return None;
        }
        let idle = cache
            .open
            .values()
            .filter(|(extent, _)| Arc::strong_count(extent) == 1);
        let oldest = idle.min_by_key(|(_, used)| *used);
        oldest.map(|(extent, _)| Arc::clone(extent))
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

    /// Closes what the volume has open and may be closed: nobody will need it soon.
    pub fn close_volume(&self, volume: VolumeId) {
        let mut cache = self.cache.lock();
        let idle = cache.closable().map(|(_, key)| key);
        let idle: Vec<_> = idle.filter(|(of, _)| *of == volume).collect();
        for key in idle {
            cache.close(key);
        }
    }

    /// How many extents are open.
    pub fn count(&self) -> usize {
        self.cache.lock().open.len()
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

    fn close_surplus(&mut self) {
        self.close_down_to(self.kept);
    }

    /// V8: an extent that is in use or has unsynced writes is not closed.
    fn closable(&self) -> impl Iterator<Item = (u64, Key)> {
        let closable = self
            .open
            .iter()
            .filter(|(_, (extent, _))| Arc::strong_count(extent) == 1 && !extent.unsynced());
        closable.map(|(&key, (_, used))| (*used, key))
    }

    /// Closes what was not used for longest and may be closed, until `kept` are open.
    fn close_down_to(&mut self, kept: usize) {
        let surplus = self.open.len().saturating_sub(kept);
        if surplus == 0 {
            return;
        }
        let mut closable: Vec<_> = self.closable().collect();
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
    const MOST: usize = 100;

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
        OpenFiles::keeping(KEPT, MOST, layout)
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

    #[test]
    fn the_one_unused_for_longest_makes_way_once_it_is_synced() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = just_started(&folder).layout;
        let files = OpenFiles::keeping(2, 2, layout);
        for extent in 0..2 {
            assert!(files.is_at_hand(VOLUME, file(extent)));
            let extent = files.get(VOLUME, file(extent)).expect("an extent");
            extent.write(0, &[5; 4096], false).expect("a write");
        }
        assert!(!files.is_at_hand(VOLUME, file(2)));
        let oldest = files.in_the_way().expect("both have unsynced writes");
        oldest.sync_data().expect("synced");
        drop(oldest);
        assert!(files.in_the_way().is_none());
        assert_eq!(open(&files), [1]);
    }

    #[test]
    fn a_volume_that_rests_keeps_only_what_is_unsynced() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = just_started(&folder);
        (0..3).for_each(|extent| read(&files, extent));
        let written = files.get(VOLUME, file(1)).expect("an extent");
        written.write(0, &[5; 4096], false).expect("a write");
        drop(written);
        files.close_volume(VolumeId(8));
        assert_eq!(open(&files), [0, 1, 2]);
        files.close_volume(VOLUME);
        assert_eq!(open(&files), [1]);
    }
}
