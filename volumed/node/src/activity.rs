//! What is waiting to be done on the disks.

use std::sync::Arc;

use volumed_core::DiskId;

use crate::disks::PoolDisk;
use crate::disks::work::DiskWork;
use crate::name::VolumeName;
use crate::volume::Volume;
use crate::volumes::Volumes;

/// What is waiting on the node's disks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Activity {
    /// Of every volume, by name.
    pub volumes: Vec<VolumeActivity>,
    /// How many extents are open on each disk.
    pub open_extents: Vec<(DiskId, usize)>,
}

/// What is waiting of a volume, on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeActivity {
    /// The volume.
    pub name: VolumeName,
    /// Regions that are marked dirty (V5).
    pub dirty: usize,
    /// Regions that have to be summed anew (V10).
    pub suspect: usize,
}

impl Volumes {
    /// What the disks did.
    pub fn work(&self) -> DiskWork {
        self.shared.node.work.clone()
    }

    /// What is waiting now.
    pub fn activity(&self) -> Activity {
        let volumes = self.shared.volumes.read();
        let of_volume = |(name, volume): (&VolumeName, &Arc<Volume>)| {
            let machine = &volume.machine;
            VolumeActivity {
                name: name.clone(),
                dirty: machine.dirty(),
                suspect: machine.suspects(),
            }
        };
        let disks = self.shared.node.disks.all();
        let open = |on: &Arc<PoolDisk>| (on.disk.id(), on.disk.open_extents());
        Activity {
            volumes: volumes.iter().map(of_volume).collect(),
            open_extents: disks.values().map(open).collect(),
        }
    }
}
