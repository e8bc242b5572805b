//! The volumes' views as the API's types.

use volumed_client::admin::{
    self, DamagedRange, DiskInfo, DiskState, DrainInfo, DrainState, PoolInfo, VolumeDamage,
    VolumeInfo,
};

use crate::volume::{self, AutoGrow, DamageView, DiskView, DrainView, PoolView, VolumeView};

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
            auto_grow: view.auto_grow.map(Into::into),
            damaged: view.damaged,
            quota: view.quota.map(|quota| quota.0),
        }
    }
}

impl From<DamageView> for VolumeDamage {
    fn from(view: DamageView) -> Self {
        let range = |range: volume::DamagedRange| DamagedRange {
            disk: range.disk.to_string(),
            extent: range.extent.0,
            offset: range.offset,
            length: range.length,
        };
        Self {
            ranges: view.ranges.into_iter().map(range).collect(),
            more: view.more,
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
            state: match view.state {
                volume::DiskState::Online => DiskState::Online,
                volume::DiskState::Failed => DiskState::Failed,
                volume::DiskState::Missing => DiskState::Missing,
            },
            capacity: view.capacity.0,
            used: view.used.0,
            free: view.free.0,
            unremoved: view.unremoved as u64,
            drain: view.drain.map(Into::into),
        }
    }
}

impl From<DrainView> for DrainInfo {
    fn from(view: DrainView) -> Self {
        Self {
            state: match view.state {
                volume::DrainState::Moving => DrainState::Moving,
                volume::DrainState::WaitingForRoom => DrainState::WaitingForRoom,
                volume::DrainState::DiskFailed => DrainState::DiskFailed,
                volume::DrainState::Drained => DrainState::Drained,
            },
            begun: view.begun,
            moved: view.moved.0,
            left: view.left.0,
            seconds_left: view.time_left.map(|left| left.as_secs()),
        }
    }
}

impl From<AutoGrow> for admin::AutoGrow {
    fn from(auto: AutoGrow) -> Self {
        Self {
            free_percent: auto.free_percent,
            max_size: auto.max_size,
        }
    }
}

impl From<admin::AutoGrow> for AutoGrow {
    fn from(auto: admin::AutoGrow) -> Self {
        Self {
            free_percent: auto.free_percent,
            max_size: auto.max_size,
        }
    }
}
