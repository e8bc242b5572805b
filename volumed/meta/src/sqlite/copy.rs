//! Copies of a store that may be in use: a snapshot, taken a little at a time.

use std::fs::{File, remove_file, rename};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::replace::with_suffix;
use super::schema::{BUSY, is_known_store, make_private_file, parent};
use crate::copy::{Copied, CopyError};

/// Pages of 4 KiB that are copied at a time.
const STEP: i32 = 256;

/// Between two steps others have the disk.
const PAUSE: Duration = Duration::from_millis(5);

/// Copies the store in the file `from`, which others may change meanwhile, to the file `to`: checked,
/// durable, and under its name only when it is whole. `progress` is told pages done and pages in all.
pub fn copy_file(
    from: &Path,
    to: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<Copied, CopyError> {
    let unfinished = unfinished(to);
    let copied = fill(from, &unfinished, &mut progress);
    put_in_place(copied, &unfinished, to)
}

/// Gives a copy its name, or takes it away if it failed.
pub fn put_in_place(
    copied: Result<Copied, CopyError>,
    unfinished: &Path,
    to: &Path,
) -> Result<Copied, CopyError> {
    let placed = copied.and_then(|copied| {
        let published = publish(unfinished, to);
        published.map_err(write_error(to)).map(|()| copied)
    });
    if placed.is_err() {
        // The next copy begins anew whether this succeeds or not.
        let _ = remove_file(unfinished);
    }
    placed
}

/// What a copy is called until it is whole.
pub fn unfinished(to: &Path) -> PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    to.with_file_name(name)
}

fn fill(from: &Path, to: &Path, progress: &mut impl FnMut(u64, u64)) -> Result<Copied, CopyError> {
    make_empty(to)?;
    let failed = |error| failure(from, error);
    let source = open_to_read(from).map_err(failed)?;
    if !is_known_store(&source).map_err(failed)? {
        return Err(CopyError::NotAStore(from.to_owned()));
    }
    // As long as this transaction is open, each step reads the same snapshot: without it, every
    // change by another process would begin the copy anew.
    source.execute_batch("BEGIN").map_err(failed)?;
    super::apply::revision(&source).map_err(failed)?;
    let mut target = open_to_fill(to).map_err(failed)?;
    step_through(&source, &mut target, progress).map_err(failed)?;
    finish(target, from, to)
}

/// A new file in the place of whatever an earlier copy left.
pub fn make_empty(to: &Path) -> Result<(), CopyError> {
    match remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(write_error(to)(error));
        }
        _ => {}
    }
    make_private_file(to).map_err(write_error(to))
}

pub fn open_to_fill(to: &Path) -> rusqlite::Result<Connection> {
    let target = Connection::open(to)?;
    // It is synced once, when it is whole.
    target.pragma_update(None, "synchronous", "OFF")?;
    Ok(target)
}

/// Checks what was filled from `from`.
pub fn finish(target: Connection, from: &Path, to: &Path) -> Result<Copied, CopyError> {
    let failed = |error| failure(from, error);
    // A copy is one file, without a log beside it.
    target
        .pragma_update(None, "journal_mode", "DELETE")
        .map_err(failed)?;
    check(from, &target)?;
    let (revision, keys) = contents(&target).map_err(failed)?;
    target.close().map_err(|(_, error)| failed(error))?;
    let bytes = std::fs::metadata(to).map_err(write_error(to))?.len();
    Ok(Copied {
        revision,
        keys,
        bytes,
    })
}

fn step_through(
    source: &Connection,
    target: &mut Connection,
    progress: &mut impl FnMut(u64, u64),
) -> rusqlite::Result<()> {
    let backup = Backup::new(source, target)?;
    loop {
        let step = backup.step(STEP)?;
        let at = backup.progress();
        let (left, all) = (at.remaining.unsigned_abs(), at.pagecount.unsigned_abs());
        progress(u64::from(all - left), u64::from(all));
        match step {
            StepResult::Done => return Ok(()),
            _ => std::thread::sleep(PAUSE),
        }
    }
}

/// Whether every page and index fits the others; `from` is named when not.
fn check(from: &Path, copied: &Connection) -> Result<(), CopyError> {
    let found: Result<String, _> =
        copied.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
    let what = match found {
        Ok(found) if found == "ok" => return Ok(()),
        Ok(found) => found,
        Err(error) => return Err(failure(from, error)),
    };
    Err(CopyError::Damaged {
        path: from.to_owned(),
        what,
    })
}

fn contents(connection: &Connection) -> rusqlite::Result<(u64, u64)> {
    let keys = connection.query_row("SELECT count(*) FROM entries", [], |row| row.get(0))?;
    Ok((super::apply::revision(connection)?, keys))
}

fn publish(unfinished: &Path, to: &Path) -> io::Result<()> {
    File::open(unfinished)?.sync_all()?;
    // The logs of a store that had the name would be taken for the copy's.
    for side in ["-wal", "-shm", "-journal"] {
        match remove_file(with_suffix(to, side)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    rename(unfinished, to)?;
    File::open(parent(to))?.sync_all()
}

/// Never makes a file.
pub fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

fn write_error(path: &Path) -> impl Fn(io::Error) -> CopyError + use<> {
    let path = path.to_owned();
    move |source| CopyError::Write {
        path: path.clone(),
        source,
    }
}

pub fn failure(from: &Path, source: rusqlite::Error) -> CopyError {
    let path = from.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => CopyError::NotAStore(path),
        Some(ErrorCode::DatabaseCorrupt) => CopyError::Damaged {
            path,
            what: source.to_string(),
        },
        _ => CopyError::Sqlite { path, source },
    }
}
