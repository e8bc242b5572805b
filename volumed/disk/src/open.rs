//! Opening files, and what refuses a write. Want of descriptors or memory says nothing of the disk: it is told apart here, at
//! the calls that can meet it, since a later call must not be taken for harmless by its error number.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind};
use std::path::Path;

use rustix::io::Errno;

/// The process, or the system, has no descriptor or no memory just now.
#[derive(Debug, thiserror::Error)]
#[error("descriptors or memory are wanting: {0}")]
struct Exhausted(Error);

/// Opens a file.
pub(crate) fn open(options: &OpenOptions, path: &Path) -> std::io::Result<File> {
    options.open(path).map_err(|error| {
        let errno = error.raw_os_error().map(Errno::from_raw_os_error);
        match errno {
            Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM) => {
                Error::new(ErrorKind::ResourceBusy, Exhausted(error))
            }
            _ => error,
        }
    })
}

/// Says of a write that changed nothing whether memory was wanting for its copy into the page cache.
pub(crate) fn copied_nothing(errno: Errno) -> Error {
    match errno {
        Errno::NOMEM => Error::new(ErrorKind::ResourceBusy, Exhausted(errno.into())),
        _ => errno.into(),
    }
}

/// Opens a file or a folder for reading.
pub(crate) fn open_to_read(path: &Path) -> std::io::Result<File> {
    open(OpenOptions::new().read(true), path)
}

/// Whether a file could not be opened or written for want of descriptors or memory: nothing was
/// changed, and the same may succeed later.
pub fn is_exhausted(error: &Error) -> bool {
    let inner = error.get_ref();
    inner.is_some_and(<dyn std::error::Error + Send + Sync>::is::<Exhausted>)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refused_open_counts_as_exhaustion() {
        let errno = Errno::MFILE.raw_os_error();
        assert!(!is_exhausted(&Error::from_raw_os_error(errno)));
        let absent = open_to_read(Path::new("/nowhere")).expect_err("no such file");
        assert_eq!(absent.kind(), ErrorKind::NotFound);
        assert!(!is_exhausted(&absent));
        assert!(is_exhausted(&Error::new(
            ErrorKind::ResourceBusy,
            Exhausted(Error::from_raw_os_error(errno))
        )));
    }
}
