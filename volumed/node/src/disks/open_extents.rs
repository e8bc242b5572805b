//! How many extents may be open at once.

/// More than any disk needs, and little memory.
const MOST: usize = 16_384;

/// Extents that may be open at once, all disks together; the rest is opened when it is used. Each disk
/// may have two open, however many disks share them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenExtents(pub usize);

impl OpenExtents {
    /// What one of `disks` disks may have open.
    pub(crate) fn on_each(self, disks: usize) -> usize {
        (self.0 / disks.max(1)).clamp(2, MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_share_them_evenly() {
        assert_eq!(OpenExtents(1000).on_each(3), 333);
        assert_eq!(OpenExtents(0).on_each(3), 2);
        assert_eq!(OpenExtents(1000).on_each(0), 1000);
        assert_eq!(OpenExtents(usize::MAX).on_each(1), MOST);
    }
}
