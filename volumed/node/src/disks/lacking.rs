//! How many replicas volumes lack: extents are to have them, and they were not made yet, or their disks are gone.

use std::collections::BTreeMap;

use volumed_core::VolumeId;
use volumed_core::placement::Placement;

use crate::disks::rebuild::Pool;
use crate::error::ShowVolumeError;
use crate::name::VolumeName;
use crate::store::placements::for_each_placement;
use crate::store::records::{EXTENTS, extents_prefix};
use crate::volume::Volume;
use crate::volumes::Volumes;

impl Volumes {
    /// How many replicas each volume lacks; those that lack none are left out. Unless this node serves all of them, every
    /// placement page of the store is read.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn lacking(&self) -> Result<BTreeMap<VolumeId, u64>, ShowVolumeError> {
        let pool = self.shared.pool();
        let (mut lacking, mut wanted) = (BTreeMap::new(), BTreeMap::new());
        for volume in self.shared.all() {
            let replicas = volume.wanted_replicas(pool.auto);
            if let Some(lacks) = served(&volume, &pool, replicas) {
                lacking.insert(volume.id, lacks);
            } else {
                wanted.insert(volume.id, replicas);
            }
        }
        if !wanted.is_empty() {
            let count = |volume, placed: &Placement| {
                let lacks = wanted.get(&volume).map(|it| pool.lacks(placed, *it));
                *lacking.entry(volume).or_default() += lacks.unwrap_or(0);
            };
            for_each_placement(&*self.shared.node.store, EXTENTS, count).await?;
        }
        lacking.retain(|_, lacks| *lacks > 0);
        Ok(lacking)
    }

    /// How many replicas one volume lacks.
    ///
    /// # Errors
    /// When there is no such volume, or the store cannot be read.
    pub async fn lacking_of(&self, name: &VolumeName) -> Result<u64, ShowVolumeError> {
        let found = self.find(name).await?;
        let volume = found.ok_or_else(|| ShowVolumeError::NotFound(name.clone()))?;
        let pool = self.shared.pool();
        let wanted = volume.wanted_replicas(pool.auto);
        if let Some(lacks) = served(&volume, &pool, wanted) {
            return Ok(lacks);
        }
        let mut lacks = 0;
        let count = |_, placed: &Placement| lacks += pool.lacks(placed, wanted);
        let store = &*self.shared.node.store;
        for_each_placement(store, &extents_prefix(volume.id), count).await?;
        Ok(lacks)
    }
}

/// What a volume lacks that is served here, whose head knows as much as the store.
fn served(volume: &Volume, pool: &Pool, wanted: u8) -> Option<u64> {
    let count = |placed: &Placement| pool.lacks(placed, wanted);
    volume.machine.sum_of_placed(count)
}
