//! The folder of a volume on a disk, which has a dirty log from the beginning.

use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;

use volumed_core::VolumeId;
use volumed_core::format::{DirtyLogRecord, LOG_SLOT_SIZE};

use crate::open::is_exhausted;
use crate::{Disk, slots};

impl Disk {
    /// Makes a volume's folder if there is none; its name is durable.
    pub(crate) fn make_folder(&self, volume: VolumeId) -> std::io::Result<()> {
        let folder = self.layout.volume(volume);
        if self.names.knows(&folder) {
            return Ok(());
        }
        let made = match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            made => made.is_ok(),
        };
        let begun = if made { self.begin_log(volume) } else { Ok(()) };
        // Without its log it is to be made anew.
        let begun = begun.inspect_err(|_| {
            let _ = std::fs::remove_file(self.layout.dirty_log(volume));
            let _ = std::fs::remove_dir(&folder);
        });
        let named = begun.and_then(|()| self.names.make_durable(&folder));
        named.inspect_err(|error| {
            // V8: the next sync may answer well for what is lost.
            if !is_exhausted(error) && error.kind() != ErrorKind::StorageFull {
                self.fail(error);
            }
        })
    }

    /// V5: a log that says that nothing is dirty. So one that is gone later is not taken for that.
    pub(crate) fn begin_log(&self, volume: VolumeId) -> std::io::Result<()> {
        let record = DirtyLogRecord {
            sequence: 0,
            volume,
            regions: Some(BTreeSet::new()),
        };
        let path = self.layout.dirty_log(volume);
        slots::write(&self.names, &path, LOG_SLOT_SIZE, &record)
    }
}
