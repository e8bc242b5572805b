//! Rows that redb holds, kept in memory: those asked for or folded lately.

use bytes::Bytes;
use parking_lot::RwLock;
use quick_cache::sync::Cache;

use crate::format::rows::Table;
use crate::index::memtable::{Lookup, Memtable};
use crate::offload::Offload;

/// Rows of redb that were asked for or folded lately.
pub struct RowCache {
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
    pub fn new(bytes: usize) -> Self {
        let rows = Cache::with_weighter(bytes / 512, bytes as u64, Weigh);
        Self {
            rows,
            folds: RwLock::new(0),
        }
    }

    /// To be given with a row that is read from now on.
    pub fn generation(&self) -> u64 {
        *self.folds.read()
    }

    pub fn get(&self, table: Table, key: &[u8]) -> Option<Bytes> {
        self.rows.get(&RowName(table, key))
    }

    /// Keeps a row that was read under `generation`, unless a fold came between.
    pub fn insert(&self, generation: u64, table: Table, key: &[u8], value: &Bytes) {
        let folds = self.folds.read();
        if *folds == generation {
            self.rows
                .insert((table, Bytes::copy_from_slice(key)), value.clone());
        }
    }

    /// Takes over what redb now holds. The memtable stays in front of redb until this is done, so
    /// no reader meets the old rows.
    pub fn folded(&self, memtable: &Memtable, offload: Offload) {
        *self.folds.write() += 1;
        for table in Table::ALL {
            let update = |key: &Bytes, known: &Lookup| {
                match known {
                    Lookup::Value(value) if matches!(table, Table::Objects | Table::Spans) => {
                        self.rows.insert((table, key.clone()), value.clone());
                    }
                    _ => {
                        self.rows.remove(&RowName(table, key));
                    }
                }
                Ok::<(), std::convert::Infallible>(())
            };
            let Ok(()) = memtable.for_each(table, offload, update);
        }
    }
}
