//! How many blocks a disk may hold, and holds.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{BLOCK_SIZE, ByteCount};

/// The account of one disk's blocks, shared by the replicas on it. Blocks are counted from the
/// hole marks of the sums, never from the file system, and taken before anything is written, so
/// that a full disk refuses a write before it changed anything.
#[derive(Debug, Default)]
pub struct DiskSpace {
    used: AtomicU64,
    limit: AtomicU64,
}

/// There is no room for that many blocks; none was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl DiskSpace {
    /// Sets how many bytes may be held.
    pub fn set_limit(&self, limit: ByteCount) {
        self.limit.store(limit.0 / BLOCK_SIZE, Ordering::Relaxed);
    }

    /// Takes `blocks`, or none if they do not fit.
    pub fn reserve(&self, blocks: u32) -> Result<(), Full> {
        if blocks == 0 {
            return Ok(());
        }
        let limit = self.limit.load(Ordering::Relaxed);
        self.used
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(blocks.into()).filter(|&sum| sum <= limit)
            })
            .map(|_| ())
            .map_err(|_| Full)
    }

    /// Counts blocks that are there already, whether they fit or not.
    pub fn add(&self, blocks: u32) {
        self.used.fetch_add(blocks.into(), Ordering::Relaxed);
    }

    /// Gives blocks back; of a whole volume they may be more than 2^32, which is 16 TiB.
    pub fn release(&self, blocks: u64) {
        let _ = self
            .used
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                Some(used.saturating_sub(blocks))
            });
    }

    /// What is held.
    pub fn used(&self) -> ByteCount {
        ByteCount(self.used.load(Ordering::Relaxed) * BLOCK_SIZE)
    }

    /// What may be held.
    pub fn limit(&self) -> ByteCount {
        ByteCount(self.limit.load(Ordering::Relaxed) * BLOCK_SIZE)
    }

    /// What can still be taken.
    pub fn free(&self) -> ByteCount {
        ByteCount(self.limit().0.saturating_sub(self.used().0))
    }
}

#[cfg(test)]
mod tests {
    use super::{DiskSpace, Full};
    use crate::ByteCount;

    #[test]
    fn a_reservation_is_whole_or_nothing() {
        let space = DiskSpace::default();
        space.set_limit(ByteCount(10 * 4096));
        assert_eq!(space.reserve(8), Ok(()));
        assert_eq!(space.reserve(3), Err(Full));
        assert_eq!(space.used(), ByteCount(8 * 4096));
        assert_eq!(space.reserve(2), Ok(()));
        space.release(10);
        assert_eq!(space.free(), ByteCount(10 * 4096));
    }

    #[test]
    fn more_than_16_tib_are_given_back_at_once() {
        let space = DiskSpace::default();
        space.add(u32::MAX);
        space.add(9);
        space.release(u64::from(u32::MAX) + 4);
        assert_eq!(space.used(), ByteCount(5 * 4096));
    }
}
