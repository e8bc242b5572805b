//! How the descriptors that the process may have are shared out.
//!
//! A request that lacks one is refused, so neither the clients' connections nor the files of extents
//! may take all of them.

use volumed_daemon::descriptor_limit;
use volumed_disk::DESCRIPTORS_OF_AN_EXTENT;
use volumed_node::OpenExtents;

/// For the metadata store, the admin API, runtimes, logs and files that are open for a moment.
const RESERVED: usize = 48;

/// NBD connections that may be open at once.
pub fn connections() -> usize {
    connections_of(limit())
}

/// Connections for reading extents that may be open at once: an owner has one, and two for NBD.
pub fn extents_connections() -> usize {
    connections() / 2
}

/// Extents that may be open at once, all disks together.
pub fn extents() -> OpenExtents {
    extents_of(limit())
}

fn limit() -> usize {
    usize::try_from(descriptor_limit()).unwrap_or(usize::MAX)
}

fn connections_of(limit: usize) -> usize {
    (limit.saturating_sub(RESERVED) / 3).max(2)
}

fn extents_of(limit: usize) -> OpenExtents {
    let connections = connections_of(limit);
    let rest = limit.saturating_sub(RESERVED + connections + connections / 2);
    OpenExtents(rest / DESCRIPTORS_OF_AN_EXTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_together_stay_below_the_limit() {
        for limit in [200, 1024, 1 << 20] {
            let files = extents_of(limit).0 * DESCRIPTORS_OF_AN_EXTENT;
            let connections = connections_of(limit) * 3 / 2;
            assert!(RESERVED + connections + files <= limit, "{limit}");
        }
        assert_eq!(
            (connections_of(200), extents_of(200)),
            (50, OpenExtents(38))
        );
    }
}
