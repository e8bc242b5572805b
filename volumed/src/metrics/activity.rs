//! What the disks do and what waits on them, as metrics.

use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use volumed_daemon::Measured;
use volumed_node::{Activity, DiskWork, VolumeActivity};

use super::{DiskLabels, VolumeLabels};

pub(super) fn register(registry: &mut Registry, work: &DiskWork, activity: &Activity) {
    registry.register(
        "disk_sync_seconds",
        "How long syncs took that a flush or cleaning waited for",
        work.sync_seconds.clone(),
    );
    registry.register(
        "dirty_log_writes",
        "Writes of volumes' dirty logs",
        work.log_writes.clone(),
    );
    registry.register(
        "corrupt_reads",
        "Reads that were refused, since bytes did not match their checksum",
        work.corrupt.clone(),
    );
    registry.register(
        "resync_compared_bytes",
        "Bytes that were compared to make replicas equal",
        work.compared.clone(),
    );
    registry.register(
        "resync_copied_bytes",
        "Bytes that were copied here to make replicas equal",
        work.copied.clone(),
    );
    let open = Family::<DiskLabels, Measured>::default();
    for (disk, count) in &activity.open_extents {
        let disk = disk.to_string();
        open.get_or_create(&DiskLabels { disk }).set(*count as u64);
    }
    registry.register("disk_open_extents", "Extents that are open", open);
    let of_volumes = |count: fn(&VolumeActivity) -> usize| {
        let family = Family::<VolumeLabels, Measured>::default();
        for volume in &activity.volumes {
            let labels = VolumeLabels {
                volume: volume.name.to_string(),
            };
            family.get_or_create(&labels).set(count(volume) as u64);
        }
        family
    };
    registry.register(
        "volume_dirty_regions",
        "Regions of 4 MiB that may differ from their checksums",
        of_volumes(|volume| volume.dirty),
    );
    registry.register(
        "volume_suspect_regions",
        "Regions of 4 MiB whose checksums have to be made anew",
        of_volumes(|volume| volume.suspect),
    );
}
