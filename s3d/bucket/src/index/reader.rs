//! A view of the index for work that may block.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use redb::ReadTransaction;

use crate::commit::view::{KeyValue, RowView};
use crate::format::redirect::Redirect;
use crate::format::rows::Table;
use crate::index::cursor::{Cursor, RowCursor, StoredRows};
use crate::index::memtable::Lookup;
use crate::index::store::{Opened, rows_of};
use crate::index::{Index, IndexError, Tables, feed};
use crate::object::Key;

/// A view of the index on a thread that may block.
pub struct Reader {
    index: Arc<Index>,
    tables: Tables,
    generation: u64,
    view: Mutex<Option<Arc<View>>>,
    /// Whether it looked up objects, whose rows may move meanwhile.
    saw_objects: AtomicBool,
}

/// redb as it was at one moment.
struct View {
    transaction: ReadTransaction,
    /// Keeps the database open while it is read.
    opened: Arc<Opened>,
}

impl Reader {
    /// `generation`: the row cache's, taken together with the tables.
    pub fn new(index: Arc<Index>, tables: Tables, generation: u64) -> Self {
        Self {
            index,
            tables,
            generation,
            view: Mutex::new(None),
            saw_objects: AtomicBool::new(false),
        }
    }

    /// The memtables of this view.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// What memory knows of the row that lies there: `None` means that redb must be asked.
    fn known(&self, table: Table, key: &[u8]) -> Option<Lookup> {
        self.tables
            .get(table, key)
            .or_else(|| self.index.cache().get(table, key).map(Lookup::Value))
    }

    /// The row of a key; blocks.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        self.note(table);
        let (table, row) = self.tables.place(table, key);
        self.row(table, &row)
    }

    /// The row that lies there, wherever a prefix rename has objects; blocks.
    pub fn row(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
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

    fn stored(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        let Some(rows) = self.stored_table(table)? else {
            return Ok(None);
        };
        let row = rows.get(key).map_err(redb::Error::from)?;
        Ok(row.map(|row| Bytes::copy_from_slice(row.value())))
    }

    fn stored_table(&self, table: Table) -> Result<Option<StoredRows>, IndexError> {
        Ok(rows_of(&self.view()?.transaction, table)?)
    }

    /// Whether what was read has to be read again: the database was opened anew meanwhile.
    pub fn is_interrupted(&self) -> bool {
        let view = self.view.lock();
        view.as_ref()
            .is_some_and(|view| view.opened.is_interrupted())
    }

    /// Whether objects that were looked up may have moved meanwhile (B10).
    pub fn is_outdated(&self) -> bool {
        self.saw_objects.load(Ordering::Relaxed) && self.index.moves() != self.tables.moves
    }

    fn note(&self, table: Table) {
        if table == Table::Objects {
            self.saw_objects.store(true, Ordering::Relaxed);
        }
    }

    /// Whether redb cannot be read for a reason that says nothing about what is stored.
    pub fn is_cut_off(&self) -> bool {
        let view = self.view.lock();
        view.as_ref().is_some_and(|view| view.opened.is_cut_off())
    }

    /// redb as of the first call. The memtables were taken before, so a fold in between shows its
    /// rows twice, never not at all.
    /// Fixes the view of redb now, and not with the first row that is read.
    pub fn begin(&self) -> Result<(), IndexError> {
        self.view().map(drop)
    }

    fn view(&self) -> Result<Arc<View>, IndexError> {
        let mut view = self.view.lock();
        if let Some(view) = &*view {
            return Ok(view.clone());
        }
        let (opened, transaction) = self.index.store().begin_read()?;
        let begun = Arc::new(View {
            transaction,
            opened,
        });
        *view = Some(begun.clone());
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
        let rows = self.stored_table(table)?;
        let range = rows.map(|rows| rows.range::<&[u8]>(..)).transpose();
        let range = range.map_err(redb::Error::from)?.into_iter().flatten();
        // What cannot be read now is met again by the next caller.
        Ok(range.map_while(Result::ok).map(|(key, value)| {
            (
                Bytes::copy_from_slice(key.value()),
                Bytes::copy_from_slice(value.value()),
            )
        }))
    }

    /// Walks a table in the order of keys.
    pub fn cursor(&self, table: Table) -> Result<Cursor<'_>, IndexError> {
        self.note(table);
        Cursor::new(self, table)
    }

    /// Walks the rows of a table in the order in which they lie.
    pub fn row_cursor(&self, table: Table) -> Result<RowCursor<'_>, IndexError> {
        Ok(RowCursor::new(self, table, self.stored_table(table)?))
    }
}

impl RowView for Reader {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        self.row(table, key)
    }

    fn redirect(&self) -> Result<Option<Redirect>, IndexError> {
        Ok(self.tables.redirect.as_deref().cloned())
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<KeyValue>, IndexError> {
        let mut cursor = self.row_cursor(table)?;
        cursor.seek(Bytes::copy_from_slice(from));
        let mut rows = Vec::new();
        while rows.len() < limit
            && let Some(row) = cursor.next()?.filter(|(key, _)| key.starts_with(prefix))
        {
            rows.push(row);
        }
        Ok(rows)
    }

    fn changed_since(&self, sequence: u64, prefix: &str) -> Result<Option<Vec<Key>>, IndexError> {
        feed::changed_since(self, sequence, prefix)
    }

    fn remembers(&self, table: Table, key: &[u8]) -> bool {
        self.known(table, key).is_some()
    }
}
