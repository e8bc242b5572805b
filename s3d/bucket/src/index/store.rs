//! The redb database below the memtables: opened, opened again in place (B5), and moved to the other
//! half of the index zone.
//!
//! Readers hold the database that they began on. It is given up, and what it occupied reused, only
//! when the last of them has ended: redb's reads verify no checksum.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::executor::block_on;
use parking_lot::RwLock;
use redb::{
    Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition,
    TableError, WriteTransaction,
};
use volumed_client::{BlockDevice, DeviceError};

use crate::format::layout::INDEX_HALVES;
use crate::format::redirect::Redirect;
use crate::format::rows::{Row, Table};
use crate::format::superblock::{Fields, Superblock};
use crate::index::IndexError;
use crate::index::cursor::StoredRows;
use crate::index::zone::{IndexZone, Interruption};
use crate::log::position::Position;
use crate::offload::Offload;

/// A table as redb knows it.
pub const fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
}

/// The rows of a table; `None` in an index of an earlier version, which has no such table before its
/// next fold.
pub fn rows_of(
    transaction: &ReadTransaction,
    table: Table,
) -> Result<Option<StoredRows>, redb::Error> {
    match transaction.open_table(definition(table)) {
        Ok(rows) => Ok(Some(rows)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// One row: how far the log is in redb.
pub(super) const APPLIED: TableDefinition<'static, (), &'static [u8]> =
    TableDefinition::new("applied");

/// One row: bytes of keys and values of all tables together.
pub(super) const STORED: TableDefinition<'static, (), u64> = TableDefinition::new("stored");

/// Rows copied without a pause.
const SLICE: u64 = 256;

/// How often the readers of a database that is to be replaced are counted.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// An index shorter than this is not worth being moved …
const SHORT: u64 = 2 << 20;

/// … nor one that is less than so many times as long as what it stores.
const SPARSE: u64 = 4;

/// A database on a half of the zone.
pub struct Opened {
    database: Database,
    pub(super) interruption: Arc<OnceLock<Interruption>>,
    failure: Arc<OnceLock<DeviceError>>,
    half: usize,
}

/// Inserts a row: its key and its value.
pub type Insert<'i> = dyn FnMut(&[u8], &[u8]) -> Result<(), IndexError> + 'i;

/// The database of a bucket.
pub struct Store {
    device: Arc<dyn BlockDevice>,
    superblock: Arc<Superblock>,
    cache: usize,
    pub(super) offload: Offload,
    /// Empty while the database is opened again: readers wait for the lock meanwhile.
    current: RwLock<Option<Arc<Opened>>>,
}

impl Store {
    /// Makes an empty index in the half that the superblock names, durably.
    pub fn create(
        device: Arc<dyn BlockDevice>,
        superblock: Arc<Superblock>,
        start: &Position,
        cache: usize,
    ) -> Result<(), IndexError> {
        let half = superblock.fields().index_half;
        let zone = IndexZone::new(device, superblock, half, 0);
        let opened = Opened::new(zone, half, cache)?;
        opened.begin(start)?;
        Ok(())
    }

    fn closed(
        device: Arc<dyn BlockDevice>,
        superblock: Arc<Superblock>,
        cache: usize,
        offload: Offload,
    ) -> Self {
        Self {
            device,
            superblock,
            cache,
            offload,
            current: RwLock::new(None),
        }
    }

    /// Opens the index; blocks.
    pub fn open(
        device: Arc<dyn BlockDevice>,
        superblock: Arc<Superblock>,
        cache: usize,
        offload: Offload,
    ) -> Result<Self, IndexError> {
        let store = Self::closed(device, superblock, cache, offload);
        let opened = store.open_half()?;
        *store.current.write() = Some(Arc::new(opened));
        Ok(store)
    }

    /// Begins an empty index in the half that does not hold it; [`Store::publish`] makes it count.
    pub fn begin_in_other_half(
        device: Arc<dyn BlockDevice>,
        superblock: Arc<Superblock>,
        cache: usize,
        offload: Offload,
    ) -> Result<Self, IndexError> {
        let store = Self::closed(device, superblock, cache, offload);
        let half = 1 - store.superblock.fields().index_half;
        store.clear(half)?;
        let opened = Opened::new(store.zone(half, 0), half, cache)?;
        *store.current.write() = Some(Arc::new(opened));
        Ok(store)
    }

    /// Makes this the bucket's index, and TRIMs what was it before.
    pub fn publish(&self) -> Result<(), IndexError> {
        let half = self.current()?.half;
        self.superblock_change(|fields| fields.index_half = half)?;
        self.clear(1 - half)
    }

    /// Inserts rows: `rows` is called for each table, with what inserts one. Not durable before the
    /// next fold.
    pub fn import(
        &self,
        mut rows: impl FnMut(Table, &mut Insert<'_>) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        let opened = self.current()?;
        let transaction = opened.begin_write()?;
        let mut bytes = 0;
        for table in Table::ALL {
            let mut target = transaction
                .open_table(definition(table))
                .map_err(redb::Error::from)?;
            rows(table, &mut |key, value| {
                bytes += (key.len() + value.len()) as u64;
                target.insert(key, value).map_err(redb::Error::from)?;
                Ok(())
            })?;
        }
        commit_import(transaction, bytes)?;
        Ok(())
    }

    fn open_half(&self) -> Result<Opened, IndexError> {
        let fields = self.superblock.fields();
        let Fields {
            index_half: half,
            index_lengths,
            ..
        } = fields;
        Opened::new(self.zone(half, index_lengths[half]), half, self.cache)
    }

    fn zone(&self, half: usize, length: u64) -> IndexZone {
        IndexZone::new(self.device.clone(), self.superblock.clone(), half, length)
    }

    pub(super) fn current(&self) -> Result<Arc<Opened>, IndexError> {
        let current = self.current.read().clone();
        current.ok_or_else(|| IndexError("the index could not be opened again".into()))
    }

    /// A view of the database as it is now, and what keeps it there.
    pub fn begin_read(&self) -> Result<(Arc<Opened>, ReadTransaction), IndexError> {
        let opened = self.current()?;
        let transaction = opened.database.begin_read().map_err(redb::Error::from)?;
        Ok((opened, transaction))
    }

    /// Makes it an index of an earlier version, which has no such table.
    #[cfg(test)]
    pub fn forget(&self, table: Table) {
        let transaction = self.current().unwrap().begin_write().unwrap();
        assert!(transaction.delete_table(definition(table)).unwrap());
        transaction.commit().unwrap();
    }

    /// How far the log is in the database.
    pub fn applied(&self) -> Result<Position, IndexError> {
        self.current()?.applied()
    }

    /// The prefix rename that was under way then.
    pub fn redirect(&self) -> Result<Option<Redirect>, IndexError> {
        self.current()?.redirect()
    }

    pub(super) fn reopen(&self) -> Result<(), IndexError> {
        let mut current = self.current.write();
        if let Some(old) = current.take() {
            drop(self.wait_for_readers(old));
        }
        *current = Some(Arc::new(self.open_half()?));
        Ok(())
    }

    /// The database, once no reader holds it.
    fn wait_for_readers(&self, mut opened: Arc<Opened>) -> Opened {
        loop {
            match Arc::try_unwrap(opened) {
                Ok(alone) => return alone,
                Err(shared) => opened = shared,
            }
            debug_assert!(
                self.offload == Offload::Threads,
                "nobody else runs meanwhile"
            );
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Whether most of what the index occupies is free pages, which redb never gives back.
    pub fn is_sparse(&self) -> Result<bool, IndexError> {
        let opened = self.current()?;
        let length = self.superblock.fields().index_lengths[opened.half];
        Ok(length > SHORT && length / SPARSE > opened.stored()?)
    }

    /// Copies the index to the other half of the zone, goes on there, and TRIMs this half; given
    /// up when `hurry` says that a fold is wanted. Blocks; no fold may run meanwhile.
    pub fn move_to_other_half(&self, hurry: &dyn Fn() -> bool) -> Result<(), IndexError> {
        let old = self.current()?;
        let (from, to) = (old.half, 1 - old.half);
        self.clear(to)?;
        let new = Opened::new(self.zone(to, 0), to, self.cache)?;
        if !new.copy(&old, self.offload, hurry)? {
            drop(new);
            return self.clear(to);
        }
        self.superblock_change(|fields| fields.index_half = to)?;
        drop(old);
        let old = self.current.write().replace(Arc::new(new));
        if let Some(old) = old {
            drop(self.wait_for_readers(old));
        }
        self.clear(from)
    }

    /// TRIMs what is left in the half that does not hold the index.
    pub fn clear_other_half(&self) -> Result<(), IndexError> {
        self.clear(1 - self.current()?.half)
    }

    fn clear(&self, half: usize) -> Result<(), IndexError> {
        let length = self.superblock.fields().index_lengths[half];
        if length == 0 {
            return Ok(());
        }
        let trimmed = block_on(async {
            let session = self.device.session();
            self.device.trim(INDEX_HALVES[half].start, length).await?;
            self.device.flush(session).await
        });
        trimmed.map_err(|error| IndexError(error.to_string()))?;
        self.superblock_change(|fields| fields.index_lengths[half] = 0)
    }

    fn superblock_change(&self, change: impl FnOnce(&mut Fields) + Send) -> Result<(), IndexError> {
        block_on(self.superblock.change(change)).map_err(|error| IndexError(error.to_string()))
    }

    /// Closes redb on the caller's thread: when this returns, nothing of it is written any more.
    pub fn close(&self) {
        let opened = self.current.write().take();
        drop(opened.map(|opened| self.wait_for_readers(opened)));
    }
}

impl Opened {
    fn new(zone: IndexZone, half: usize, cache: usize) -> Result<Self, IndexError> {
        let (interruption, failure) = (zone.interruption(), zone.failure());
        let mut builder = Database::builder();
        builder.set_cache_size(cache);
        let database = builder
            .create_with_backend(zone)
            .map_err(redb::Error::from)?;
        Ok(Self {
            database,
            interruption,
            failure,
            half,
        })
    }

    /// Whether a fold was interrupted: it opens the database again, and who failed to read it begins
    /// anew.
    pub fn is_interrupted(&self) -> bool {
        self.interruption.get().is_some()
    }

    /// Whether it cannot be read for a reason that says nothing about what is stored.
    pub fn is_cut_off(&self) -> bool {
        let failure = self.failure.get();
        matches!(
            failure,
            Some(DeviceError::Disconnected | DeviceError::NoSpace)
        )
    }

    /// Makes every table, and notes where the log begins.
    fn begin(&self, start: &Position) -> Result<(), redb::Error> {
        let transaction = self.begin_write()?;
        for table in Table::ALL {
            transaction.open_table(definition(table))?;
        }
        transaction.open_table(STORED)?.insert((), 0)?;
        let position = start.encode();
        transaction.open_table(APPLIED)?.insert((), &position[..])?;
        transaction.commit()?;
        Ok(())
    }

    fn applied(&self) -> Result<Position, IndexError> {
        let read = || -> Result<_, redb::Error> {
            let table = self.database.begin_read()?.open_table(APPLIED)?;
            Ok(table.get(())?.map(|row| Position::decode(row.value())))
        };
        match read()? {
            Some(Some(position)) => Ok(position),
            _ => Err(IndexError(
                "the row that says how far the log was applied is damaged".into(),
            )),
        }
    }

    fn redirect(&self) -> Result<Option<Redirect>, IndexError> {
        let read = || -> Result<_, redb::Error> {
            let transaction = self.database.begin_read()?;
            let Some(rows) = rows_of(&transaction, Table::Redirect)? else {
                return Ok(None);
            };
            Ok(rows.get(&[][..])?.map(|row| Redirect::decode(row.value())))
        };
        Ok(read()?.transpose()?)
    }

    fn stored(&self) -> Result<u64, redb::Error> {
        let table = self.database.begin_read()?.open_table(STORED)?;
        Ok(table.get(())?.map_or(0, |bytes| bytes.value()))
    }

    pub(super) fn begin_write(&self) -> Result<WriteTransaction, redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        // Without it, opening after a crash would read the whole index.
        transaction.set_quick_repair(true);
        Ok(transaction)
    }

    /// Takes over every row of `old`; false when it was given up for haste.
    fn copy(
        &self,
        old: &Self,
        offload: Offload,
        hurry: &dyn Fn() -> bool,
    ) -> Result<bool, redb::Error> {
        let source = old.database.begin_read()?;
        let transaction = self.begin_write()?;
        let mut copied = 0;
        for table in Table::ALL {
            let mut rows = transaction.open_table(definition(table))?;
            let Some(held) = rows_of(&source, table)? else {
                continue;
            };
            for row in held.iter()? {
                let (key, value) = row?;
                rows.insert(key.value(), value.value())?;
                copied += 1;
                if copied % SLICE == 0 {
                    if hurry() {
                        return Ok(false);
                    }
                    offload.pause();
                }
            }
        }
        if let Some(position) = source.open_table(APPLIED)?.get(())? {
            transaction
                .open_table(APPLIED)?
                .insert((), position.value())?;
        }
        if let Some(stored) = source.open_table(STORED)?.get(())? {
            transaction.open_table(STORED)?.insert((), stored.value())?;
        }
        transaction.commit()?;
        Ok(true)
    }
}

fn commit_import(transaction: WriteTransaction, bytes: u64) -> Result<(), redb::Error> {
    transaction.open_table(STORED)?.insert((), bytes)?;
    transaction.commit()?;
    Ok(())
}
