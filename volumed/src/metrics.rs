//! What Prometheus is told: requests as they are served, and the state of things when it asks.

mod activity;

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use volumed_client::admin::{
    DiskInfo, DiskState, DrainInfo, DrainState, PoolInfo, ScrubInfo, ScrubState, StoreInfo,
    VolumeInfo,
};
use volumed_daemon::{Measured, metrics_page, register_process};
use volumed_node::{Activity, DiskWork};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DiskLabels {
    disk: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VolumeLabels {
    volume: String,
}

/// The counters of this daemon.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// What clients were served over NBD.
    pub nbd: Arc<volumed_listener::Metrics>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("volumed");
        let nbd = Arc::new(volumed_listener::Metrics::new(&mut registry));
        Self { registry, nbd }
    }
}

impl Metrics {
    /// The page that Prometheus reads.
    pub fn page(
        &self,
        pool: &PoolInfo,
        disks: &[DiskInfo],
        volumes: &[VolumeInfo],
        store: &StoreInfo,
        scrubs: &[ScrubInfo],
        (work, activity): (&DiskWork, &Activity),
    ) -> Result<String, fmt::Error> {
        let mut state = state(pool, disks, volumes);
        register_store(&mut state, store);
        register_scrubs(&mut state, scrubs);
        activity::register(&mut state, work, activity);
        let mut process = Registry::default();
        register_process(&mut process);
        metrics_page(&[&self.registry, &state, &process])
    }
}

/// The state of things now.
fn state(pool: &PoolInfo, disks: &[DiskInfo], volumes: &[VolumeInfo]) -> Registry {
    let mut registry = Registry::with_prefix("volumed");
    for (name, help, value) in [
        (
            "pool_capacity_bytes",
            "What the disks can hold",
            pool.capacity,
        ),
        ("pool_used_bytes", "What volumes hold", pool.used),
        ("pool_free_bytes", "What can still be written", pool.free),
        ("volumes", "How many volumes there are", pool.volumes.into()),
    ] {
        registry.register(name, help, ConstGauge::new(value));
    }
    let of_disks = |value: fn(&DiskInfo) -> u64| {
        let family = Family::<DiskLabels, Measured>::default();
        for disk in disks {
            let labels = DiskLabels {
                disk: disk.id.clone(),
            };
            family.get_or_create(&labels).set(value(disk));
        }
        family
    };
    let used = of_disks(|disk| disk.used);
    registry.register("disk_used_bytes", "What volumes hold on the disk", used);
    let free = of_disks(|disk| disk.free);
    registry.register(
        "disk_free_bytes",
        "What can still be written on the disk",
        free,
    );
    let unremoved = of_disks(|disk| disk.unremoved);
    registry.register(
        "disk_unremoved",
        "Freed extents and volumes whose files could not be removed yet",
        unremoved,
    );
    let online = of_disks(|disk| u64::from(disk.state == DiskState::Online));
    registry.register("disk_online", "Whether the disk serves", online);
    register_drains(&mut registry, disks);
    let of_volumes = |value: fn(&VolumeInfo) -> u64| {
        let family = Family::<VolumeLabels, Measured>::default();
        for volume in volumes {
            let labels = VolumeLabels {
                volume: volume.name.clone(),
            };
            family.get_or_create(&labels).set(value(volume));
        }
        family
    };
    let used = of_volumes(|volume| volume.used);
    registry.register(
        "volume_used_bytes",
        "What the volume holds, one replica counted",
        used,
    );
    let damaged = of_volumes(|volume| volume.damaged);
    registry.register(
        "volume_damaged_blocks",
        "Blocks of 4 KiB that are known to be damaged",
        damaged,
    );
    let (lost, help) = (
        of_volumes(|volume| volume.lost),
        "Blocks of 4 KiB lost with disks",
    );
    registry.register("volume_lost_blocks", help, lost);
    let quota = of_volumes(|volume| volume.quota.unwrap_or(0));
    registry.register(
        "volume_quota_bytes",
        "What the volume may hold, one replica counted; 0: no limit",
        quota,
    );
    let epoch = of_volumes(|volume| volume.epoch);
    registry.register("volume_epoch", "How often the volume was attached", epoch);
    registry
}

fn register_store(registry: &mut Registry, store: &StoreInfo) {
    let newest = Family::<DiskLabels, Measured>::default();
    for copies in &store.disks {
        let labels = DiskLabels {
            disk: copies.disk.clone(),
        };
        let made = copies.copies.iter().map(|copy| copy.made).max();
        newest.get_or_create(&labels).set(made.unwrap_or(0));
    }
    registry.register(
        "store_copy_timestamp_seconds",
        "When the disk's newest copy of the metadata store was made; 0: never",
        newest,
    );
    registry.register(
        "store_copy_failures",
        "Copies of the metadata store that failed",
        ConstCounter::new(store.failures),
    );
    for (name, help, value) in [
        (
            "store_revision",
            "The metadata store's revision",
            store.revision,
        ),
        (
            "store_generation",
            "Starts on and copies of the metadata store",
            store.generation,
        ),
    ] {
        registry.register(name, help, ConstGauge::new(value));
    }
}

