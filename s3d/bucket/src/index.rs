//! The index: redb below, the memtables above it, and a cache of rows beside it.
//!
//! A row is what the newest of these knows: the active memtable, the frozen one (which is being
//! folded), redb. The row cache only ever holds what redb holds.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use quick_cache::sync::Cache;
use redb::{Database, Durability, ReadTransaction, ReadableDatabase, TableDefinition};

use crate::index_zone::IndexZone;
use crate::log::Position;
use crate::memtable::{Known, Memtable, Size};
use crate::offload::Offload;
use crate::rows::{Mutation, RowError, Table};

const fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(match table {
        Table::Objects => "objects",
        Table::Uploads => "uploads",
        Table::Parts => "parts",
        Table::Spans => "spans",
        Table::Freed => "freed",
    })
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
    database: Database,
    tables: RwLock<Tables>,
    cache: RowCache,
    offload: Offload,
}

#[derive(Clone)]
struct Tables {
    active: Arc<Memtable>,
    frozen: Option<Arc<Memtable>>,
}

impl Tables {
    fn get(&self, table: Table, key: &[u8]) -> Option<Known> {
        self.active
            .get(table, key)
            .or_else(|| self.frozen.as_ref().and_then(|frozen| frozen.get(table, key)))
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
        let database = builder.create_with_backend(zone).map_err(redb::Error::from)?;
        Ok(Self {
            database,
            tables: RwLock::new(Tables { active: Arc::default(), frozen: None }),
            cache: RowCache::new(cache / 4),
            offload,
        })
    }

    fn applied(&self) -> Result<Position, IndexError> {
        let read = || -> Result<_, redb::Error> {
            let table = self.database.begin_read()?.open_table(APPLIED)?;
            Ok(table.get(())?.map(|row| Position::decode(row.value())))
        };
        match read()? {
            Some(Some(position)) => Ok(position),
            _ => Err(IndexError("the row that says how far the log was applied is damaged".into())),
        }
    }

    /// Makes the rows of a durable group visible (B2).
    pub fn apply(&self, mutations: &[Mutation]) {
        self.tables.read().active.apply(mutations);
    }

    /// What the active memtable holds.
    pub fn unfolded(&self) -> Size {
        self.tables.read().active.size()
    }

    /// One row. Runs on the caller's thread when memory knows it, elsewhere when redb must be
    /// asked.
    pub async fn get(self: &Arc<Self>, table: Table, key: Bytes) -> Result<Option<Bytes>, IndexError> {
        let reader = self.reader();
        if let Some(known) = reader.known(table, &key) {
            return Ok(known.value());
        }
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
        Reader { index: self.clone(), tables, generation, transaction: Mutex::new(None) }
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
    pub fn fold(&self, frozen: &Arc<Memtable>, position: &Position) -> Result<(), IndexError> {
        self.commit(&[frozen], position)?;
        self.cache.folded(frozen, &self.offload);
        self.tables.write().frozen = None;
        Ok(())
    }

    fn commit(&self, folded: &[&Arc<Memtable>], position: &Position) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        // Without it, opening after a crash would read the whole index.
        transaction.set_quick_repair(true);
        for table in Table::ALL {
            let mut rows = transaction.open_table(definition(table))?;
            for memtable in folded {
                for_slices(memtable, table, &self.offload, |key, known| {
                    match known {
                        Known::Value(value) => rows.insert(&key[..], &value[..])?,
                        Known::Removed => rows.remove(&key[..])?,
                    };
                    Ok::<(), redb::Error>(())
                })?;
            }
        }
        transaction.open_table(APPLIED)?.insert((), &position.encode()[..])?;
        transaction.commit()?;
        Ok(())
    }
}

/// Rows handled without a pause, so that a fold never keeps a core from the requests for long.
const SLICE: usize = 256;

fn for_slices<E>(
    memtable: &Memtable,
    table: Table,
    offload: &Offload,
    mut each: impl FnMut(&Bytes, &Known) -> Result<(), E>,
) -> Result<(), E> {
    let mut after = None;
    loop {
        let slice = memtable.slice(table, after.as_ref(), SLICE);
        for (key, known) in &slice {
            each(key, known)?;
        }
        match slice.into_iter().nth(SLICE - 1) {
            Some((last, _)) => after = Some(last),
            None => return Ok(()),
        }
        offload.pause();
    }
}

/// A view of the index on a thread that may block.
pub struct Reader {
    index: Arc<Index>,
    tables: Tables,
    generation: u64,
    transaction: Mutex<Option<Arc<ReadTransaction>>>,
}

impl Reader {
    /// What memory knows of a row: `None` means that redb must be asked.
    pub fn known(&self, table: Table, key: &[u8]) -> Option<Known> {
        self.tables
            .get(table, key)
            .or_else(|| self.index.cache.get(table, key).map(Known::Value))
    }

