//! Runs the core's disk effects on a directory: extent files, checksums, syncs, hole punching.

/// Why a disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The file system refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}
