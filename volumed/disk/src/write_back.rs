//! Syncs that nobody waits for: they keep the disk busy while clients write, so that the flush
//! behind their writes finds little left to do.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::extent_file::OpenExtent;

/// An extent is synced early when so many of its bytes wait for a sync: of more, the flush at the end
/// of a body has too much to wait for.
const WORTH: u64 = 4 << 20;

/// Early syncs at once: half of the threads are left for what clients wait for.
const AT_ONCE: usize = 4;

/// Whoever wrote so many bytes without a flush is in no hurry to have them on the disk: then the
/// kernel's own writing suffices, which spares what is written over and over.
const UNHURRIED: u64 = 1 << 30;

#[derive(Debug, Default)]
pub(crate) struct WriteBacks {
    running: AtomicUsize,
    /// Bytes of long writes since the last flush.
    unflushed: AtomicU64,
}

impl WriteBacks {
    /// So many bytes were written.
    pub fn wrote(&self, bytes: u64) {
        self.unflushed.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A client asked for what it wrote to be made durable.
    pub fn flushed(&self) {
        self.unflushed.store(0, Ordering::Relaxed);
    }

    /// Syncs the extent's data, if that is worth it and not too many others are being synced. A
    /// failure is that of any sync (V8).
    pub fn run(&self, extent: &OpenExtent) -> std::io::Result<()> {
        if extent.waiting() < WORTH || self.unflushed.load(Ordering::Relaxed) > UNHURRIED {
            return Ok(());
        }
        let others = self.running.fetch_add(1, Ordering::Relaxed);
        let synced = if others < AT_ONCE {
            extent.sync_data_unless_busy()
        } else {
            Ok(())
        };
        self.running.fetch_sub(1, Ordering::Relaxed);
        synced
    }
}

#[cfg(test)]
mod tests {
    use volumed_core::message::ExtentFile;
    use volumed_core::{Alloc, ExtentIndex, VolumeId};

    use super::*;
    use crate::layout::Layout;

    fn extent(folder: &tempfile::TempDir) -> OpenExtent {
        let layout = Layout::new(folder.path().to_owned());
        let (volume, extent, alloc) = (VolumeId(7), ExtentIndex(0), Alloc(1));
        std::fs::create_dir_all(layout.volume(volume)).expect("a folder");
        OpenExtent::create(&layout, volume, ExtentFile { extent, alloc }).expect("an extent")
    }

    fn write(extent: &OpenExtent, bytes: u64) {
        let bytes = vec![7; bytes as usize];
        extent.write(0, &bytes, false).expect("a write");
    }

    #[test]
    fn an_extent_is_synced_once_enough_of_it_waits() {
        let folder = tempfile::tempdir().expect("a folder");
        let (extent, write_backs) = (extent(&folder), WriteBacks::default());
        write(&extent, WORTH - 1);
        write_backs.run(&extent).expect("nothing to do");
        assert!(extent.unsynced());
        write(&extent, 1);
        write_backs.run(&extent).expect("synced");
        assert!(!extent.unsynced());
        write(&extent, WORTH - 1);
        write_backs.run(&extent).expect("nothing to do");
        assert!(extent.unsynced(), "what is synced waits no more");
    }

    #[test]
    fn what_is_written_durably_waits_for_no_sync() {
        let folder = tempfile::tempdir().expect("a folder");
        let extent = extent(&folder);
        extent.write(0, &[7; 4096], true).expect("a write");
        assert_eq!(extent.waiting(), 0);
    }

    #[test]
    fn only_so_many_run_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let extent = extent(&folder);
        write(&extent, WORTH);
        let running = AtomicUsize::new(AT_ONCE);
        let write_backs = WriteBacks {
            running,
            ..WriteBacks::default()
        };
        write_backs.run(&extent).expect("nothing to do");
        assert!(extent.unsynced());
        write_backs.running.fetch_sub(1, Ordering::Relaxed);
        write_backs.run(&extent).expect("synced");
        assert!(!extent.unsynced());
    }

    #[test]
    fn nothing_is_hurried_for_who_does_not_flush() {
        let folder = tempfile::tempdir().expect("a folder");
        let (extent, write_backs) = (extent(&folder), WriteBacks::default());
        write(&extent, WORTH);
        write_backs.wrote(UNHURRIED + 1);
        write_backs.run(&extent).expect("nothing to do");
        assert!(extent.unsynced());
        write_backs.flushed();
        write_backs.run(&extent).expect("synced");
        assert!(!extent.unsynced());
    }
}
