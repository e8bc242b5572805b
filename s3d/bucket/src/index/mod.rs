//! The index: redb below, the memtables above it, and a cache of rows beside it.
//!
//! A row is what the newest of these knows: the active memtable, the frozen one (which is being
//! folded), redb. The row cache only ever holds what redb holds.

pub mod cursor;
pub mod feed;
mod folding;
pub mod listing;
pub mod memtable;
pub mod reader;
pub mod row_cache;
pub mod store;
mod sums;
pub mod zone;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;
use tokio::sync::Notify;

use crate::format::redirect::Redirect;
use crate::format::rows::{Mutation, RowError, Table};
use crate::index::feed::{FeedRetention, RawEvent, seal};
use crate::index::memtable::{Lookup, Memtable, Size};
use crate::index::reader::Reader;
use crate::index::row_cache::RowCache;
use crate::index::store::Store;
use crate::log::position::Position;
use crate::object::Timestamp;
use crate::offload::Offload;

/// The index failed; the bucket has to be opened again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IndexError(pub String);

/// Why rows are not in redb.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// The pool is full; redb is as it was but for rows that a replay repeats, and all are in memory still.
    #[error("the pool has no space left")]
    NoSpace,
    /// The index failed.
    #[error(transparent)]
    Failed(#[from] IndexError),
}

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

/// A read that was outdated by a prefix rename so often gets a view that nothing alters.
const OUTDATED: u32 = 3;

pub struct Index {
    store: Arc<Store>,
    tables: RwLock<Tables>,
    cache: RowCache,
    offload: Offload,
    retention: FeedRetention,
    /// Told when a prefix rename leaves rows to be moved.
    redirected: Notify,
    /// Counts records that moved rows. Not under the lock of the tables: a reader that ends looks at
    /// it, and must not wait there for who waits for the end of readers.
    moves: AtomicU64,
}

/// The memtables, newest first, and the redirect that they and redb are read under.
#[derive(Clone)]
pub struct Tables {
    pub active: Arc<Memtable>,
    pub frozen: Option<Arc<Memtable>>,
    pub redirect: Option<Arc<Redirect>>,
    /// How many records had moved rows then.
    pub moves: u64,
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

    /// Where the row of this key of a table lies.
    pub fn place<'k>(&self, table: Table, key: &'k [u8]) -> (Table, Cow<'k, [u8]>) {
        let redirect = self.redirect.as_ref().filter(|_| table == Table::Objects);
        match redirect.and_then(|redirect| redirect.place(key)) {
            Some((table, row)) => (table, Cow::Owned(row.into())),
            None => (table, Cow::Borrowed(key)),
        }
    }

    /// What the memtables know of the row that lies there.
    pub fn get(&self, table: Table, key: &[u8]) -> Option<Lookup> {
        self.active.get(table, key).or_else(|| {
            self.frozen
                .as_ref()
                .and_then(|frozen| frozen.get(table, key))
        })
    }
}

impl Index {
    /// An index with nothing unfolded; blocks. `cache`: bytes of memory for rows.
    pub fn new(store: Store, cache: usize, offload: Offload) -> Result<Self, IndexError> {
        let redirect = store.redirect()?.map(Arc::new);
        Ok(Self {
            store: Arc::new(store),
            tables: RwLock::new(Tables {
                active: Arc::default(),
                frozen: None,
                redirect,
                moves: 0,
            }),
            cache: RowCache::new(cache),
            offload,
            retention: FeedRetention::default(),
            redirected: Notify::new(),
            moves: AtomicU64::new(0),
        })
    }

    /// The same index, with another limit on the change feed.
    pub fn retaining(mut self, retention: FeedRetention) -> Self {
        self.retention = retention;
        self
    }

    /// The database below.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Rows of redb in memory.
    pub fn cache(&self) -> &RowCache {
        &self.cache
    }

    /// Makes the records of a durable group visible (B2). `first`: the sequence number of the first.
    pub fn apply(&self, first: u64, time: Timestamp, records: &[Vec<Mutation>]) {
        for (sequence, record) in (first..).zip(records) {
            if Redirect::is_changed_by(record) {
                self.apply_redirect(sequence, time, record);
                continue;
            }
            let Tables {
                active, redirect, ..
            } = &*self.tables.read();
            active.apply_record(sequence, time, record, redirect.as_deref());
        }
    }

