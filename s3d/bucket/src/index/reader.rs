//! A view of the index for work that may block.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use redb::ReadTransaction;

use crate::commit::view::{KeyValue, RowView};
use crate::format::rows::Table;
use crate::index::cursor::Cursor;
use crate::index::memtable::Lookup;
use crate::index::{Index, IndexError, Tables, definition};

/// A view of the index on a thread that may block.
pub struct Reader {
    index: Arc<Index>,
    tables: Tables,
    generation: u64,
    transaction: Mutex<Option<Arc<ReadTransaction>>>,
}

impl Reader {
    /// `generation`: the row cache's, taken together with the tables.
    pub fn new(index: Arc<Index>, tables: Tables, generation: u64) -> Self {
        Self {
            index,
            tables,
            generation,
            transaction: Mutex::new(None),
        }
    }

    /// The memtables of this view.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// What memory knows of a row: `None` means that redb must be asked.
    pub fn known(&self, table: Table, key: &[u8]) -> Option<Lookup> {
        self.tables
            .get(table, key)
            .or_else(|| self.index.cache().get(table, key).map(Lookup::Value))
    }

    /// One row; blocks.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        if let Some(known) = self.known(table, key) {
            return Ok(known.value());
        }
        let value = self.stored(table, key)?;
        if let Some(value) = &value {
            self.index
                .cache()
                .insert(self.generation, table, key, value);
        }
        Ok(value)
    }

    fn stored(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, redb::Error> {
        let rows = self.transaction()?.open_table(definition(table))?;
        Ok(rows
            .get(key)?
            .map(|row| Bytes::copy_from_slice(row.value())))
    }

    /// redb as of the first call. The memtables were taken before, so a fold in between shows its
    /// rows twice, never not at all.
    fn transaction(&self) -> Result<Arc<ReadTransaction>, redb::Error> {
        let mut transaction = self.transaction.lock();
        if let Some(transaction) = &*transaction {
            return Ok(transaction.clone());
        }
        let begun = Arc::new(self.index.begin_read()?);
        *transaction = Some(begun.clone());
        Ok(begun)
    }

    /// What the memtables know of a row; `None` when redb has the newest.
    pub fn known_change(&self, table: Table, key: &[u8]) -> Option<Lookup> {
        self.tables.get(table, key)
    }

    /// The rows of a table that redb holds, whatever the memtables know of them.
    pub fn stored_rows(
        &self,
        table: Table,
    ) -> Result<impl Iterator<Item = (Bytes, Bytes)>, IndexError> {
        let stored = || -> Result<_, redb::Error> {
            let rows = self.transaction()?.open_table(definition(table))?;
            let range = rows.range::<&[u8]>(..)?;
            // What cannot be read now is met again by the next caller.
            Ok(range.map_while(Result::ok).map(|(key, value)| {
                (
                    Bytes::copy_from_slice(key.value()),
                    Bytes::copy_from_slice(value.value()),
                )
            }))
        };
        Ok(stored()?)
    }

    /// Walks the rows of a table in order.
    pub fn cursor(&self, table: Table) -> Result<Cursor<'_>, IndexError> {
        let rows = self.transaction().and_then(|transaction| {
            transaction
                .open_table(definition(table))
                .map_err(redb::Error::from)
        })?;
        Ok(Cursor::new(self, table, rows))
    }
}

impl RowView for Reader {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        Self::get(self, table, key)
    }

    fn scan(&self, table: Table, prefix: &[u8], limit: usize) -> Result<Vec<KeyValue>, IndexError> {
        let mut cursor = self.cursor(table)?;
        cursor.seek(Bytes::copy_from_slice(prefix));
        let mut rows = Vec::new();
        while rows.len() < limit
            && let Some(row) = cursor.next()?.filter(|(key, _)| key.starts_with(prefix))
        {
            rows.push(row);
        }
        Ok(rows)
    }

    fn remembers(&self, table: Table, key: &[u8]) -> bool {
        self.known(table, key).is_some()
    }
}
