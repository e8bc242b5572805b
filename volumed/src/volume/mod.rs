//! Every volume of this node: created, attached, exported, deleted.

mod error;
mod export;
mod name;
mod view;

use std::sync::Arc;

use volumed_core::ByteCount;
use volumed_meta::MetaStore;

pub use error::{
    AttachError, CreateVolumeError, DeleteVolumeError, DetachError, OpenExportError, RecordError,
    ShowVolumeError, StartError,
};
pub use export::Export;
pub use name::{
    ExportName, InvalidExportName, InvalidOwnerId, InvalidVolumeName, OwnerId, VolumeName,
};
pub use view::{Attachment, DiskSettings, DiskView, PoolView, VolumeView};

/// Every volume of this node. Cheap to clone: clones are the same volumes.
#[derive(Clone)]
pub struct Volumes {
    store: Arc<dyn MetaStore>,
}

impl Volumes {
    /// Opens the disks, checks them against the store, and removes the files of what was deleted.
    pub async fn start(
        store: Arc<dyn MetaStore>,
        disks: Vec<DiskSettings>,
    ) -> Result<Self, StartError> {
        let _ = disks;
        store.revision().await?;
        Ok(Self { store })
    }

    /// Creates a volume of `size` bytes, 0 to 1 EiB and a multiple of 4096; it takes no space.
    pub async fn create(
        &self,
        name: &VolumeName,
        size: ByteCount,
        replicas: u8,
    ) -> Result<VolumeView, CreateVolumeError> {
        let _ = (size, replicas);
        Err(CreateVolumeError::Exists(name.clone()))
    }

    /// All volumes, by name.
    pub async fn list(&self) -> Result<Vec<VolumeView>, ShowVolumeError> {
        Ok(Vec::new())
    }

    /// One volume.
    pub async fn show(&self, name: &VolumeName) -> Result<VolumeView, ShowVolumeError> {
        Err(ShowVolumeError::NotFound(name.clone()))
    }

    /// Deletes a volume that nobody is connected to; its space returns.
    pub async fn delete(&self, name: &VolumeName) -> Result<(), DeleteVolumeError> {
        Err(DeleteVolumeError::NotFound(name.clone()))
    }

    /// All disks together.
    pub async fn pool(&self) -> Result<PoolView, ShowVolumeError> {
        Ok(PoolView::default())
    }

    /// Every disk.
    pub async fn disks(&self) -> Vec<DiskView> {
        Vec::new()
    }

    /// Makes `owner` the only owner (V1, V2): waits until the exports of whoever was it before
    /// are dropped, and answers when every in-sync replica has durably promised the new epoch.
    pub async fn attach(
        &self,
        name: &VolumeName,
        owner: OwnerId,
    ) -> Result<Attachment, AttachError> {
        let _ = owner;
        Err(AttachError::NotFound(name.clone()))
    }

    /// Gives the volume up: waits for its exports to be dropped and makes everything durable.
    pub async fn detach(&self, name: &VolumeName, owner: &OwnerId) -> Result<(), DetachError> {
        let _ = owner;
        Err(DetachError::NotFound(name.clone()))
    }

    /// Opens a volume for one connection.
    pub async fn open(&self, export: &ExportName) -> Result<Arc<Export>, OpenExportError> {
        Err(OpenExportError::NotFound(export.volume.clone()))
    }

    /// Stops: revokes every export, waits for them, makes everything durable.
    pub async fn stop(&self) {
        let _ = self.store.revision().await;
    }
}
