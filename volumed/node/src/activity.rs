//! What the disks are asked to do, and what is waiting to be done on them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use volumed_core::message::ExtentFile;
use volumed_core::replica::{DiskFault, DiskOp, DiskResult};
use volumed_core::{DiskId, VolumeId};
use volumed_disk::Disk;

use crate::disks::PoolDisk;
use crate::name::VolumeName;
use crate::volume::Volume;
use crate::volumes::Volumes;

/// What the disks did since the daemon was started.
#[derive(Debug, Clone)]
pub struct DiskWork {
    /// How long a sync of data took that a flush or the cleaning of a region waited for.
    pub sync_seconds: Histogram,
    /// Writes of dirty logs (V5).
    pub log_writes: Counter,
    /// Reads and merges that a wrong checksum refused (V10).
    pub corrupt: Counter,
}

impl Default for DiskWork {
    fn default() -> Self {
        Self {
            // 64 µs to 16 s.
            sync_seconds: Histogram::new(exponential_buckets(64e-6, 4.0, 10)),
            log_writes: Counter::default(),
            corrupt: Counter::default(),
        }
    }
}

impl DiskWork {
    /// Runs an operation, and counts it.
    pub(super) fn run(&self, disk: &Disk, volume: VolumeId, op: &DiskOp) -> DiskResult {
        let since = Instant::now();
        let result = disk.run(volume, op);
        self.count(op, &result, since.elapsed());
        result
    }

    /// Runs an operation if nothing has to be waited for, and counts it.
    pub(super) fn try_now(&self, disk: &Disk, volume: VolumeId, op: &DiskOp) -> Option<DiskResult> {
        let result = disk.try_now(volume, op);
        if let Some(Err(DiskFault::Corrupt(_))) = result {
            self.corrupt.inc();
        }
        result
    }

    /// Commits durable writes to one extent together, and counts them.
    pub(super) fn commit(
        &self,
        disk: &Disk,
        volume: VolumeId,
        file: ExtentFile,
        writes: &[&DiskOp],
    ) -> Vec<DiskResult> {
        let since = Instant::now();
        let results = disk.commit(volume, file, writes);
        for (write, result) in writes.iter().zip(&results) {
            self.count(write, result, since.elapsed());
        }
        results
    }

    fn count(&self, op: &DiskOp, result: &DiskResult, took: Duration) {
        match op {
            DiskOp::Sync { .. } | DiskOp::Settle { .. } => {
                self.sync_seconds.observe(took.as_secs_f64());
            }
            DiskOp::WriteLog(_) => {
                self.log_writes.inc();
            }
            _ => {}
        }
        if matches!(result, Err(DiskFault::Corrupt(_))) {
            self.corrupt.inc();
        }
    }
}

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
