//! The index: redb below, the memtables above it, and a cache of rows beside it.
//!
//! A row is what the newest of these knows: the active memtable, the frozen one (which is being
//! folded), redb. The row cache only ever holds what redb holds.

pub mod cursor;
pub mod feed;
pub mod listing;
pub mod memtable;
pub mod reader;
pub mod row_cache;
pub mod zone;

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;
use redb::{Database, Durability, ReadTransaction, ReadableDatabase, TableDefinition};

use crate::format::rows::{Mutation, RowError, Table};
use crate::index::feed::{FeedRetention, RawEvent, seal};
use crate::index::memtable::{Lookup, Memtable, Size};
use crate::index::reader::Reader;
use crate::index::row_cache::RowCache;
use crate::index::zone::IndexZone;
use crate::log::position::Position;
use crate::object::Timestamp;
use crate::offload::Offload;

/// A table as redb knows it.
pub const fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
}

/// One row: how far the log is in redb.
const APPLIED: TableDefinition<'static, (), &'static [u8]> = TableDefinition::new("applied");

/// The index failed; the bucket has to be opened again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IndexError(pub String);

impl From<redb::Error> for IndexError {
    fn from(error: redb::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<RowError> for IndexError {
    fn from(error: RowError) -> Self {
        Self(error.to_string())
    }
}

pub struct Index {
    /// Taken only when the index is dropped.
    database: Option<Database>,
    tables: RwLock<Tables>,
    cache: RowCache,
    offload: Offload,
    retention: FeedRetention,
}

/// The memtables, newest first.
#[derive(Clone)]
pub struct Tables {
    pub active: Arc<Memtable>,
    pub frozen: Option<Arc<Memtable>>,
}

impl Tables {
    /// The events behind a sequence number that are no rows yet, in order.
    pub fn events_after(&self, sequence: u64) -> Vec<RawEvent> {
        let frozen = self.frozen.iter();
        frozen
            .chain([&self.active])
            .flat_map(|memtable| memtable.events_after(sequence))
            .collect()
    }

    pub fn get(&self, table: Table, key: &[u8]) -> Option<Lookup> {
        self.active.get(table, key).or_else(|| {
            self.frozen
                .as_ref()
                .and_then(|frozen| frozen.get(table, key))
        })
    }
}

impl Index {
    /// Makes the index of a new bucket, durably.
    pub fn create(
        zone: IndexZone,
        start: &Position,
        cache: usize,
        offload: Offload,
    ) -> Result<Self, IndexError> {
        let index = Self::new(zone, cache, offload)?;
        index.commit(&[], start).map_err(IndexError::from)?;
        Ok(index)
    }

    /// Opens the index, and says where the log goes on behind it.
    pub fn open(
        zone: IndexZone,
        cache: usize,
        offload: Offload,
    ) -> Result<(Self, Position), IndexError> {
        let index = Self::new(zone, cache, offload)?;
        let position = index.applied()?;
        Ok((index, position))
    }

    fn new(zone: IndexZone, cache: usize, offload: Offload) -> Result<Self, IndexError> {
        let mut builder = Database::builder();
        builder.set_cache_size(cache);
        let database = builder
            .create_with_backend(zone)
            .map_err(redb::Error::from)?;
        Ok(Self {
            database: Some(database),
            tables: RwLock::new(Tables {
                active: Arc::default(),
                frozen: None,
            }),
            cache: RowCache::new(cache / 2),
            offload,
            retention: FeedRetention::default(),
        })
    }

    /// The same index, with another limit on the change feed.
    pub fn retaining(mut self, retention: FeedRetention) -> Self {
        self.retention = retention;
        self
    }

    pub fn begin_read(&self) -> Result<ReadTransaction, redb::Error> {
        Ok(self.database().begin_read()?)
    }

    /// Rows of redb in memory.
    pub fn cache(&self) -> &RowCache {
        &self.cache
    }

    fn database(&self) -> &Database {
        self.database.as_ref().expect("taken only when dropped")
    }

    fn applied(&self) -> Result<Position, IndexError> {
        let read = || -> Result<_, redb::Error> {
            let table = self.database().begin_read()?.open_table(APPLIED)?;
            Ok(table.get(())?.map(|row| Position::decode(row.value())))
        };
        match read()? {
            Some(Some(position)) => Ok(position),
            _ => Err(IndexError(
                "the row that says how far the log was applied is damaged".into(),
            )),
        }
    }

    /// Closes redb on the caller's thread: when this returns, nothing of it is written any more.
    pub fn close(mut self) {
        drop(self.database.take());
    }

    /// Makes the records of a durable group visible (B2). `first`: the sequence number of the first.
    pub fn apply(&self, first: u64, time: Timestamp, records: &[Vec<Mutation>]) {
        let tables = self.tables.read();
        for (sequence, record) in (first..).zip(records) {
            tables.active.apply_record(sequence, time, record);
        }
    }

    /// What the active memtable holds.
    pub fn unfolded(&self) -> Size {
        self.tables.read().active.size()
    }

    /// What memory knows of a row: `None` means that redb must be asked.
    pub fn known(&self, table: Table, key: &[u8]) -> Option<Lookup> {
        let known = self.tables.read().get(table, key);
        known.or_else(|| self.cache.get(table, key).map(Lookup::Value))
    }

    /// One row. Runs on the caller's thread when memory knows it, elsewhere when redb must be
    /// asked.
    pub async fn get(
        self: &Arc<Self>,
        table: Table,
        key: Bytes,
    ) -> Result<Option<Bytes>, IndexError> {
        if let Some(known) = self.known(table, &key) {
            return Ok(known.value());
        }
        let reader = self.reader();
        self.offload.run(move || reader.get(table, &key)).await
    }

    /// Runs `read` where it may block, on a view that later changes do not alter, but for rows
    /// that the active memtable receives.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Reader) -> T + Send + 'static,
    ) -> T {
        let reader = self.reader();
        self.offload.run(move || read(&reader)).await
    }

    fn reader(self: &Arc<Self>) -> Reader {
        let (tables, generation) = {
            let tables = self.tables.read();
            (tables.clone(), self.cache.generation())
        };
        Reader::new(self.clone(), tables, generation)
    }

    /// Folds the rows so far into redb, with where the log goes on behind them (B3).
    ///
    /// Only one fold runs at a time; it blocks.
    pub fn freeze(&self) -> Arc<Memtable> {
        let mut tables = self.tables.write();
        assert!(tables.frozen.is_none(), "a fold is running");
        let frozen = std::mem::take(&mut tables.active);
        tables.frozen = Some(frozen.clone());
        frozen
    }

    /// The second half of [`Index::freeze`].
    pub fn fold(
        self: &Arc<Self>,
        frozen: &Arc<Memtable>,
        position: &Position,
    ) -> Result<(), IndexError> {
        seal(&self.reader(), frozen, self.retention, self.offload)?;
        self.commit(&[frozen], position)?;
        self.cache.folded(frozen, self.offload);
        self.tables.write().frozen = None;
        Ok(())
    }

    fn commit(&self, folded: &[&Arc<Memtable>], position: &Position) -> Result<(), redb::Error> {
        let mut transaction = self.database().begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        // Without it, opening after a crash would read the whole index.
        transaction.set_quick_repair(true);
        for table in Table::ALL {
            let mut rows = transaction.open_table(definition(table))?;
            for memtable in folded {
                memtable.for_each(table, self.offload, |key, known| {
                    match known {
                        Lookup::Value(value) => rows.insert(&key[..], &value[..])?,
                        Lookup::Removed => rows.remove(&key[..])?,
                    };
                    Ok::<(), redb::Error>(())
                })?;
            }
        }
        transaction
            .open_table(APPLIED)?
            .insert((), &position.encode()[..])?;
        transaction.commit()?;
        Ok(())
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        // Closing redb writes, and whoever drops the last handle may not block.
        let database = self.database.take();
        self.offload.detach(move || drop(database));
    }
}
