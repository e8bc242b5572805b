//! Opening the directories that are disks.

use std::path::Path;

use volumed_disk::{Disk, DiskError, SpaceSettings};

use crate::disks::open_extents::OpenExtents;
use crate::disks::share_file_systems;
use crate::error::StartError;
use crate::view::DiskSettings;

pub(crate) async fn open_disks(
    settings: Vec<DiskSettings>,
    open_extents: OpenExtents,
) -> Result<Vec<Disk>, StartError> {
    if settings.is_empty() {
        return Err(StartError::NoDisks);
    }
    let open_extents = open_extents.on_each(settings.len());
    blocking(move || {
        let mut opened: Vec<Disk> = Vec::new();
        for it in settings {
            let path = it.path.clone();
            let same = path
                .canonicalize()
                .ok()
                .and_then(|real| opened.iter().find(|other| other.path() == real));
            if let Some(other) = same {
                return Err(StartError::SameDisk(path, other.path().to_owned()));
            }
            let disk = open_disk(it, open_extents)?;
            if let Some(other) = opened.iter().find(|other| other.id() == disk.id()) {
                return Err(StartError::SameDisk(path, other.path().to_owned()));
            }
            opened.push(disk);
        }
        share_file_systems(&opened.iter().collect::<Vec<_>>());
        Ok(opened)
    })
    .await
}

pub(crate) fn disk_error(path: &Path) -> impl FnOnce(DiskError) -> StartError {
    let path = path.to_owned();
    move |source| StartError::Disk { path, source }
}

/// Blocks.
pub(crate) fn open_disk(settings: DiskSettings, open_extents: usize) -> Result<Disk, StartError> {
    let DiskSettings {
        path,
        capacity,
        reserve,
    } = settings;
    let space = SpaceSettings { capacity, reserve };
    let settings = volumed_disk::DiskSettings {
        path: path.clone(),
        space,
        open_extents,
    };
    Disk::open(settings).map_err(disk_error(&path))
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StartError> + Send + 'static,
) -> Result<T, StartError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| StartError::Threads(error.into()))?
}
