//! Reading without the machine (V14).

use std::sync::Arc;

use volumed_core::message::ExtentFile;
use volumed_core::{EXTENT_SIZE, ExtentIndex};
use volumed_disk::Disk;

use super::{Machine, PoolDisk};

impl Machine {
    /// Where an extent can be read past this machine (V14), if anywhere on this node.
    pub fn readable(&self, extent: ExtentIndex) -> Option<(Arc<Disk>, ExtentFile)> {
        let state = self.state.lock();
        let head = state.head.as_ref()?;
        // The file has a hole where something is lost.
        if head.is_lost_in(extent) {
            return None;
        }
        let in_sync = head.in_sync(extent);
        in_sync.into_iter().find_map(|(disk, placed)| {
            let held = state.replicas.get(&disk)?;
            let file = held.replica.readable(extent)?;
            (file == placed).then(|| (Arc::clone(&held.on.disk), file))
        })
    }

    /// The disk that an extent is read from.
    pub fn disk_of(&self, extent: ExtentIndex) -> Option<Arc<PoolDisk>> {
        let state = self.state.lock();
        let in_sync = state.head.as_ref()?.in_sync(extent);
        let disk = in_sync.into_iter().next()?.0;
        state.replicas.get(&disk).map(|held| Arc::clone(&held.on))
    }

    /// Has what can be read past this machine brought into the page cache. Blocks.
    pub fn read_ahead(&self, offset: u64, length: u32) {
        let (mut next, end) = (offset, offset + u64::from(length));
        while next < end {
            let extent = ExtentIndex::of(next);
            let stop = end.min(extent.start() + EXTENT_SIZE);
            if let Some((disk, file)) = self.readable(extent) {
                let at = next - extent.start();
                disk.read_ahead(self.volume, file, at, stop - next);
            }
            next = stop;
        }
    }
}
