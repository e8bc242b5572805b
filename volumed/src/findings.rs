//! What the daemon itself finds wrong, for `volumed doctor`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use volumed_client::admin::Finding;
use volumed_core::size::display;
use volumed_core::{BLOCK_SIZE, VolumeId};
use volumed_daemon::descriptor_limit;
use volumed_node::{
    DiskCopiesView, DiskState, DiskView, DrainState, ScrubState, ScrubView, VolumeView, Volumes,
};

/// Below this many descriptors a pool of a hundred open volumes opens and closes files all the time.
const FEW_DESCRIPTORS: u64 = 4096;

/// A disk is nearly full when less than this share of it is free.
const NEARLY_FULL: u64 = 10;

/// Everything that is wrong now.
pub async fn findings(volumes: &Volumes) -> Vec<Finding> {
    let mut found = Vec::new();
    let disks = volumes.disks().await;
    found.extend(disks.iter().filter_map(of_disk));
    found.extend(disks.iter().filter_map(of_removals));
    found.extend(disks.iter().filter_map(of_drain));
    found.extend(volumes.removed_and_named().iter().map(|it| of_named(it)));
    if disks.iter().any(|disk| disk.sharers > 1) {
        found.push(Finding::warning(
            "shared_file_system",
            "Several disks of the pool lie on one file system: they share its space and fail together.",
            "Give each disk a file system of its own in `disks` of the configuration file.",
        ));
    }
    found.extend(of_limit(descriptor_limit()));
    if let Err(error) = volumes.store_answers().await {
        found.push(Finding::fault(
            "store_unavailable",
            format!("The metadata store does not answer: {error}."),
            "Look for a full or read-only file system under the store, or for members of etcd that do not \
             run: volumed serve --check-config says where it is.",
        ));
    }
    if let Ok(store) = volumes.store().await {
        found.extend(store.disks.iter().filter_map(of_copies));
    }
    let lacking = volumes.lacking().await.unwrap_or_default();
    if let Ok(volumes) = volumes.list().await {
        found.extend(volumes.iter().filter_map(of_volume));
        found.extend(volumes.iter().filter_map(of_damage));
        found.extend(volumes.iter().filter_map(of_loss));
        found.extend(volumes.iter().filter_map(of_stale));
        found.extend(volumes.iter().filter_map(of_quota));
        found.extend(of_lacking(&volumes, &lacking));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    for scrub in volumes.scrubs() {
        found.extend(of_scrub(&scrub, now));
    }
    let suspect = volumes.suspect_regions();
    if suspect > 0 {
        found.push(Finding::warning(
            "suspect_regions",
            format!(
                "{suspect} regions of 4 MiB were written when volumed was last stopped uncleanly, and \
                 are not checked yet."
            ),
            "Nothing, if the number falls; volumed checks them one by one in the background, and before they are used.",
        ));
    }
    found
}

fn of_copies(copies: &DiskCopiesView) -> Option<Finding> {
    let failure = copies.failure.as_ref()?;
    let folder = copies.folder.display();
    Some(Finding::warning(
        "store_not_copied",
        format!("The metadata store was not copied to {folder} the last time: {failure}."),
        "If the disk is full, delete what is not needed; volumed tries again every ten minutes. If the \
         store is damaged, stop s3d and volumed, then volumed meta restore with the newest copy.",
    ))
}

fn of_volume(volume: &VolumeView) -> Option<Finding> {
    let auto = volume.auto_grow?;
    let at_maximum = volume.size.0 >= auto.max_size && auto.is_short(volume.size, volume.used);
    at_maximum.then(|| {
        let (name, max) = (&volume.name, display(auto.max_size));
        Finding::warning(
            "volume_at_maximum",
            format!(
                "The volume {name} has grown to its largest size, {max}, and less than {} % of it are free.",
                auto.free_percent
            ),
            format!(
                "volumed volume grow {name} --auto-grow {} --max-size SIZE, or delete what is not needed \
                 in it.",
                auto.free_percent
            ),
        )
    })
}

fn of_damage(volume: &VolumeView) -> Option<Finding> {
    let (name, count) = (&volume.name, volume.damaged);
    (count > 0).then(|| {
        Finding::fault(
            "volume_damaged",
            format!(
                "{count} blocks of 4 KiB of the volume {name} do not hold what was written: reading them is \
                 an error."
            ),
            format!(
                "volumed volume damage {name} says which, and s3d bucket damage which keys if it is a bucket's; \
                 write them anew from a backup. Look at the disk with smartctl -a."
            ),
        )
    })
}

fn of_stale(volume: &VolumeView) -> Option<Finding> {
    let (name, stale) = (&volume.name, &volume.stale);
    let resynced = stale.iter().filter(|it| it.left.is_some()).count();
    (!stale.is_empty()).then(|| {
        Finding::warning(
            "volume_degraded",
            format!(
                "{} of {} replicas of the volume {name} lack something; {resynced} of these are being resynced.",
                stale.len(),
                volume.replicas
            ),
            format!(
                "Nothing for those that are being resynced: volumed volume show {name} says how far they are. \
                 For the others, volumed disk list, and in a cluster volumed node list, say what is wrong with their \
                 disks or nodes. They catch up once they are back; volumed disk retry DISK takes a disk back."
            ),
        )
    })
}

fn of_lacking(volumes: &[VolumeView], lacking: &BTreeMap<VolumeId, u64>) -> Vec<Finding> {
    let finding = |volume: &VolumeView| {
        let (name, lacks) = (&volume.name, lacking.get(&volume.id)?);
        Some(Finding::warning(
            "volume_lacks_replicas",
            format!("{lacks} replicas of extents of the volume {name} are yet to be made."),
            format!(
                "Nothing while the number falls in volumed volume show {name}. Else there are too few disks with room: add a node, \
                 or a disk, or have fewer replicas with volumed volume replicas {name} auto."
            ),
        ))
    };
    volumes.iter().filter_map(finding).collect()
}

fn of_loss(volume: &VolumeView) -> Option<Finding> {
    let (name, lost) = (&volume.name, volume.lost);
    (lost > 0).then(|| {
        Finding::fault(
            "volume_lost",
            format!(
                "Up to {} of the volume {name} were lost with a disk that left the pool: reading them is an error.",
                display(lost * BLOCK_SIZE)
            ),
            format!(
                "volumed volume damage {name} says where, and s3d bucket damage which keys if it is a bucket's; \
                 write them anew from a backup, or trim them. If the disk turns up, volumed disk add PATH."
            ),
        )
    })
}

fn of_named(path: &Path) -> Finding {
    let path = path.display();
    Finding::warning(
        "removed_disk_named",
        format!("The settings name the disk {path}, which was removed from the pool."),
        format!(
            "Take {path} out of `disks` of the configuration file, or volumed disk add {path}."
        ),
    )
}

fn of_scrub(scrub: &ScrubView, now: u64) -> Vec<Finding> {
    let mut found = Vec::new();
    let path = scrub.path.display();
    if scrub.state == ScrubState::Paused {
        found.push(Finding::warning(
            "scrub_paused",
            format!(
                "The scrub of the disk {path} is paused: damage that nobody reads is not found."
            ),
            "volumed scrub start",
        ));
    }
    if scrub.is_overdue(now) {
        found.push(Finding::warning(
            "scrub_overdue",
            format!(
                "The disk {path} was not scrubbed for twice the time that `scrub` says: damage that nobody \
                 reads is not found."
            ),
            "If volumed scrub status says that it runs, it is too slow: raise scrub_rate. Else volumed scrub start.",
        ));
    }
    if scrub.unchecked > 0 {
        found.push(Finding::warning(
            "scrub_incomplete",
            format!(
                "{} regions of 4 MiB of the disk {path} could not be checked by its scrub.",
                scrub.unchecked
            ),
            "Look at journalctl -u volumed for the reason and at the disk with smartctl -a, then volumed scrub start.",
        ));
    }
    found
}

fn of_quota(volume: &VolumeView) -> Option<Finding> {
    let quota = volume.quota?;
    let left = quota.0.saturating_sub(volume.used.0);
    let name = &volume.name;
    let cure = format!(
        "volumed volume quota {name} SIZE with more than {}, or delete what is not needed in it.",
        display(quota.0)
    );
    if left == 0 {
        let sentence = format!(
            "The volume {name} holds all that its quota allows: writes that need more are refused."
        );
        return Some(Finding::warning("quota_used_up", sentence, cure));
    }
    (left < quota.0 / NEARLY_FULL).then(|| {
        let left = display(left);
        let sentence = format!("The volume {name} has only {left} of its quota left.");
        Finding::warning("quota_nearly_used_up", sentence, cure)
    })
}

fn of_removals(disk: &DiskView) -> Option<Finding> {
    let (path, count) = (disk.path.display(), disk.unremoved);
    (count > 0).then(|| {
        Finding::warning(
            "files_not_removed",
            format!(
                "The disk {path} keeps the files of {count} freed extents or volumes, which could not be \
                 removed."
            ),
            "Nothing, if the number falls; else look at journalctl -u volumed for the reason. They are \
             tried again every second.",
        )
    })
}

fn of_drain(disk: &DiskView) -> Option<Finding> {
    let drain = disk.drain?;
    let (path, id, left) = (disk.path.display(), disk.id, display(drain.left.0));
    match drain.state {
        DrainState::Moving => None,
        DrainState::WaitingForRoom => Some(Finding::warning(
            "drain_waits_for_room",
            format!("The disk {path} is drained, but no other disk has room for the {left} on it."),
            format!("volumed disk add PATH, or volumed disk drain {id} --cancel."),
        )),
        DrainState::DiskFailed => Some(Finding::fault(
            "drain_stopped",
            format!("The disk {path} is drained, but {left} on it cannot be moved: a disk failed."),
            "volumed disk list says which; take it back by volumed disk retry.",
        )),
        DrainState::Drained => Some(Finding::warning(
            "disk_drained",
            format!("The disk {path} is drained, and still in the pool."),
            format!(
                "volumed disk remove {id}, or volumed disk drain {id} --cancel to use it again."
            ),
        )),
    }
}

fn of_disk(disk: &DiskView) -> Option<Finding> {
    let path = disk.path.display();
    if disk.state == DiskState::Missing {
        return Some(Finding::fault(
            "disk_missing",
            format!(
                "The disk {} is not at {path}: what volumes have on it cannot be read.",
                disk.id
            ),
            format!(
                "Mount its file system there, then volumed disk retry {id}, or restart volumed if the settings \
                 name it. If it is gone for good: volumed disk remove {id} says what would be lost.",
                id = disk.id
            ),
        ));
    }
    if disk.state == DiskState::Failed {
        return Some(Finding::fault(
            "disk_failed",
            format!(
                "The disk {path} failed to make writes durable: nothing on it is acknowledged any more."
            ),
            format!(
                "Look at journalctl -k and smartctl -a; if the disk is well, volumed disk retry {id}, if it is \
                 dead, volumed disk remove {id}, which says what would be lost.",
                id = disk.id
            ),
        ));
    }
    let free = display(disk.free.0);
    let cure =
        "Delete what is not needed, or add a directory on another disk: volumed disk add PATH.";
    if disk.free.0 == 0 {
        let sentence =
            format!("The disk {path} is full: writes that need space on it are refused.");
        return Some(Finding::fault("disk_full", sentence, cure));
    }
    (disk.free.0 < disk.capacity.0 / NEARLY_FULL).then(|| {
        let sentence = format!("The disk {path} has only {free} left.");
        Finding::warning("disk_nearly_full", sentence, cure)
    })
}

fn of_limit(limit: u64) -> Option<Finding> {
    (limit < FEW_DESCRIPTORS).then(|| {
        Finding::warning(
            "few_descriptors",
            format!("The daemon may have only {limit} files open: with many volumes in use it refuses work."),
            "Set LimitNOFILE=1048576 in the unit (systemctl edit volumed), or ulimit -Hn in the shell.",
        )
    })
}

#[cfg(test)]
mod tests {
    use volumed_core::{ByteCount, DiskId, Epoch, VolumeId};

    use super::*;

    fn fault_of(state: DiskState, free: u64) -> Option<String> {
        let disk = DiskView {
            id: DiskId(1),
            path: "/srv/ssd0".into(),
            state,
            capacity: ByteCount(1000),
            used: ByteCount(1000 - free),
            free: ByteCount(free),
            sharers: 1,
            unremoved: 0,
            drain: None,
        };
        let found = of_disk(&disk)?;
        assert!(found.sentence.contains("/srv/ssd0"), "{}", found.sentence);
        Some(found.fault)
    }

    #[test]
    fn a_disk_is_failed_full_nearly_full_or_well() {
        assert_eq!(
            fault_of(DiskState::Failed, 0).as_deref(),
            Some("disk_failed")
        );
        assert_eq!(
            fault_of(DiskState::Missing, 0).as_deref(),
            Some("disk_missing")
        );
        assert_eq!(fault_of(DiskState::Online, 0).as_deref(), Some("disk_full"));
        assert_eq!(
            fault_of(DiskState::Online, 99).as_deref(),
            Some("disk_nearly_full")
        );
        assert_eq!(fault_of(DiskState::Online, 100), None);
    }

    fn faults_of_scrub(state: ScrubState, ended: u64, unchecked: u64) -> Vec<String> {
        let scrub = ScrubView {
            disk: DiskId(1),
            path: "/srv/ssd0".into(),
            state,
            checked: ByteCount(0),
            unchecked,
            total: ByteCount(0),
            left: None,
            begun: None,
            ended: Some(ended),
            since: 0,
            every: Some(std::time::Duration::from_secs(100)),
        };
        let found = of_scrub(&scrub, 1000).into_iter();
        found.map(|found| found.fault).collect()
    }

    #[test]
    fn a_scrub_is_paused_overdue_incomplete_or_well() {
        use ScrubState::{Idle, Paused, Running};
        let none: [&str; 0] = [];
        assert_eq!(faults_of_scrub(Idle, 800, 0), none);
        assert_eq!(faults_of_scrub(Running, 800, 0), none);
        assert_eq!(faults_of_scrub(Idle, 799, 0), ["scrub_overdue"]);
        assert_eq!(faults_of_scrub(Running, 799, 0), ["scrub_overdue"]);
        assert_eq!(faults_of_scrub(Paused, 0, 0), ["scrub_paused"]);
        assert_eq!(faults_of_scrub(Idle, 900, 2), ["scrub_incomplete"]);
    }

    fn fault_of_quota(quota: u64, used: u64) -> Option<String> {
        let volume = VolumeView {
            id: VolumeId(1),
            name: "v".parse().expect("a name"),
            size: ByteCount(1 << 60),
            replicas: 1,
            used: ByteCount(used),
            epoch: Epoch(1),
            owner: None,
            auto_grow: None,
            damaged: 0,
            lost: 0,
            quota: Some(ByteCount(quota)),
            auto_replicas: false,
            stale: Vec::new(),
            node: None,
        };
        of_quota(&volume).map(|found| found.fault)
    }

    #[test]
    fn a_quota_is_used_up_nearly_so_or_not() {
        assert_eq!(fault_of_quota(1000, 900), None);
        assert_eq!(
            fault_of_quota(1000, 901).as_deref(),
            Some("quota_nearly_used_up")
        );
        assert_eq!(fault_of_quota(1000, 1000).as_deref(), Some("quota_used_up"));
        assert_eq!(fault_of_quota(1000, 2000).as_deref(), Some("quota_used_up"));
        assert_eq!(fault_of_quota(0, 0).as_deref(), Some("quota_used_up"));
    }

    #[test]
    fn a_low_limit_is_found() {
        assert_eq!(of_limit(FEW_DESCRIPTORS), None);
        assert!(of_limit(1024).is_some_and(|found| found.sentence.contains("1024")));
    }
}
