//! Files whose records are gone, and that could not be removed: they are tried again until they are.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use volumed_core::VolumeId;
use volumed_core::message::ExtentFile;

use crate::{Disk, DiskError};

/// An extent's files, or without one everything of a volume. Neither's names are ever used again.
type Removal = (VolumeId, Option<ExtentFile>);

#[derive(Debug, Default)]
pub(crate) struct Removals(Mutex<BTreeSet<Removal>>);

impl Disk {
    /// Removes an extent's files, or without one everything of a volume, now or when it can be done.
    pub fn discard(&self, volume: VolumeId, extent: Option<ExtentFile>) {
        if let Err(error) = self.try_to_discard((volume, extent)) {
            // The next start would collect them, too.
            tracing::warn!(%volume, %error, "files that nothing needs could not be removed, and are tried again");
            self.removals.0.lock().insert((volume, extent));
        }
    }

    /// How many extents and volumes could not be removed yet.
    pub fn unremoved(&self) -> usize {
        self.removals.0.lock().len()
    }

    /// Tries again to remove what could not be removed.
    pub fn discard_again(&self) {
        let removals = self.removals.0.lock().clone();
        for removal in removals {
            if self.try_to_discard(removal).is_ok() {
                self.removals.0.lock().remove(&removal);
            }
        }
    }

    fn try_to_discard(&self, (volume, extent): Removal) -> Result<(), DiskError> {
        match extent {
            Some(file) => self.remove_extent(volume, file),
            None => self.remove_volume(volume),
        }
    }
}

#[cfg(test)]
mod tests {
    use volumed_core::replica::{DiskAnswer, DiskOp};
    use volumed_core::{Alloc, ExtentIndex};

    use super::*;
    use crate::{DiskSettings, SpaceSettings};

    #[test]
    fn what_cannot_be_removed_is_removed_later() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = Disk::open(DiskSettings {
            path: folder.path().join("disk"),
            space: SpaceSettings::default(),
            open_extents: 8,
        });
        let disk = disk.expect("a disk");
        let (volume, extent, alloc) = (VolumeId(7), ExtentIndex(0), Alloc(1));
        let file = ExtentFile { extent, alloc };
        disk.create_extents(volume, &[file]).expect("an extent");
        let data = disk.layout.data(volume, file);
        std::fs::remove_file(&data).expect("removed");
        std::fs::create_dir(&data).expect("something that is no file");

        let removed = disk.run(volume, &DiskOp::Remove { file });
        assert_eq!(removed, Ok(DiskAnswer::Done));
        assert_eq!(disk.unremoved(), 1);
        disk.discard_again();
        assert_eq!(disk.unremoved(), 1);

        std::fs::remove_dir(&data).expect("removed");
        disk.discard_again();
        assert_eq!(disk.unremoved(), 0);
        assert!(!disk.layout.sums(volume, file).exists());
    }
}
