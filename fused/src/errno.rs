//! Which error number an application gets for what went wrong.

use std::io;

use fused_s3::{ErrorKind, S3Error};
use fuser::Errno;

/// What an operation of the file system answers.
pub type Outcome<T> = Result<T, Errno>;

/// For a request that failed.
pub fn of_s3(error: &S3Error) -> Errno {
    match error.kind {
        ErrorKind::NotFound => Errno::ENOENT,
        ErrorKind::Precondition => Errno::ESTALE,
        ErrorKind::Denied => Errno::EACCES,
        ErrorKind::Full => Errno::ENOSPC,
        ErrorKind::NotImplemented => Errno::EOPNOTSUPP,
        ErrorKind::Unavailable => Errno::ETIMEDOUT,
        ErrorKind::Range | ErrorKind::Other => Errno::EIO,
    }
}

/// The same, with a line in the log for what an application cannot see from the number.
pub fn reported(key: &str, doing: &str, error: &S3Error) -> Errno {
    if error.kind != ErrorKind::NotFound {
        tracing::warn!(key, %error, "{doing} failed");
    }
    of_s3(error)
}

/// For a file of the staging folder.
pub fn of_io(error: &io::Error) -> Errno {
    tracing::error!(%error, "the staging folder failed");
    match error.raw_os_error() {
        Some(number) => Errno::from_i32(number),
        None => Errno::EIO,
    }
}
