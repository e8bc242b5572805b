//! What would be lost with a node: what no other node of the cluster holds.

use std::collections::BTreeSet;

use volumed_cluster::NodeId;

use crate::error::{PlacementsError, ShowVolumeError};
use crate::name::VolumeName;
use crate::store::placements;
use crate::volumes::Volumes;

impl Volumes {
    /// The most replicas that a volume is to have.
    pub fn most_replicas(&self) -> u8 {
        let auto = self.shared.node.auto_replicas();
        let volumes = self.shared.all();
        let replicas = volumes.iter().map(|volume| volume.wanted_replicas(auto));
        replicas.max().unwrap_or(0)
    }

    /// The volumes that have extents of which only disks of this node have a replica in sync, and how many.
    pub async fn held_only_by(
        &self,
        node: NodeId,
    ) -> Result<Vec<(VolumeName, usize)>, ShowVolumeError> {
        let shared = &self.shared;
        let Some(others) = &shared.node.others else {
            return Ok(Vec::new());
        };
        let (its, kept) = {
            let sight = others.sight();
            let its: BTreeSet<_> = sight
                .disks_of(volumed_peer::NodeId(node.0))
                .into_iter()
                .collect();
            let here = shared.node.disks.all();
            let removed = shared.node.disks.removed();
            let all: BTreeSet<_> = sight.all_disks().chain(here.keys().copied()).collect();
            let gone = |disk: &_| its.contains(disk) || removed.contains(disk);
            let kept: BTreeSet<_> = all.into_iter().filter(|disk| !gone(disk)).collect();
            (its, kept)
        };
        let mut only = Vec::new();
        for volume in shared.all() {
            let placements = match placements::load(&*shared.node.store, volume.id).await {
                Ok(placements) => placements,
                Err(PlacementsError::Record(error)) => return Err(error.into()),
                Err(PlacementsError::Store(error)) => return Err(error.into()),
                Err(PlacementsError::Gone | PlacementsError::Overtaken) => continue,
            };
            let lost = placements.placed.values().filter(|placed| {
                let held: Vec<_> = placed.in_sync(&placements.stale).collect();
                let kept = held.iter().any(|disk| kept.contains(disk));
                !kept && held.iter().any(|disk| its.contains(disk))
            });
            let count = lost.count();
            if count > 0 {
                only.push((volume.name.clone(), count));
            }
        }
        Ok(only)
    }
}
