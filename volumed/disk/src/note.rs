//! What each extent of a volume holds, noted in one file for the next start: looking at the files of every extent
//! takes a disk minutes when there are hundreds of thousands.
//!
//! Nothing relies on the note: it is not synced, and a start that finds none, or one that is damaged or older
//! than the dirty log, looks at the extents.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use volumed_core::VolumeId;
use volumed_core::format::{DirtyLogRecord, HeldRecord, Slots};
use volumed_core::message::ExtentFile;

use crate::open::open_to_read;
use crate::recover::names;
use crate::{Disk, DiskError, layout};

/// The blocks that extents hold of which nobody has to look at the files.
pub(crate) type Noted = BTreeMap<ExtentFile, u32>;

impl Disk {
    /// Notes what a volume's extents hold. Blocks.
    pub fn note(&self, note: &HeldRecord) {
        let path = self.layout.held(note.volume);
        if let Err(error) = std::fs::write(&path, note.encode()) {
            tracing::debug!(path = %path.display(), %error, "what extents hold was not noted");
        }
    }

    /// What was noted of extents whose files are there and which did not change since.
    pub(crate) fn noted(
        &self,
        volume: VolumeId,
        log: &Slots<DirtyLogRecord>,
    ) -> Result<Noted, DiskError> {
        let path = self.layout.held(volume);
        let note = match std::fs::read(&path) {
            Ok(bytes) => HeldRecord::decode(&bytes).ok(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Noted::new()),
            Err(error) => return Err(DiskError::io(path)(error)),
        };
        let newest = match log {
            Slots::Newest(record) => Some(record.sequence),
            Slots::Fresh | Slots::Damaged => None,
        };
        match note {
            Some(note) if note.volume == volume && Some(note.sequence) == newest => {
                self.only_whole(volume, note.extents)
            }
            _ => {
                self.forget_note(volume)?;
                Ok(Noted::new())
            }
        }
    }

    /// Durably: a log of which a slot was lost counts on from an older record, and would come to the
    /// note's sequence again.
    fn forget_note(&self, volume: VolumeId) -> Result<(), DiskError> {
        let (folder, path) = (self.layout.volume(volume), self.layout.held(volume));
        std::fs::remove_file(&path).map_err(DiskError::io(path))?;
        let synced = open_to_read(&folder).and_then(|opened| opened.sync_all());
        synced.map_err(DiskError::io(folder))
    }

    /// Leaves out extents of which a file is missing.
    fn only_whole(&self, volume: VolumeId, mut noted: Noted) -> Result<Noted, DiskError> {
        let mut files = BTreeMap::<ExtentFile, u32>::new();
        for name in names(&self.layout.volume(volume))? {
            if let Some(file) = layout::parse_extent(&name) {
                *files.entry(file).or_default() += 1;
            }
        }
        noted.retain(|file, _| files.get(file) == Some(&2));
        Ok(noted)
    }
}

#[cfg(test)]
mod tests;
