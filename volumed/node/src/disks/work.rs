//! Runs what the disks are asked to do, and counts it.

use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use volumed_core::message::ExtentFile;
use volumed_core::replica::{DiskFault, DiskOp, DiskResult};
use volumed_core::{BLOCK_SIZE, VolumeId};
use volumed_disk::Disk;

/// What the disks did since the daemon was started.
#[derive(Debug, Clone)]
pub struct DiskWork {
    /// How long a sync of data took that a flush or the cleaning of a region waited for.
    pub sync_seconds: Histogram,
    /// Writes of dirty logs (V5).
    pub log_writes: Counter,
    /// Reads and merges that a wrong checksum refused (V10).
    pub corrupt: Counter,
    /// Bytes of blocks that were compared with other replicas', holes among them.
    pub compared: Counter,
    /// Bytes that were written here since another replica had them.
    pub copied: Counter,
}

impl Default for DiskWork {
    fn default() -> Self {
        Self {
            // 64 µs to 16 s.
            sync_seconds: Histogram::new(exponential_buckets(64e-6, 4.0, 10)),
            log_writes: Counter::default(),
            corrupt: Counter::default(),
            compared: Counter::default(),
            copied: Counter::default(),
        }
    }
}

impl DiskWork {
    /// Runs an operation, and counts it.
    pub(crate) fn run(&self, disk: &Disk, volume: VolumeId, op: &DiskOp) -> DiskResult {
        let since = Instant::now();
        let result = disk.run(volume, op);
        self.count(op, &result, since.elapsed());
        result
    }

    /// Runs an operation if nothing has to be waited for, and counts it.
    pub(crate) fn try_now(&self, disk: &Disk, volume: VolumeId, op: &DiskOp) -> Option<DiskResult> {
        let result = disk.try_now(volume, op);
        if let Some(Err(DiskFault::Corrupt(_))) = result {
            self.corrupt.inc();
        }
        result
    }

    /// Commits durable writes to one extent together, and counts them.
    pub(crate) fn commit(
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
            DiskOp::Digest { sums, .. } => {
                self.compared.inc_by(sums.len() as u64 * BLOCK_SIZE);
            }
            DiskOp::Replace { chunk, .. } => {
                let runs = chunk.runs().into_iter();
                self.copied.inc_by(runs.map(|run| run.1.len() as u64).sum());
            }
            _ => {}
        }
        if matches!(result, Err(DiskFault::Corrupt(_))) {
            self.corrupt.inc();
        }
    }
}