    /// Rows move and the redirect changes while nobody looks a row up; a view that began before
    /// learns it from the count (B10).
    fn apply_redirect(&self, sequence: u64, time: Timestamp, record: &[Mutation]) {
        let mut tables = self.tables.write();
        // Before the rows: who sees one of them sees the count.
        tables.moves = self.moves.fetch_add(1, Ordering::SeqCst) + 1;
        tables.active.apply_record(sequence, time, record, None);
        tables.redirect = Redirect::left_by(record).map(Arc::new);
        if tables.redirect.is_some() {
            self.redirected.notify_one();
        }
    }

    /// Whether rows wait to be moved by a prefix rename.
    pub fn is_redirected(&self) -> bool {
        self.tables.read().redirect.is_some()
    }

    /// Tells when that may be so.
    pub fn redirected(&self) -> &Notify {
        &self.redirected
    }

    /// How many records moved rows.
    fn moves(&self) -> u64 {
        self.moves.load(Ordering::SeqCst)
    }

    /// What the active memtable holds.
    pub fn unfolded(&self) -> Size {
        self.tables.read().active.size()
    }

    /// Bytes of rows in memory that redb does not hold.
    pub fn unfolded_bytes(&self) -> usize {
        let tables = self.tables.read();
        let frozen = tables.frozen.as_ref().map_or(0, |it| it.size().bytes);
        tables.active.size().bytes + frozen
    }

    /// What memory knows of a row: `None` means that redb must be asked.
    pub fn known(&self, table: Table, key: &[u8]) -> Option<Lookup> {
        // Held to the end: the row must not move between the two looks.
        let tables = self.tables.read();
        let (table, row) = tables.place(table, key);
        let known = tables.get(table, &row);
        known.or_else(|| self.cache.get(table, &row).map(Lookup::Value))
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
        self.read(move |reader| reader.get(table, &key)).await
    }

    /// Runs `read` where it may block, on a view that later changes do not alter, but for rows
    /// that the active memtable receives; again when the database was opened again under it, or
    /// when objects that it looked up may have moved.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl Fn(&Reader) -> Result<T, IndexError> + Send + Sync + 'static,
    ) -> Result<T, IndexError> {
        let read = Arc::new(read);
        let mut outdated = 0;
        while outdated < OUTDATED {
            let (reader, read) = (self.reader(), read.clone());
            let work = move || {
                let outcome = read(&reader);
                (outcome, reader.is_interrupted(), reader.is_outdated())
            };
            match self.offload.run(work).await {
                (_, _, true) => outdated += 1,
                (Err(_), true, false) => {}
                (outcome, ..) => return outcome,
            }
        }
        self.read_at_one_moment(move |reader| read(reader)).await
    }

    /// Closes it while what closing needs, the device below among it, is still there. Nothing may be
    /// read or changed afterwards.
    pub async fn close(&self) {
        let store = self.store.clone();
        self.offload.run(move || store.close()).await;
    }

    /// The same on a view that no later change alters at all.
    pub async fn read_at_one_moment<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl Fn(&Reader) -> Result<T, IndexError> + Send + Sync + 'static,
    ) -> Result<T, IndexError> {
        let read = Arc::new(read);
        loop {
            let (index, read) = (self.clone(), read.clone());
            let work = move || {
                let reader = index.reader_at_one_moment()?;
                Ok::<_, IndexError>((read(&reader), reader.is_interrupted()))
            };
            match self.offload.run(work).await? {
                (Err(_), true) => {}
                (outcome, _) => return outcome,
            }
        }
    }

    fn reader_at_one_moment(self: &Arc<Self>) -> Result<Reader, IndexError> {
        // No fold can end and no memtable be frozen while the lock is held.
        let tables = self.tables.read();
        let copied = Tables {
            active: Arc::new(tables.active.copy()),
            ..tables.clone()
        };
        let reader = Reader::new(self.clone(), copied, self.cache.generation());
        reader.begin()?;
        Ok(reader)
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
    ) -> Result<(), FoldError> {
        seal(&self.reader(), frozen, self.retention, self.offload)?;
        self.store.fold(frozen, position)?;
        self.cache.folded(frozen, self.offload);
        self.tables.write().frozen = None;
        Ok(())
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        // Closing redb writes, and whoever drops the last handle may not block.
        let store = self.store.clone();
        self.offload.detach(move || store.close());
    }
}