/// Of the disks that are drained.
fn register_drains(registry: &mut Registry, disks: &[DiskInfo]) {
    let mut register = |name: &str, help: &str, value: fn(&DrainInfo) -> u64| {
        let family = Family::<DiskLabels, Measured>::default();
        for (disk, drain) in disks.iter().filter_map(|disk| Some((disk, disk.drain?))) {
            let labels = DiskLabels {
                disk: disk.id.clone(),
            };
            family.get_or_create(&labels).set(value(&drain));
        }
        registry.register(name, help, family);
    };
    register(
        "disk_drain_moved_bytes",
        "What was moved off the disk since its drain began",
        |drain| drain.moved,
    );
    register(
        "disk_drain_left_bytes",
        "What is still to be moved off the disk",
        |drain| drain.left,
    );
    register(
        "disk_drain_waits",
        "Whether the drain waits for room or for a disk that failed",
        |drain| {
            let waits = [DrainState::WaitingForRoom, DrainState::DiskFailed];
            u64::from(waits.contains(&drain.state))
        },
    );
}

fn register_scrubs(registry: &mut Registry, scrubs: &[ScrubInfo]) {
    let mut register = |name: &str, help: &str, value: fn(&ScrubInfo) -> u64| {
        let family = Family::<DiskLabels, Measured>::default();
        for scrub in scrubs {
            let labels = DiskLabels {
                disk: scrub.disk.clone(),
            };
            family.get_or_create(&labels).set(value(scrub));
        }
        registry.register(name, help, family);
    };
    register(
        "scrub_running",
        "Whether the disk is being scrubbed",
        |scrub| u64::from(scrub.state == ScrubState::Running),
    );
    register(
        "scrub_checked_bytes",
        "What the scrub that runs, or ran last, compared with its checksums",
        |scrub| scrub.checked,
    );
    register(
        "scrub_ended_timestamp_seconds",
        "When the disk's last whole scrub ended; 0: never",
        |scrub| scrub.ended.unwrap_or(0),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use volumed_client::admin::{StoreCopies, StoreCopy};
    use volumed_core::DiskId;
    use volumed_node::VolumeActivity;

    fn copy(made: u64) -> StoreCopy {
        let path = "meta/day.db".into();
        StoreCopy {
            path,
            made,
            bytes: 1,
        }
    }

    fn page(metrics: &Metrics) -> String {
        let pool = PoolInfo {
            capacity: 100,
            used: 40,
            free: 60,
            disks: 0,
            volumes: 1,
        };
        let volume = VolumeInfo {
            id: "1".to_owned(),
            name: "a\"b".to_owned(),
            size: 10,
            replicas: 1,
            used: 4,
            epoch: 2,
            owner: None,
            auto_grow: None,
            damaged: 3,
            lost: 5,
            quota: Some(8),
            auto_replicas: false,
            stale: Vec::new(),
            lacking: None,
            node: None,
        };
        let store = StoreInfo {
            location: "meta.db".into(),
            revision: 7,
            generation: 3,
            disks: vec![StoreCopies {
                disk: "d1".to_owned(),
                folder: "meta".into(),
                copies: [5, 9, 8].map(copy).into(),
                failure: None,
            }],
            failures: 2,
        };
        let activity = Activity {
            volumes: vec![VolumeActivity {
                name: "v".parse().unwrap(),
                dirty: 5,
                suspect: 2,
            }],
            open_extents: vec![(DiskId(1), 8)],
        };
        let work = DiskWork::default();
        work.log_writes.inc();
        let of_disks = (&work, &activity);
        let scrub = ScrubInfo {
            disk: "d1".to_owned(),
            path: "disk".into(),
            state: ScrubState::Running,
            checked: 30,
            unchecked: 0,
            total: 40,
            seconds_left: None,
            begun: Some(6),
            ended: Some(5),
            due: None,
        };
        let page = metrics.page(&pool, &[], &[volume], &store, &[scrub], of_disks);
        page.unwrap()
    }

    #[test]
    fn pool_and_volumes_become_lines() {
        let page = page(&Metrics::default());
        assert!(page.contains("\nvolumed_pool_free_bytes 60\n"), "{page}");
        for line in [
            "\nvolumed_store_copy_timestamp_seconds{disk=\"d1\"} 9\n",
            "\nvolumed_store_copy_failures_total 2\n",
            "\nvolumed_store_generation 3\n",
            "\nvolumed_volume_dirty_regions{volume=\"v\"} 5\n",
            "\nvolumed_volume_suspect_regions{volume=\"v\"} 2\n",
            "\nvolumed_dirty_log_writes_total 1\n",
            "\nvolumed_disk_sync_seconds_count 0\n",
            "\nvolumed_disk_open_extents{disk=\"00000000000000000000000000000001\"} 8\n",
            "\nvolumed_scrub_checked_bytes{disk=\"d1\"} 30\n",
            "\nvolumed_scrub_running{disk=\"d1\"} 1\n",
        ] {
            assert!(page.contains(line), "{page}");
        }
        for volume in [
            "damaged_blocks{volume=\"a\\\"b\"} 3",
            "lost_blocks{volume=\"a\\\"b\"} 5",
            "used_bytes{volume=\"a\\\"b\"} 4",
            "quota_bytes{volume=\"a\\\"b\"} 8",
        ] {
            assert!(
                page.contains(&format!("\nvolumed_volume_{volume}\n")),
                "{page}"
            );
        }
    }
}
