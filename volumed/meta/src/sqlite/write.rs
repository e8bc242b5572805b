//! A store's file from the entries of another store, and the entries of a file for another store.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::apply;
use super::copy::{
    failure, finish, make_empty, open_to_fill, open_to_read, put_in_place, unfinished,
};
use super::schema::{is_known_store, make_tables};
use crate::copy::{Copied, CopyError};
use crate::store::Entry;
use crate::transaction::Revision;

/// Entries that are read at a time.
const PAGE: u32 = 512;

/// What a store's file is made of.
#[derive(Debug)]
pub enum Piece {
    /// More entries.
    Entries(Vec<Entry>),
    /// That was all; the store is at this revision.
    End(Revision),
}

/// Makes the file `to` a store of the pieces that `next` gives: durable, and under its name only when it
/// is whole. Its earlier changes are not kept.
pub fn write_file(
    to: &Path,
    next: impl FnMut() -> Result<Piece, CopyError>,
) -> Result<Copied, CopyError> {
    let unfinished = unfinished(to);
    let copied = fill(&unfinished, next);
    put_in_place(copied, &unfinished, to)
}

fn fill(
    to: &Path,
    mut next: impl FnMut() -> Result<Piece, CopyError>,
) -> Result<Copied, CopyError> {
    make_empty(to)?;
    let failed = |error| failure(to, error);
    let mut target = open_to_fill(to).map_err(failed)?;
    let transaction = target.transaction().map_err(failed)?;
    make_tables(&transaction).map_err(failed)?;
    let revision = loop {
        match next()? {
            Piece::Entries(entries) => insert(&transaction, &entries).map_err(failed)?,
            Piece::End(revision) => break revision,
        }
    };
    transaction
        .execute("UPDATE store SET revision = ?1, compacted = ?1", [revision])
        .map_err(failed)?;
    transaction.commit().map_err(failed)?;
    finish(target, to, to)
}

fn insert(connection: &Connection, entries: &[Entry]) -> rusqlite::Result<()> {
    let mut insert =
        connection.prepare_cached("INSERT INTO entries VALUES (?1, ?2, ?3, ?4, NULL)")?;
    for entry in entries {
        let Entry {
            key,
            value,
            created,
            modified,
        } = entry;
        insert.execute(params![key, value, created, modified])?;
    }
    Ok(())
}

/// What a store's file holds at one revision, but for the keys of leases: who held one is gone where the
/// store goes.
#[derive(Debug)]
pub struct Contents {
    path: PathBuf,
    connection: Connection,
    after: Vec<u8>,
    /// The store's newest revision.
    pub revision: Revision,
}

impl Contents {
    /// Others may change the store meanwhile, which is not seen.
    pub fn open(path: &Path) -> Result<Self, CopyError> {
        let failed = |error| failure(path, error);
        let connection = open_to_read(path).map_err(failed)?;
        if !is_known_store(&connection).map_err(failed)? {
            return Err(CopyError::NotAStore(path.to_owned()));
        }
        connection.execute_batch("BEGIN").map_err(failed)?;
        let revision = apply::revision(&connection).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            connection,
            after: Vec::new(),
            revision,
        })
    }

    /// The next entries in the order of their keys; nothing when there are no more.
    pub fn next(&mut self) -> Result<Vec<Entry>, CopyError> {
        let page = self.page().map_err(|error| failure(&self.path, error))?;
        if let Some(last) = page.last() {
            self.after.clone_from(&last.key);
        }
        Ok(page)
    }

    /// Begins again at the first.
    pub fn rewind(&mut self) {
        self.after.clear();
    }

    fn page(&self) -> rusqlite::Result<Vec<Entry>> {
        self.connection
            .prepare_cached(
                "SELECT key, value, created, modified FROM entries \
                 WHERE lease IS NULL AND key > ?1 ORDER BY key LIMIT ?2",
            )?
            .query_map(params![self.after, PAGE], apply::entry)?
            .collect()
    }
}
