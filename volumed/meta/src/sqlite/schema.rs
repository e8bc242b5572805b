//! The file's format, version 1.
//!
//! `store` has one row: the newest revision, the newest one whose changes are no longer kept, and
//! the boot of the machine under which the leases count.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

use super::leases;

const FORMAT: i64 = 1;

/// "Hay\1", so that another program's SQLite file is not taken for a store.
const APPLICATION: i64 = 0x4861_7901;

/// How long a process waits for another's commit.
pub const BUSY: Duration = Duration::from_secs(10);

/// How often it looks whether that has come.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

const TABLES: &str = "
CREATE TABLE store (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    revision INTEGER NOT NULL,
    compacted INTEGER NOT NULL,
    boot TEXT NOT NULL
);
INSERT INTO store VALUES (1, 0, 0, '');
CREATE TABLE entries (
    key BLOB PRIMARY KEY,
    value BLOB NOT NULL,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    lease INTEGER
) WITHOUT ROWID;
CREATE INDEX entries_by_lease ON entries (lease) WHERE lease IS NOT NULL;
CREATE TABLE changes (
    revision INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    key BLOB NOT NULL,
    value BLOB,
    PRIMARY KEY (revision, ordinal)
) WITHOUT ROWID;
CREATE TABLE leases (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    seconds INTEGER NOT NULL,
    ends INTEGER NOT NULL
);
CREATE INDEX leases_by_end ON leases (ends);
";

/// Why the store in a file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFileError {
    /// The file cannot be made or opened.
    #[error("cannot open the metadata store {}: {source}", .path.display())]
    File {
        /// The store's file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{} is not a metadata store; name another file or move this one away", .0.display())]
    NotAStore(PathBuf),
    /// A newer program wrote the file.
    #[error(
        "the metadata store {} has format {found}, and this program knows formats up to {known}; \
         run the newer program", .path.display()
    )]
    Newer {
        /// The store's file.
        path: PathBuf,
        /// The file's format.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// SQLite failed.
    #[error("cannot open the metadata store {}: {source}", .path.display())]
    Sqlite {
        /// The store's file.
        path: PathBuf,
        /// What SQLite answered.
        source: rusqlite::Error,
    },
    /// The store's thread could not be started.
    #[error("cannot start the metadata store's thread: {0}")]
    Thread(io::Error),
}

pub fn open(path: &Path) -> Result<Connection, OpenFileError> {
    make_private_file(path).map_err(|source| OpenFileError::File {
        path: path.to_owned(),
        source,
    })?;
    let failed = |source: rusqlite::Error| {
        if source.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) {
            return OpenFileError::NotAStore(path.to_owned());
        }
        OpenFileError::Sqlite {
            path: path.to_owned(),
            source,
        }
    };
    let mut connection = connect(path).map_err(failed)?;
    let (application, found, tables) = identity(&connection).map_err(failed)?;
    if application == APPLICATION && found > FORMAT {
        return Err(OpenFileError::Newer {
            path: path.to_owned(),
            found,
            known: FORMAT,
        });
    }
    if application != APPLICATION && tables > 0 {
        return Err(OpenFileError::NotAStore(path.to_owned()));
    }
    prepare(&mut connection).map_err(failed)?;
    Ok(connection)
}

/// The file exists, belongs to its owner alone, and a power cut will not take its name away.
/// SQLite gives its side files the mode of the main one.
pub fn make_private_file(path: &Path) -> io::Result<()> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path)?;
    File::open(parent(path))?.sync_all()
}

/// The folder of a file.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -2_000)?;
    Ok(connection)
}

/// Whether the file is a store, of this format or an older one.
pub fn is_known_store(connection: &Connection) -> rusqlite::Result<bool> {
    let (application, format, _) = identity(connection)?;
    Ok(application == APPLICATION && format <= FORMAT)
}

fn identity(connection: &Connection) -> rusqlite::Result<(i64, i64, i64)> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0));
    let tables =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok((pragma("application_id")?, pragma("user_version")?, tables))
}

/// SQLite does not wait for others before it changes to a log, as it does with everything else: of two
/// processes that make a store at once, one would be refused.
fn use_log(connection: &Connection) -> rusqlite::Result<()> {
    let begun = Instant::now();
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if is_busy(&error) && begun.elapsed() < BUSY => sleep(LOOK_AGAIN),
            done => return done,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
}

/// Makes an empty store of an empty file.
pub fn make_tables(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(TABLES)?;
    connection.pragma_update(None, "application_id", APPLICATION)?;
    connection.pragma_update(None, "user_version", FORMAT)
}

/// What is answered is durable, but after a process was killed between writing a commit into the log
/// and syncing the log, the next to open the file reads that commit. So opening commits, which syncs
/// all of the log, before anything is answered. Writing the format is a change also when it is the
/// same, and takes no revision.
fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    use_log(connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have made the tables since they were looked for.
    let (_, format, _) = identity(&transaction)?;
    if format == 0 {
        make_tables(&transaction)?;
    }
    transaction.pragma_update(None, "user_version", format.max(FORMAT))?;
    leases::end_those_of_another_boot(&transaction)?;
    transaction.commit()
}