    /// One row; blocks.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        if let Some(known) = self.known(table, key) {
            return Ok(known.value());
        }
        let value = self.stored(table, key)?;
        if let Some(value) = &value {
            self.index.cache.insert(self.generation, table, key, value);
        }
        Ok(value)
    }

    fn stored(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, redb::Error> {
        let rows = self.transaction()?.open_table(definition(table))?;
        Ok(rows.get(key)?.map(|row| Bytes::copy_from_slice(row.value())))
    }

    /// redb as of the first call. The memtables were taken before, so a fold in between shows its
    /// rows twice, never not at all.
    fn transaction(&self) -> Result<Arc<ReadTransaction>, redb::Error> {
        let mut transaction = self.transaction.lock();
        if let Some(transaction) = &*transaction {
            return Ok(transaction.clone());
        }
        let begun = Arc::new(self.index.database.begin_read()?);
        *transaction = Some(begun.clone());
        Ok(begun)
    }

    /// Walks the rows of a table in order.
    pub fn cursor(&self, table: Table) -> Result<Cursor<'_>, IndexError> {
        let rows = self.transaction().and_then(|transaction| {
            transaction.open_table(definition(table)).map_err(redb::Error::from)
        })?;
        Ok(Cursor { reader: self, table, rows, from: Bytes::new(), stored: None })
    }
}

type StoredRows = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;
type StoredRange = redb::Range<'static, &'static [u8], &'static [u8]>;

/// Merges memtables and redb, in the order of keys.
pub struct Cursor<'r> {
    reader: &'r Reader,
    table: Table,
    rows: StoredRows,
    from: Bytes,
    stored: Option<(StoredRange, Option<(Bytes, Bytes)>)>,
}

impl Cursor<'_> {
    /// Goes on at the first row at or behind `key`.
    pub fn seek(&mut self, key: Bytes) {
        self.from = key;
        self.stored = None;
    }

    /// The next row that exists.
    #[expect(clippy::should_implement_trait, reason = "it answers a Result around the Option")]
    pub fn next(&mut self) -> Result<Option<(Bytes, Bytes)>, IndexError> {
        loop {
            let Some((key, known)) = self.step()? else { return Ok(None) };
            self.from = successor(&key);
            if let Known::Value(value) = known {
                return Ok(Some((key, value)));
            }
        }
    }

    fn step(&mut self) -> Result<Option<(Bytes, Known)>, IndexError> {
        let tables = &self.reader.tables;
        let frozen = tables.frozen.as_ref().and_then(|it| it.first_from(self.table, &self.from));
        let active = tables.active.first_from(self.table, &self.from);
        let stored = self.peek_stored()?.map(|(key, value)| (key, Known::Value(value)));
        // Of equal keys the first in this order is the newest: `min_by_key` keeps it.
        Ok([active, frozen, stored].into_iter().flatten().min_by(|a, b| a.0.cmp(&b.0)))
    }

    /// redb's first row at or behind `from`.
    fn peek_stored(&mut self) -> Result<Option<(Bytes, Bytes)>, IndexError> {
        if self.stored.is_none() {
            let range = self.rows.range(&self.from[..]..).map_err(redb::Error::from)?;
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
        let Some((range, peeked)) = &mut self.stored else { return Ok(()) };
        *peeked = match range.next() {
            Some(row) => {
                let (key, value) = row.map_err(redb::Error::from)?;
                Some((Bytes::copy_from_slice(key.value()), Bytes::copy_from_slice(value.value())))
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

/// Rows of redb that were asked for or folded lately.
struct RowCache {
    rows: Cache<(Table, Bytes), Bytes, Weigh>,
    /// Counts folds. A row read before a fold must not be put in the cache after it.
    folds: RwLock<u64>,
}

#[derive(Clone)]
struct Weigh;

impl quick_cache::Weighter<(Table, Bytes), Bytes> for Weigh {
    fn weight(&self, key: &(Table, Bytes), value: &Bytes) -> u64 {
        (key.1.len() + value.len() + 128) as u64
    }
}

#[derive(Hash)]
struct RowName<'k>(Table, &'k [u8]);

impl quick_cache::Equivalent<(Table, Bytes)> for RowName<'_> {
    fn equivalent(&self, key: &(Table, Bytes)) -> bool {
        self.0 == key.0 && self.1 == &key.1[..]
    }
}

impl RowCache {
    fn new(bytes: usize) -> Self {
        let rows = Cache::with_weighter(bytes / 512, bytes as u64, Weigh);
        Self { rows, folds: RwLock::new(0) }
    }

    fn generation(&self) -> u64 {
        *self.folds.read()
    }

    fn get(&self, table: Table, key: &[u8]) -> Option<Bytes> {
        self.rows.get(&RowName(table, key))
    }

    fn insert(&self, generation: u64, table: Table, key: &[u8], value: &Bytes) {
        let folds = self.folds.read();
        if *folds == generation {
            self.rows.insert((table, Bytes::copy_from_slice(key)), value.clone());
        }
    }

    /// Takes over what redb now holds. The memtable stays in front of redb until this is done, so
    /// no reader meets the old rows.
    fn folded(&self, memtable: &Memtable, offload: &Offload) {
        *self.folds.write() += 1;
        for table in Table::ALL {
            let update = |key: &Bytes, known: &Known| {
                match known {
                    Known::Value(value) if matches!(table, Table::Objects | Table::Spans) => {
                        self.rows.insert((table, key.clone()), value.clone());
                    }
                    _ => {
                        self.rows.remove(&RowName(table, key));
                    }
                }
                Ok::<(), std::convert::Infallible>(())
            };
            let Ok(()) = for_slices(memtable, table, offload, update);
        }
    }
}
