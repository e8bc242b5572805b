//! Files that no record of the store names: left by a crash, or lost by a store that was rolled back.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use volumed_core::VolumeId;
use volumed_core::message::ExtentFile;
use volumed_disk::Disk;

use crate::disks::open::disk_error;
use crate::error::StartError;

/// A store that placed an extent at `alloc` is at `alloc + 1` when its record is written, before
/// anything is written into it, and at this many more than `alloc` when the record is removed.
const REVISIONS_OF_A_REMOVAL: u64 = 2;

/// What is to be removed from a disk.
pub(crate) struct Leftovers {
    disk: Arc<Disk>,
    volumes: Vec<VolumeId>,
    extents: Vec<(VolumeId, ExtentFile)>,
}

impl Leftovers {
    /// Finds what the store, at `revision`, does not know; `placed` says what it places on the disk
    /// of a volume that it knows. Nothing is changed.
    ///
    /// V11: a file newer than the store says that the store was rolled back, and so does an orphan
    /// that holds something when the store cannot have removed its record yet. Every other file
    /// without a record was not yet placed or already removed.
    pub fn find(
        disk: &Arc<Disk>,
        placed: impl Fn(VolumeId) -> Option<BTreeSet<ExtentFile>>,
        revision: u64,
    ) -> Result<Self, StartError> {
        let found = disk.scan().map_err(disk_error(disk.path()))?;
        let all = found
            .iter()
            .flat_map(|found| found.extents.iter().map(|file| (found.volume, *file)));
        if let Some((volume, file)) = all.max_by_key(|(_, file)| file.alloc)
            && file.alloc.0 > revision
        {
            return Err(StartError::RolledBack {
                path: data_path(disk, volume, file),
                alloc: file.alloc.0,
                revision,
            });
        }
        let mut leftovers = Self {
            disk: Arc::clone(disk),
            volumes: Vec::new(),
            extents: Vec::new(),
        };
        for found in found {
            let placed = placed(found.volume);
            let known = placed.is_some();
            let placed = placed.unwrap_or_default();
            let orphans = found.extents.difference(&placed);
            for &file in orphans.clone() {
                refuse_data(disk, found.volume, file, revision)?;
            }
            if known {
                let orphans = orphans.map(|&file| (found.volume, file));
                leftovers.extents.extend(orphans);
            } else {
                leftovers.volumes.push(found.volume);
            }
        }
        Ok(leftovers)
    }

    /// Removes it. The store answers only what is durable, so no power cut brings back the record of
    /// a file that was removed by it.
    pub fn collect(self) {
        let disk = &self.disk;
        for (volume, file) in self.extents {
            tracing::info!(%volume, extent = %file.extent, "removing an orphan's files");
            disk.discard(volume, Some(file));
        }
        for volume in self.volumes {
            tracing::info!(%volume, "removing the files of a deleted volume");
            disk.discard(volume, None);
        }
    }
}

fn refuse_data(
    disk: &Disk,
    volume: VolumeId,
    file: ExtentFile,
    revision: u64,
) -> Result<(), StartError> {
    let removed = revision >= file.alloc.0 + REVISIONS_OF_A_REMOVAL;
    if removed
        || !disk
            .holds_anything(volume, file)
            .map_err(disk_error(disk.path()))?
    {
        return Ok(());
    }
    Err(StartError::Unrecorded {
        path: data_path(disk, volume, file),
        alloc: file.alloc.0,
        revision,
    })
}

fn data_path(disk: &Disk, volume: VolumeId, file: ExtentFile) -> PathBuf {
    let name = format!("volumes/{volume}/{}.{}.data", file.extent, file.alloc);
    disk.path().join(name)
}
