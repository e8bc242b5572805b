//! What the open files that the process may have suffice for.

/// At once.
pub struct Limits {
    pub connections: usize,
    pub buckets: usize,
    pub extents: usize,
}

/// Files of buckets' extents that may be open at once for reading.
pub fn open_extents() -> usize {
    Limits::of(volumed_daemon::descriptor_limit()).extents
}

impl Limits {
    /// For the store, the log, runtimes and calls of volumed.
    const RESERVED: u64 = 64;
    /// Two devices, each with a connection for NBD and one over which the files of extents come.
    const OF_A_BUCKET: u64 = 4;

    pub fn of(descriptors: u64) -> Self {
        let rest = descriptors.saturating_sub(Self::RESERVED).max(8);
        let connections = (rest / 2).min(16_384);
        let extents = ((rest - connections) / 4).min(256);
        let buckets = ((rest - connections - extents) / Self::OF_A_BUCKET).min(64);
        Self {
            connections: connections as usize,
            buckets: buckets as usize,
            extents: extents as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_and_buckets_fit_the_open_files() {
        for descriptors in [200, 1024, 1 << 20] {
            let limits = Limits::of(descriptors);
            let used = 64 + limits.connections + 4 * limits.buckets + limits.extents;
            assert!(used as u64 <= descriptors);
        }
    }
}
