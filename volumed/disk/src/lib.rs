//! Runs the core's disk effects on a directory: extent files, checksums, syncs, hole punching.
//!
//! Everything here blocks, except [`Disk::try_now`].

mod copy;
mod direct;
mod disk;
mod extent_file;
mod fault;
#[doc(hidden)]
pub mod fuzzing;
mod group;
mod header;
mod holes;
mod identity;
mod layout;
mod names;
mod note;
mod open;
mod open_files;
mod permit;
mod recover;
mod removals;
mod resum;
mod run;
mod settle;
mod slots;
mod space;
mod state;
mod verify;
mod volume_folder;
mod write_back;
mod writing;

use std::path::PathBuf;

use volumed_core::format::FormatError;

pub use disk::{Disk, DiskSettings};
pub use open::is_exhausted;
pub use open_files::DESCRIPTORS_OF_AN_EXTENT;
pub use permit::Permit;
pub use recover::FoundVolume;
pub use space::SpaceSettings;

/// Why a disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// On what.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process uses the disk.
    #[error("another volume daemon uses it: stop that one first")]
    InUse,
    /// Something else is where it was, or nothing.
    #[error("it is not in its directory any more: mount its file system there")]
    Other,
    /// A sync on it failed (V8).
    #[error("a sync on it failed: nothing on it is acknowledged any more")]
    Failed,
    /// A file cannot be understood.
    #[error("{}: {source}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FormatError,
    },
    /// The file `state` is unreadable, or was copied from another disk.
    #[error(
        "{} is damaged or another disk's: move it away if the disk is this store's and nothing on it \
         was brought back from a copy", path.display()
    )]
    State {
        /// The file.
        path: PathBuf,
    },
    /// `disk.json` cannot be understood.
    #[error("{} is not a disk's identity: {why}", path.display())]
    Identity {
        /// The file.
        path: PathBuf,
        /// Why.
        why: IdentityError,
    },
}

impl DiskError {
    fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

pub use identity::{IdentityError, disk_in, release};
