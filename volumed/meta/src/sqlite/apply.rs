//! Reads and changes of the tables. The caller has a SQLite transaction open.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::store::Entry;
use crate::transaction::{Change, Compare, LeaseId, Revision};

pub fn revision(connection: &Connection) -> rusqlite::Result<Revision> {
    connection
        .prepare_cached("SELECT revision FROM store")?
        .query_row([], |row| row.get(0))
}

pub fn get(connection: &Connection, key: &[u8]) -> rusqlite::Result<Option<Entry>> {
    connection
        .prepare_cached("SELECT key, value, created, modified FROM entries WHERE key = ?")?
        .query_row([key], entry)
        .optional()
}

pub fn range(
    connection: &Connection,
    prefix: &[u8],
    after: Option<&[u8]>,
    limit: usize,
) -> rusqlite::Result<Vec<Entry>> {
    let after = after.filter(|after| *after >= prefix);
    let order = "ORDER BY key LIMIT ?4";
    let columns = "SELECT key, value, created, modified FROM entries";
    let from = if after.is_some() {
        "key > ?2"
    } else {
        "key >= ?1"
    };
    let sql = format!("{columns} WHERE {from} AND key >= ?1 AND (?3 IS NULL OR key < ?3) {order}");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let end = prefix_end(prefix);
    connection
        .prepare_cached(&sql)?
        .query_map(params![prefix, after, end, limit], entry)?
        .collect()
}

pub fn holds(connection: &Connection, compare: &Compare) -> rusqlite::Result<bool> {
    let modified = |key: &[u8]| -> rusqlite::Result<Option<Revision>> {
        connection
            .prepare_cached("SELECT modified FROM entries WHERE key = ?")?
            .query_row([key], |row| row.get(0))
            .optional()
    };
    Ok(match compare {
        Compare::Absent(key) => modified(key)?.is_none(),
        Compare::Present(key) => modified(key)?.is_some(),
        Compare::Unchanged(key, revision) => modified(key)? == Some(*revision),
    })
}

/// The changes of one revision. The revision is taken by the first that changes something.
pub struct Step<'c> {
    connection: &'c Connection,
    revision: Revision,
    ordinal: u64,
}

impl<'c> Step<'c> {
    pub fn begin(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            revision: revision(connection)? + 1,
            ordinal: 0,
        })
    }

    pub fn apply(&mut self, change: &Change) -> rusqlite::Result<()> {
        match change {
            Change::Put(key, value) => self.put(key, value, None),
            Change::PutLeased(key, value, lease) => self.put(key, value, Some(*lease)),
            Change::Delete(key) => self.delete(key),
            Change::DeletePrefix(prefix) => {
                let keys: Vec<Vec<u8>> = self
                    .connection
                    .prepare_cached(
                        "SELECT key FROM entries WHERE key >= ?1 AND (?2 IS NULL OR key < ?2) \
                         ORDER BY key",
                    )?
                    .query_map(params![prefix, prefix_end(prefix)], |row| row.get(0))?
                    .collect::<rusqlite::Result<_>>()?;
                keys.iter().try_for_each(|key| self.delete(key))
            }
        }
    }

    /// Makes the revision count, if anything changed; answers the newest revision.
    pub fn end(self) -> rusqlite::Result<Revision> {
        if self.ordinal == 0 {
            return Ok(self.revision - 1);
        }
        self.connection
            .prepare_cached("UPDATE store SET revision = ?")?
            .execute([self.revision])?;
        Ok(self.revision)
    }

    fn put(&mut self, key: &[u8], value: &[u8], lease: Option<LeaseId>) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO entries VALUES (?1, ?2, ?3, ?3, ?4) ON CONFLICT (key) DO UPDATE \
                 SET value = excluded.value, modified = excluded.modified, lease = excluded.lease",
            )?
            .execute(params![
                key,
                value,
                self.revision,
                lease.map(|lease| lease.0)
            ])?;
        self.record(key, Some(value))
    }

    pub fn delete(&mut self, key: &[u8]) -> rusqlite::Result<()> {
        let removed = self
            .connection
            .prepare_cached("DELETE FROM entries WHERE key = ?")?
            .execute([key])?;
        if removed == 0 {
            return Ok(());
        }
        self.record(key, None)
    }

    fn record(&mut self, key: &[u8], value: Option<&[u8]>) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("INSERT INTO changes VALUES (?, ?, ?, ?)")?
            .execute(params![self.revision, self.ordinal, key, value])?;
        self.ordinal += 1;
        Ok(())
    }
}

/// Forgets the changes of all but the newest `kept` revisions, some at a time.
pub fn compact(connection: &Connection, kept: u64) -> rusqlite::Result<()> {
    let slack = kept / 8;
    let oldest = revision(connection)?.saturating_sub(kept);
    if oldest <= compacted(connection)? + slack {
        return Ok(());
    }
    connection
        .prepare_cached("DELETE FROM changes WHERE revision <= ?")?
        .execute([oldest])?;
    connection
        .prepare_cached("UPDATE store SET compacted = ?")?
        .execute([oldest])?;
    Ok(())
}

pub fn compacted(connection: &Connection) -> rusqlite::Result<Revision> {
    connection
        .prepare_cached("SELECT compacted FROM store")?
        .query_row([], |row| row.get(0))
}

/// The first key behind all that start with `prefix`, if there can be one.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

pub fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        key: row.get(0)?,
        value: row.get(1)?,
        created: row.get(2)?,
        modified: row.get(3)?,
    })
}
