//! Rows that are durable in the log and not yet in redb (B2, B3).

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use parking_lot::RwLock;

use crate::format::redirect::Redirect;
use crate::format::rows::{Mutation, Table};
use crate::index::feed::RawEvent;
use crate::object::Timestamp;
use crate::offload::Offload;

/// What a memtable knows of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// It has this value.
    Value(Bytes),
    /// It is gone.
    Removed,
}

impl Lookup {
    /// The value as redb would answer it.
    pub fn value(self) -> Option<Bytes> {
        match self {
            Self::Value(value) => Some(value),
            Self::Removed => None,
        }
    }
}

type Rows = BTreeMap<Bytes, Lookup>;

/// Ordered rows of every table, with what they amount to.
#[derive(Debug, Default)]
pub struct Memtable {
    inner: RwLock<Inner>,
}

#[derive(Debug, Clone, Default)]
struct Inner {
    tables: [Rows; Table::ALL.len()],
    events: Vec<RawEvent>,
    size: Size,
}

/// How much a memtable holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Mutations applied, counting a row as often as it changed.
    pub mutations: usize,
    /// Bytes of keys and values of all mutations applied.
    pub bytes: usize,
}

impl Inner {
    fn apply<'a>(&mut self, mutations: impl IntoIterator<Item = &'a Mutation>) {
        for mutation in mutations {
            let value = match &mutation.value {
                Some(value) => Lookup::Value(value.clone()),
                None => Lookup::Removed,
            };
            self.size.mutations += 1;
            self.size.bytes += bytes(mutation);
            self.tables[mutation.table as usize].insert(mutation.key.clone(), value);
        }
    }
}

/// What records will take in a memtable, as [`Size::bytes`].
pub fn row_bytes(records: &[Vec<Mutation>]) -> usize {
    records.iter().flatten().map(bytes).sum()
}

fn bytes(mutation: &Mutation) -> usize {
    mutation.key.len() + mutation.value.as_ref().map_or(0, Bytes::len) + ROW_OVERHEAD
}

impl Memtable {
    /// Applies mutations in their order.
    #[cfg(test)]
    fn apply<'a>(&self, mutations: impl IntoIterator<Item = &'a Mutation>) {
        self.inner.write().apply(mutations);
    }

    /// Applies the record of this sequence number, which became durable at `time`.
    ///
    /// `redirect`: the one that the record was planned under.
    pub fn apply_record(
        &self,
        sequence: u64,
        time: Timestamp,
        record: &[Mutation],
        redirect: Option<&Redirect>,
    ) {
        let mut inner = self.inner.write();
        inner.apply(record);
        if let Some(event) = RawEvent::of_record(sequence, time, record, redirect) {
            inner.size.bytes += size_of::<RawEvent>();
            inner.events.push(event);
        }
    }

    /// The events behind a sequence number that are no rows yet.
    pub fn events_after(&self, sequence: u64) -> Vec<RawEvent> {
        let inner = self.inner.read();
        let from = inner.events.partition_point(|it| it.sequence <= sequence);
        inner.events[from..].to_vec()
    }

    /// Applies rows that hold all events so far.
    pub fn replace_events(&self, rows: &[Mutation]) {
        let mut inner = self.inner.write();
        inner.apply(rows);
        inner.events = Vec::new();
    }

    /// The rows as they are now, which later changes do not alter.
    pub fn copy(&self) -> Self {
        let inner = RwLock::new(self.inner.read().clone());
        Self { inner }
    }

    /// What is known of one row.
    pub fn get(&self, table: Table, key: &[u8]) -> Option<Lookup> {
        self.inner.read().tables[table as usize].get(key).cloned()
    }

    /// The first row at or behind `key`.
    pub fn first_from(&self, table: Table, key: &[u8]) -> Option<(Bytes, Lookup)> {
        self.inner.read().tables[table as usize]
            .range::<[u8], _>((Bound::Included(key), Bound::Unbounded))
            .next()
            .map(|(key, known)| (key.clone(), known.clone()))
    }

    /// Hands every row of a table to `each`, in order, with pauses: a fold must never keep a core
    /// from the requests for long.
    pub fn for_each<E>(
        &self,
        table: Table,
        offload: Offload,
        mut each: impl FnMut(&Bytes, &Lookup) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut after = None;
        loop {
            let slice = self.slice(table, after.as_ref(), SLICE);
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

    /// Up to `limit` rows behind `after`, in order.
    pub(super) fn slice(
        &self,
        table: Table,
        after: Option<&Bytes>,
        limit: usize,
    ) -> Vec<(Bytes, Lookup)> {
        let from = after.map_or(Bound::Unbounded, |key| Bound::Excluded(&key[..]));
        self.inner.read().tables[table as usize]
            .range::<[u8], _>((from, Bound::Unbounded))
            .take(limit)
            .map(|(key, known)| (key.clone(), known.clone()))
            .collect()
    }

    pub fn size(&self) -> Size {
        self.inner.read().size
    }
}

/// Rows handled without a pause.
const SLICE: usize = 256;

/// What a row costs beside its bytes: a node's share and two reference-counted handles.
const ROW_OVERHEAD: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, value: Option<&str>) -> Mutation {
        Mutation {
            table: Table::Objects,
            key: Bytes::copy_from_slice(key.as_bytes()),
            value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())),
        }
    }

    #[test]
    fn the_last_mutation_counts_and_removals_are_remembered() {
        let table = Memtable::default();
        table.apply(&[put("a", Some("1")), put("b", Some("2")), put("a", None)]);
        assert_eq!(table.get(Table::Objects, b"a"), Some(Lookup::Removed));
        assert_eq!(table.get(Table::Objects, b"c"), None);
        assert_eq!(table.get(Table::Uploads, b"a"), None);
        assert_eq!(
            table.first_from(Table::Objects, b"aa"),
            Some(("b".into(), Lookup::Value("2".into())))
        );
        assert_eq!(table.size().mutations, 3);
    }

    #[test]
    fn slices_go_on_where_the_last_one_ended() {
        let table = Memtable::default();
        table.apply(&["a", "b", "c"].map(|key| put(key, Some("x"))));
        let first = table.slice(Table::Objects, None, 2);
        let second = table.slice(Table::Objects, first.last().map(|(key, _)| key), 2);
        assert_eq!([first.len(), second.len()], [2, 1]);
        assert_eq!(second[0].0, Bytes::from("c"));
    }
}
