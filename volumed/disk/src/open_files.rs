//! A bounded cache of open extents.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use volumed_core::VolumeId;
use volumed_core::message::ExtentFile;

use crate::extent_file::OpenExtent;
use crate::layout::Layout;

/// Extents kept open, two files each; more only while none of them may be closed.
const KEPT_OPEN: usize = 256;

type Key = (VolumeId, ExtentFile);

#[derive(Debug, Default)]
struct Cache {
    open: HashMap<Key, (Arc<OpenExtent>, u64)>,
    uses: u64,
}

#[derive(Debug)]
pub(crate) struct OpenFiles {
    layout: Layout,
    cache: Mutex<Cache>,
}

impl OpenFiles {
    pub fn new(layout: Layout) -> Self {
        Self {
            layout,
            cache: Mutex::default(),
        }
    }

    pub fn get(&self, volume: VolumeId, file: ExtentFile) -> std::io::Result<Arc<OpenExtent>> {
        let mut cache = self.cache.lock();
        cache.uses += 1;
        let uses = cache.uses;
        if let Some((extent, used)) = cache.open.get_mut(&(volume, file)) {
            *used = uses;
            return Ok(Arc::clone(extent));
        }
        let extent = Arc::new(OpenExtent::open(&self.layout, volume, file)?);
        cache.keep((volume, file), Arc::clone(&extent));
        Ok(extent)
    }

    pub fn create(&self, volume: VolumeId, file: ExtentFile) -> std::io::Result<()> {
        let extent = OpenExtent::create(&self.layout, volume, file)?;
        self.cache.lock().keep((volume, file), Arc::new(extent));
        Ok(())
    }

    /// The extent is deleted: what it holds is of no interest any more.
    pub fn forget(&self, volume: VolumeId, file: ExtentFile) {
        self.cache.lock().open.remove(&(volume, file));
    }

    pub fn forget_volume(&self, volume: VolumeId) {
        self.cache.lock().open.retain(|(of, _), _| *of != volume);
    }
}

impl Cache {
    fn keep(&mut self, key: Key, extent: Arc<OpenExtent>) {
        if self.open.len() >= KEPT_OPEN {
            self.close_oldest();
        }
        self.open.insert(key, (extent, self.uses));
    }

    /// V8: an extent that is in use or has unsynced writes is not closed.
    fn close_oldest(&mut self) {
        let closable = self
            .open
            .iter()
            .filter(|(_, (extent, _))| Arc::strong_count(extent) == 1 && !extent.unsynced());
        if let Some(key) = closable
            .min_by_key(|(_, (_, used))| *used)
            .map(|(&key, _)| key)
        {
            self.open.remove(&key);
        }
    }
}
