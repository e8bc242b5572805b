//! Volumes that another node made or deleted while this one runs.

use std::sync::Arc;

use volumed_core::VolumeId;
use volumed_meta::StoreError;

use crate::disks::open::blocking;
use crate::error::StartError;
use crate::name::VolumeName;
use crate::start::recover_volume;
use crate::store::recorded::read_volume;
use crate::store::records::{name_key, volume_key};
use crate::volume::Volume;
use crate::volumes::{Shared, Volumes};

impl Volumes {
    /// The volume with a name, as far as this node has heard.
    pub(crate) fn find_here(&self, name: &VolumeName) -> Option<Arc<Volume>> {
        self.shared.volumes.read().get(name).cloned()
    }

    /// The volume with a name, also if another node made it a moment ago.
    pub(crate) async fn find(&self, name: &VolumeName) -> Result<Option<Arc<Volume>>, StoreError> {
        let found = self.shared.volumes.read().get(name).cloned();
        if found.is_some() || self.shared.node.others.is_none() {
            return Ok(found);
        }
        let entry = self.shared.node.store.get(&name_key(name.as_str())).await?;
        let id = entry.and_then(|entry| std::str::from_utf8(&entry.value).ok()?.parse().ok());
        let Some(id) = id else { return Ok(None) };
        let loaded = self.shared.load(id).await;
        loaded.map_err(|error| match error {
            StartError::Store(error) => error,
            error => StoreError::Unavailable(error.to_string()),
        })
    }
}

impl Shared {
    /// The volume with an id, made from the store and the disks unless it is here. `None` if there is no
    /// such volume.
    pub async fn load(&self, id: VolumeId) -> Result<Option<Arc<Volume>>, StartError> {
        // Disks neither come nor go between what is recovered and what is taken in.
        let _turn = self.disk_turn.lock().await;
        if let Some(volume) = self.with_id(id) {
            return Ok(Some(volume));
        }
        let store = &*self.node.store;
        let Some(entry) = store.get(&volume_key(id)).await? else {
            return Ok(None);
        };
        let (_, mut recorded) = read_volume(store, &entry).await?;
        recorded.placements.lose(&self.node.disks.removed());
        let node = Arc::clone(&self.node);
        let volume = blocking(move || recover_volume(&node, id, recorded)).await?;
        Ok(Some(self.take_in_volume(volume)))
    }

    pub fn with_id(&self, id: VolumeId) -> Option<Arc<Volume>> {
        let volumes = self.volumes.read();
        volumes.values().find(|volume| volume.id == id).cloned()
    }

    fn take_in_volume(&self, volume: Arc<Volume>) -> Arc<Volume> {
        let mut volumes = self.volumes.write();
        // It may have been made here meanwhile: what the disks hold must not count twice.
        if let Some(found) = volumes.get(&volume.name)
            && found.id == volume.id
        {
            volume.machine.release();
            return Arc::clone(found);
        }
        volumes.insert(volume.name.clone(), Arc::clone(&volume));
        volume
    }

    /// Another node deleted the volume.
    pub async fn forget(&self, volume: &Arc<Volume>) {
        volume.vanish().await;
        let mut volumes = self.volumes.write();
        if volumes
            .get(&volume.name)
            .is_some_and(|it| it.id == volume.id)
        {
            volumes.remove(&volume.name);
        }
    }
}
