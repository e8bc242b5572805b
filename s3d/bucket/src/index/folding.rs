//! A fold: a memtable's rows, and where the log goes on behind them, become durable in redb (B3).
//!
//! It is one transaction where there is room. redb writes each page that it alters elsewhere before it
//! reuses the old one, so that rows scattered over a large index need far more room than they take. In a
//! full pool rows therefore go first a few at a time, each slice into pages that the one before left. redb
//! then holds rows from behind the position that it names; a replay from there only repeats them, since
//! records say what rows become and not what changes about them. What means something by being in redb goes with
//! the position: marks of freed spans above all, since what they name is TRIMmed, and a replay may still read
//! it (B7).

use std::sync::Arc;

use bytes::Bytes;
use redb::ReadableTable;

use super::memtable::{Lookup, Memtable};
use super::store::{APPLIED, Opened, STORED, Store, definition};
use super::zone::Interruption;
use super::{FoldError, IndexError};
use crate::format::rows::Table;
use crate::log::position::Position;
use crate::offload::Offload;
use crate::rules::{Rule, kept};

/// What may go before the position does.
const IN_SLICES: [Table; 7] = [
    Table::Objects,
    Table::Uploads,
    Table::Parts,
    Table::Spans,
    Table::Shares,
    Table::Slices,
    Table::BlobShares,
];

/// Rows of a slice, a quarter as many each time when they find no room.
const SLICE: usize = 1024;

/// Which rows a transaction is to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    All,
    /// Those that no slice holds.
    Rest,
}

impl Rows {
    fn has(self, table: Table) -> bool {
        self == Self::All || !IN_SLICES.contains(&table)
    }
}

impl Store {
    /// Adds a memtable's rows, with where the log goes on behind them.
    ///
    /// When the connection to the volume daemon broke in the middle (B5), the database is opened
    /// again as the last fold left it, and the fold begun anew.
    ///
    /// # Errors
    /// [`FoldError::NoSpace`] in a pool that has no room even for rows one by one.
    pub fn fold(&self, frozen: &Memtable, position: &Position) -> Result<(), FoldError> {
        let mut rows = Rows::All;
        loop {
            let opened = self.current()?;
            let Err(error) = opened.fold(frozen, rows, position, self.offload) else {
                return Ok(());
            };
            match self.interrupted(opened, error)? {
                Interruption::Reconnected if !kept(Rule::FoldAgain) => return Ok(()),
                Interruption::Reconnected => {
                    tracing::info!("the index was opened again: its connection broke in a fold");
                }
                Interruption::NoSpace if rows == Rows::All => {
                    self.fold_in_slices(frozen)?;
                    rows = Rows::Rest;
                }
                Interruption::NoSpace => return Err(FoldError::NoSpace),
            }
        }
    }

    /// Adds what may go before the position does, a few rows at a time.
    pub(crate) fn fold_in_slices(&self, frozen: &Memtable) -> Result<(), FoldError> {
        let mut length = SLICE;
        for table in IN_SLICES {
            let mut after = None;
            loop {
                let slice = frozen.slice(table, after.as_ref(), length);
                let Some((last, _)) = slice.last() else { break };
                let opened = self.current()?;
                let Err(error) = opened.fold_slice(table, &slice) else {
                    after = Some(last.clone());
                    continue;
                };
                match self.interrupted(opened, error)? {
                    Interruption::Reconnected => {}
                    Interruption::NoSpace if length > 1 => length /= 4,
                    Interruption::NoSpace => return Err(FoldError::NoSpace),
                }
            }
        }
        Ok(())
    }

    /// Opens the database again, as its last transaction left it, if what a transaction failed of passes.
    fn interrupted(
        &self,
        opened: Arc<Opened>,
        error: redb::Error,
    ) -> Result<Interruption, IndexError> {
        let interruption = opened.interruption.get().copied();
        drop(opened);
        let interruption = interruption.ok_or_else(|| IndexError::from(error))?;
        self.reopen()?;
        Ok(interruption)
    }
}

impl Opened {
    fn fold(
        &self,
        folded: &Memtable,
        rows: Rows,
        position: &Position,
        offload: Offload,
    ) -> Result<(), redb::Error> {
        let transaction = self.begin_write()?;
        let mut stored = StoredBytes::default();
        for table in Table::ALL.into_iter().filter(|table| rows.has(*table)) {
            let mut rows = transaction.open_table(definition(table))?;
            folded.for_each(table, offload, |key, known| {
                stored.note(key, known, &mut rows)
            })?;
        }
        stored.add_to(&mut transaction.open_table(STORED)?)?;
        if kept(Rule::CheckpointPosition) {
            let mut applied = transaction.open_table(APPLIED)?;
            applied.insert((), &position.encode()[..])?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn fold_slice(&self, table: Table, slice: &[(Bytes, Lookup)]) -> Result<(), redb::Error> {
        let transaction = self.begin_write()?;
        let mut stored = StoredBytes::default();
        {
            let mut rows = transaction.open_table(definition(table))?;
            for (key, known) in slice {
                stored.note(key, known, &mut rows)?;
            }
        }
        stored.add_to(&mut transaction.open_table(STORED)?)?;
        transaction.commit()?;
        Ok(())
    }
}

type RedbRows<'t> = redb::Table<'t, &'static [u8], &'static [u8]>;

/// How many bytes of keys and values a transaction changes.
#[derive(Default)]
struct StoredBytes {
    added: u64,
    removed: u64,
}

impl StoredBytes {
    /// Makes a row what is known of it.
    fn note(
        &mut self,
        key: &Bytes,
        known: &Lookup,
        rows: &mut RedbRows<'_>,
    ) -> Result<(), redb::Error> {
        let old = match known {
            Lookup::Value(value) => {
                self.added += (key.len() + value.len()) as u64;
                rows.insert(&key[..], &value[..])?
            }
            Lookup::Removed => rows.remove(&key[..])?,
        };
        self.removed += old.map_or(0, |old| (key.len() + old.value().len()) as u64);
        Ok(())
    }

    fn add_to(self, stored: &mut redb::Table<'_, (), u64>) -> Result<(), redb::Error> {
        let before = stored.get(())?.map_or(0, |bytes| bytes.value());
        let now = (before + self.added).saturating_sub(self.removed);
        stored.insert((), now)?;
        Ok(())
    }
}
