//! How many blocks a disk may hold, and holds.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{BLOCK_SIZE, ByteCount};

/// The account of one disk's blocks, shared by the replicas on it. Blocks are counted from the
/// hole marks of the sums, never from the file system, and granted before anything is written, so
/// that a full disk refuses a write before it changed anything.
#[derive(Debug, Default)]
pub struct DiskSpace {
    /// Held or granted.
    taken: AtomicU64,
    /// Granted to heads, which have not written them.
    granted: AtomicU64,
    limit: AtomicU64,
}

impl DiskSpace {
    /// Sets how many bytes may be held.
    pub fn set_limit(&self, limit: ByteCount) {
        self.limit.store(limit.0 / BLOCK_SIZE, Ordering::Relaxed);
    }

    /// Grants up to `most` blocks; answers how many.
    pub fn grant(&self, most: u64) -> u64 {
        let limit = self.limit.load(Ordering::Relaxed);
        let fitting = |taken: u64| most.min(limit.saturating_sub(taken));
        let taken = self
            .taken
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                Some(taken + fitting(taken))
            })
            .unwrap_or_else(|taken| taken);
        let granted = fitting(taken);
        self.granted.fetch_add(granted, Ordering::Relaxed);
        granted
    }

    /// Granted blocks are not needed.
    pub fn give_back(&self, blocks: u64) {
        subtract(&self.granted, blocks);
        subtract(&self.taken, blocks);
    }

    /// Granted blocks are held now.
    pub fn hold(&self, blocks: u64) {
        subtract(&self.granted, blocks);
    }

    /// Counts blocks that are held already, whether they fit or not.
    pub fn add(&self, blocks: u64) {
        self.taken.fetch_add(blocks, Ordering::Relaxed);
    }

    /// Blocks are not held any more.
    pub fn release(&self, blocks: u64) {
        subtract(&self.taken, blocks);
    }

    /// Blocks that are granted and not held.
    pub fn granted(&self) -> u64 {
        self.granted.load(Ordering::Relaxed)
    }

    /// What is held.
    pub fn used(&self) -> ByteCount {
        let taken = self.taken.load(Ordering::Relaxed);
        ByteCount(taken.saturating_sub(self.granted()) * BLOCK_SIZE)
    }

    /// What may be held.
    pub fn limit(&self) -> ByteCount {
        ByteCount(self.limit.load(Ordering::Relaxed) * BLOCK_SIZE)
    }

    /// What is not held: whoever was granted some of it gives that back when somebody else needs it.
    pub fn free(&self) -> ByteCount {
        ByteCount(self.limit().0.saturating_sub(self.used().0))
    }
}

fn subtract(count: &AtomicU64, blocks: u64) {
    let _ = count.try_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
        Some(count.saturating_sub(blocks))
    });
}

#[cfg(test)]
mod tests {
    use super::DiskSpace;
    use crate::ByteCount;

    #[test]
    fn what_is_granted_fits_and_counts_as_free_until_it_is_held() {
        let space = DiskSpace::default();
        space.set_limit(ByteCount(10 * 4096));
        assert_eq!((space.grant(8), space.grant(3)), (8, 2));
        assert_eq!((space.grant(1), space.granted()), (0, 10));
        assert_eq!(space.free(), ByteCount(10 * 4096));
        space.hold(7);
        assert_eq!((space.used().0, space.free().0), (7 * 4096, 3 * 4096));
        space.give_back(3);
        assert_eq!((space.granted(), space.grant(4)), (0, 3));
        space.give_back(3);
        space.release(7);
        assert_eq!((space.used().0, space.free().0), (0, 10 * 4096));
    }

    #[test]
    fn more_than_16_tib_are_given_back_at_once() {
        let space = DiskSpace::default();
        space.add(u64::from(u32::MAX) + 9);
        space.release(u64::from(u32::MAX) + 4);
        assert_eq!(space.used(), ByteCount(5 * 4096));
    }

    #[test]
    fn a_lower_limit_grants_nothing_until_there_is_room() {
        let space = DiskSpace::default();
        space.add(5);
        space.set_limit(ByteCount(4 * 4096));
        assert_eq!((space.grant(1), space.free()), (0, ByteCount(0)));
    }
}
