//! Puts another store in the place of one that nobody has open.

use std::ffi::OsString;
use std::fs::{File, hard_link, rename};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::schema::parent;

/// Why a store was not replaced; it is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// A process has it open.
    #[error("another process has the metadata store {} open: stop s3d and volumed first", .0.display())]
    InUse(PathBuf),
    /// A file cannot be moved.
    #[error("cannot move the metadata store: {}: {source}", .path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
}

/// Puts the store `new`, a file beside `path` that nobody has open, in the place of `path`. What stood
/// there, damaged or not, is there afterwards under the name `kept`, and there is a store at `path` at
/// every moment.
pub fn replace(path: &Path, new: &Path, kept: &Path) -> Result<(), ReplaceError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ReplaceError::File { path, source }
    };
    refuse_if_open(new)?;
    let log = with_suffix(new, "-wal");
    if log.exists() {
        let why = io::Error::other("what is in this log could not be folded into its store");
        return Err(failed(&log)(why));
    }
    if path.exists() {
        refuse_if_open(path)?;
        hard_link(path, kept).map_err(failed(kept))?;
    }
    // A store that is damaged or gone may have left its log, which must not become the new one's.
    for side in ["-wal", "-shm"] {
        match rename(with_suffix(path, side), with_suffix(kept, side)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(kept)(error));
            }
            _ => {}
        }
    }
    rename(new, path).map_err(failed(path))?;
    let folder = File::open(parent(path)).and_then(|folder| folder.sync_all());
    folder.map_err(failed(path))
}

/// Gives the store `path` the name `kept`, beside it, so that nobody finds it any more.
pub fn put_away(path: &Path, kept: &Path) -> Result<(), ReplaceError> {
    let failed = |source| ReplaceError::File {
        path: path.to_owned(),
        source,
    };
    refuse_if_open(path)?;
    rename(path, kept).map_err(failed)?;
    let folder = File::open(parent(path)).and_then(|folder| folder.sync_all());
    folder.map_err(failed)
}

/// Refuses a store that a process has open.
///
/// SQLite leaves its log behind only when nobody else has the file open; it then folds the log into
/// the file. Of a damaged file nothing is learned.
pub fn refuse_if_open(path: &Path) -> Result<(), ReplaceError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let folded = Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.busy_timeout(Duration::ZERO)?;
        connection.pragma_update_and_check(None, "journal_mode", "DELETE", |row| {
            row.get::<_, String>(0)
        })
    });
    let in_use = match folded {
        Ok(mode) => mode != "delete",
        Err(error) => matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        ),
    };
    if in_use {
        return Err(ReplaceError::InUse(path.to_owned()));
    }
    Ok(())
}

pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
