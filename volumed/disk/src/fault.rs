//! What an error of the system says of the disk.

use std::io::{Error, ErrorKind};

use rustix::io::Errno;
use volumed_core::replica::DiskFault;

use crate::Disk;
use crate::open::is_exhausted;

impl Disk {
    /// V8: a durable write that fails is a failed sync, unless it was refused before it began.
    pub(crate) fn durable_fault(&self, error: &Error) -> DiskFault {
        refusal(error).unwrap_or_else(|| self.fail(error))
    }

    /// A disk that cannot take a write into the page cache, or forget a block, is as bad as one whose
    /// sync failed: what it took before may be gone, too.
    pub(crate) fn write_fault(&self, error: &Error) -> DiskFault {
        if is_of_the_disk(error) {
            return self.fail(error);
        }
        self.fault(error)
    }

    /// What cannot be read may be written anew: the disk goes on.
    pub(crate) fn fault(&self, error: &Error) -> DiskFault {
        if let Some(refusal) = refusal(error) {
            return refusal;
        }
        tracing::error!(disk = %self.id(), %error, "the disk reported an error");
        DiskFault::Io
    }
}

/// What an error means that says nothing of the disk's health.
fn refusal(error: &Error) -> Option<DiskFault> {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some(DiskFault::NoSpace),
        _ if is_exhausted(error) => Some(DiskFault::Exhausted),
        _ => None,
    }
}

/// Whether the disk, or its file system, is broken, and not only this call.
fn is_of_the_disk(error: &Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        errno,
        Some(Errno::IO | Errno::ROFS | Errno::UCLEAN | Errno::NXIO | Errno::NODEV)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DiskSettings, SpaceSettings};

    fn disk(folder: &tempfile::TempDir) -> Disk {
        let settings = DiskSettings {
            path: folder.path().join("disk"),
            space: SpaceSettings::default(),
            open_extents: 8,
        };
        Disk::open(settings).expect("a disk")
    }

    fn error(errno: Errno) -> Error {
        Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn only_an_error_of_the_disk_fails_it_when_it_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = disk(&folder);
        assert_eq!(disk.fault(&error(Errno::IO)), DiskFault::Io, "a read");
        assert_eq!(disk.write_fault(&error(Errno::NOSPC)), DiskFault::NoSpace);
        for other in [Errno::NOMEM, Errno::OPNOTSUPP, Errno::MFILE] {
            assert_eq!(disk.write_fault(&error(other)), DiskFault::Io);
        }
        assert!(!disk.failed());
        assert_eq!(disk.write_fault(&error(Errno::IO)), DiskFault::Sync);
        assert!(disk.failed());
    }
}
