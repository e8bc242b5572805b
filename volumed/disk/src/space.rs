//! How much a disk may hold.

use std::path::Path;

use volumed_core::ByteCount;
use volumed_core::space::DiskSpace;

/// What an operator may say about a disk's space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpaceSettings {
    /// Bytes that volumes may hold, if the file system offers as much; without it, all that it offers.
    pub capacity: Option<ByteCount>,
    /// Bytes of the file system that stay free; without it, 5 % or 1 GiB, whichever is smaller.
    pub reserve: Option<ByteCount>,
}

const MOST_RESERVED: u64 = 1 << 30;

impl SpaceSettings {
    /// Sets what may be held from what is really free; answers the capacity in bytes. Each of the
    /// `sharers` disks on one file system has an equal share of it, so that no byte counts twice.
    pub(crate) fn apply(
        &self,
        root: &Path,
        space: &DiskSpace,
        sharers: u64,
    ) -> std::io::Result<ByteCount> {
        let found = rustix::fs::statvfs(root)?;
        let total = found.f_blocks * found.f_frsize;
        let available = found.f_bavail * found.f_frsize;
        let reserve = self
            .reserve
            .map_or((total / 20).min(MOST_RESERVED), |reserve| reserve.0);
        let room = available.saturating_sub(reserve) / sharers;
        let share = total.saturating_sub(reserve) / sharers;
        let capacity = self
            .capacity
            .map_or(share, |capacity| capacity.0.min(share));
        space.set_limit(ByteCount(capacity.min(space.used().0 + room)));
        Ok(ByteCount(capacity))
    }
}
