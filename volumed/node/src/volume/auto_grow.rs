//! When a volume grows by itself, and how far.

use serde::{Deserialize, Serialize};
use volumed_core::{BLOCK_SIZE, ByteCount, MAX_VOLUME_SIZE};

/// A volume that grows by itself grows by as much as it has, but by no more than this.
const LARGEST_STEP: u64 = 64 << 30;

/// And by no less than this.
const SMALLEST_STEP: u64 = 64 << 20;

/// How a volume grows by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoGrow {
    /// So many percent of the size are kept free, 1 to 90.
    pub free_percent: u8,
    /// The size in bytes beyond which it does not grow.
    pub max_size: u64,
}

impl AutoGrow {
    /// Whether a volume of this size can grow so.
    pub(crate) fn is_possible(self, size: ByteCount) -> bool {
        let max = ByteCount(self.max_size);
        (1..=90).contains(&self.free_percent) && is_possible(max) && size <= max
    }

    /// Whether less is free than should be.
    pub fn is_short(self, size: ByteCount, used: ByteCount) -> bool {
        let kept = u128::from(size.0) * u128::from(100 - self.free_percent.min(100));
        u128::from(used.0) * 100 > kept
    }

    /// The size to grow to now, if it is time and there is room.
    pub(crate) fn next(self, size: ByteCount, used: ByteCount) -> Option<ByteCount> {
        let step = size.0.clamp(SMALLEST_STEP, LARGEST_STEP);
        let next = size.0.saturating_add(step).min(self.max_size);
        (self.is_short(size, used) && next > size.0).then_some(ByteCount(next))
    }
}

/// Whether a volume can have this size.
pub(crate) fn is_possible(size: ByteCount) -> bool {
    (BLOCK_SIZE..=MAX_VOLUME_SIZE.0).contains(&size.0) && size.0.is_multiple_of(BLOCK_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn next(size: u64, used: u64, max_size: u64) -> Option<u64> {
        let auto = AutoGrow {
            free_percent: 20,
            max_size,
        };
        auto.next(ByteCount(size), ByteCount(used))
            .map(|size| size.0)
    }

    #[test]
    fn a_volume_doubles_up_to_the_largest_step_and_to_its_end() {
        assert_eq!(next(10 * GIB, 8 * GIB, 1 << 50), None);
        assert_eq!(next(10 * GIB, 8 * GIB + 4096, 1 << 50), Some(20 * GIB));
        assert_eq!(next(100 * GIB, 90 * GIB, 1 << 50), Some(164 * GIB));
        assert_eq!(next(100 * GIB, 90 * GIB, 150 * GIB), Some(150 * GIB));
        assert_eq!(next(150 * GIB, 150 * GIB, 150 * GIB), None);
        assert_eq!(next(4096, 4096, 1 << 50), Some(4096 + (64 << 20)));
        assert_eq!(next(1 << 60, 1 << 60, 1 << 60), None);
    }

    #[test]
    fn what_is_kept_free_is_a_share_that_there_can_be() {
        let possible = |free_percent, max_size, size| {
            let auto = AutoGrow {
                free_percent,
                max_size,
            };
            auto.is_possible(ByteCount(size))
        };
        assert!(possible(20, GIB, GIB) && possible(1, 1 << 60, 0) && possible(90, GIB, 0));
        assert!(!possible(0, GIB, 0) && !possible(91, GIB, 0));
        assert!(!possible(20, GIB, GIB + 4096) && !possible(20, GIB + 1, 0));
        assert!(!possible(20, (1 << 60) + 4096, 0));
    }
}
