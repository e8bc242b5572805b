//! Walks the rows of a table: memtables and redb merged, in the order of keys.
//!
//! While a prefix rename runs, objects lie in several stretches, one after the other in the order of
//! their keys (B10).

use bytes::Bytes;

use crate::format::redirect::Stretch;
use crate::format::rows::Table;
use crate::index::IndexError;
use crate::index::memtable::Lookup;
use crate::index::reader::Reader;

pub type StoredRows = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;
type StoredRange = redb::Range<'static, &'static [u8], &'static [u8]>;

/// Walks keys, wherever their rows lie.
pub struct Cursor<'r> {
    reader: &'r Reader,
    table: Table,
    rows: RowCursor<'r>,
    stretch: Stretch,
    /// Where to go on, if not at the next row.
    at: Option<Bytes>,
}

impl<'r> Cursor<'r> {
    /// Begins at the first key.
    pub fn new(reader: &'r Reader, table: Table) -> Result<Self, IndexError> {
        Ok(Self {
            reader,
            table,
            rows: reader.row_cursor(table)?,
            stretch: Stretch::whole(table, Bytes::new()),
            at: Some(Bytes::new()),
        })
    }

    /// Goes on at the first key at or behind `key`.
    pub fn seek(&mut self, key: Bytes) {
        self.at = Some(key);
    }

    /// The next key that exists, and its value.
    pub fn next(&mut self) -> Result<Option<(Bytes, Bytes)>, IndexError> {
        loop {
            if let Some(at) = self.at.take() {
                self.enter(at)?;
            }
            let row = self.rows.next()?;
            if let Some((row, value)) = row.filter(|(row, _)| self.stretch.holds(row)) {
                return Ok(Some((self.stretch.key(row), value)));
            }
            let Some(behind) = self.stretch.behind.clone() else {
                return Ok(None);
            };
            self.at = Some(behind);
        }
    }

    fn enter(&mut self, at: Bytes) -> Result<(), IndexError> {
        let redirect = self.reader.tables().redirect.as_ref();
        self.stretch = match redirect.filter(|_| self.table == Table::Objects) {
            Some(redirect) => redirect.stretch(at),
            None => Stretch::whole(self.table, at),
        };
        if self.stretch.table != self.rows.table {
            self.rows = self.reader.row_cursor(self.stretch.table)?;
        }
        self.rows.seek(self.stretch.start.clone());
        Ok(())
    }
}

/// Merges memtables and redb, in the order of rows.
pub struct RowCursor<'r> {
    reader: &'r Reader,
    table: Table,
    /// `None`: redb has none.
    rows: Option<StoredRows>,
    from: Bytes,
    stored: Option<(StoredRange, Option<(Bytes, Bytes)>)>,
}

impl<'r> RowCursor<'r> {
    /// Begins at the first row.
    pub fn new(reader: &'r Reader, table: Table, rows: Option<StoredRows>) -> Self {
        Self {
            reader,
            table,
            rows,
            from: Bytes::new(),
            stored: None,
        }
    }

    /// Goes on at the first row at or behind `key`.
    pub fn seek(&mut self, key: Bytes) {
        self.from = key;
        self.stored = None;
    }

    /// The next row that exists.
    pub fn next(&mut self) -> Result<Option<(Bytes, Bytes)>, IndexError> {
        loop {
            let Some((key, known)) = self.step()? else {
                return Ok(None);
            };
            self.from = successor(&key);
            if let Lookup::Value(value) = known {
                return Ok(Some((key, value)));
            }
        }
    }

    fn step(&mut self) -> Result<Option<(Bytes, Lookup)>, IndexError> {
        let tables = self.reader.tables();
        let frozen = tables
            .frozen
            .as_ref()
            .and_then(|it| it.first_from(self.table, &self.from));
        let active = tables.active.first_from(self.table, &self.from);
        let stored = self
            .peek_stored()?
            .map(|(key, value)| (key, Lookup::Value(value)));
        // Of equal keys the first in this order is the newest: `min_by_key` keeps it.
        Ok([active, frozen, stored]
            .into_iter()
            .flatten()
            .min_by(|a, b| a.0.cmp(&b.0)))
    }

    /// redb's first row at or behind `from`.
    fn peek_stored(&mut self) -> Result<Option<(Bytes, Bytes)>, IndexError> {
        if self.stored.is_none()
            && let Some(rows) = &self.rows
        {
            let range = rows.range(&self.from[..]..).map_err(redb::Error::from)?;
            self.stored = Some((range, None));
            self.advance_stored()?;
        }
        while let Some((_, Some((key, value)))) = &self.stored {
            if *key >= self.from {
                return Ok(Some((key.clone(), value.clone())));
            }
            self.advance_stored()?;
        }
        Ok(None)
    }

    fn advance_stored(&mut self) -> Result<(), IndexError> {
        let Some((range, peeked)) = &mut self.stored else {
            return Ok(());
        };
        *peeked = match range.next() {
            Some(row) => {
                let (key, value) = row.map_err(redb::Error::from)?;
                Some((
                    Bytes::copy_from_slice(key.value()),
                    Bytes::copy_from_slice(value.value()),
                ))
            }
            None => None,
        };
        Ok(())
    }
}

/// The least key behind `key`.
fn successor(key: &[u8]) -> Bytes {
    [key, &[0]].concat().into()
}
