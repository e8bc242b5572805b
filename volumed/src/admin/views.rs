//! The volumes' views as the API's types.

use volumed_client::admin::{DiskInfo, DiskState, PoolInfo, VolumeInfo};

use crate::volume::{DiskView, PoolView, VolumeView};

impl From<VolumeView> for VolumeInfo {
    fn from(view: VolumeView) -> Self {
        Self {
            id: view.id.to_string(),
            name: view.name.to_string(),
            size: view.size.0,
            replicas: view.replicas,
            used: view.used.0,
            epoch: view.epoch.0,
            owner: view.owner.map(|owner| owner.to_string()),
        }
    }
}

impl From<PoolView> for PoolInfo {
    fn from(view: PoolView) -> Self {
        Self {
            capacity: view.capacity.0,
            used: view.used.0,
            free: view.free.0,
            disks: view.disks,
            volumes: view.volumes,
        }
    }
}

impl From<DiskView> for DiskInfo {
    fn from(view: DiskView) -> Self {
        Self {
            id: view.id.to_string(),
            path: view.path,
            state: if view.failed {
                DiskState::Failed
            } else {
                DiskState::Online
            },
            capacity: view.capacity.0,
            used: view.used.0,
            free: view.free.0,
        }
    }
}
