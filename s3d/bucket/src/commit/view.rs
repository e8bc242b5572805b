//! Rows as a planner sees them: the index, and above it what the changes planned so far leave.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::format::rows::{Row, Table};
use crate::index::IndexError;

/// A row's key and value.
pub type KeyValue = (Bytes, Bytes);

/// Rows to plan on; reading them may block.
pub trait RowView {
    /// One row.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, IndexError>;

    /// The first `limit` rows whose keys start with `prefix`, in order.
    fn scan(&self, table: Table, prefix: &[u8], limit: usize) -> Result<Vec<KeyValue>, IndexError>;

    /// Whether a row is there, or was, as far as memory knows: the database is not asked.
    fn remembers(&self, table: Table, key: &[u8]) -> bool;
}

/// A view with changes above it.
pub struct Overlay<'v, V> {
    view: &'v V,
    rows: BTreeMap<(Table, Bytes), Option<Bytes>>,
}

impl<'v, V: RowView> Overlay<'v, V> {
    pub fn new(view: &'v V) -> Self {
        Self {
            view,
            rows: BTreeMap::new(),
        }
    }

    pub fn set(&mut self, table: Table, key: Bytes, value: Option<Bytes>) {
        self.rows.insert((table, key), value);
    }

    pub fn get<R: Row>(&self, table: Table, key: &Bytes) -> Result<Option<R>, IndexError> {
        let value = match self.rows.get(&(table, key.clone())) {
            Some(value) => value.clone(),
            None => self.view.get(table, key)?,
        };
        Ok(value.map(|value| R::decode(&value)).transpose()?)
    }

    /// See [`RowView::scan`].
    pub fn scan<R: Row>(
        &self,
        table: Table,
        prefix: &Bytes,
        limit: usize,
    ) -> Result<Vec<(Bytes, R)>, IndexError> {
        let changed: Vec<_> = self
            .rows
            .range((table, prefix.clone())..)
            .take_while(|((found, key), _)| *found == table && key.starts_with(prefix))
            .collect();
        // Each changed row hides at most one below it.
        let below = limit.saturating_add(changed.len());
        let mut rows: BTreeMap<Bytes, Bytes> =
            self.view.scan(table, prefix, below)?.into_iter().collect();
        for ((_, key), value) in changed {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        rows.into_iter()
            .take(limit)
            .map(|(key, value)| Ok((key, R::decode(&value)?)))
            .collect()
    }

    pub fn remembers(&self, table: Table, key: &Bytes) -> bool {
        self.rows.contains_key(&(table, key.clone())) || self.view.remembers(table, key)
    }
}

/// A view of rows in memory, for tests.
#[cfg(test)]
pub struct Fixed(pub BTreeMap<(Table, Bytes), Bytes>);

#[cfg(test)]
impl RowView for Fixed {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        let key = (table, Bytes::copy_from_slice(key));
        Ok(self.0.get(&key).cloned())
    }

    fn scan(&self, table: Table, prefix: &[u8], limit: usize) -> Result<Vec<KeyValue>, IndexError> {
        let rows = self.0.range((table, Bytes::copy_from_slice(prefix))..);
        Ok(rows
            .take_while(|((found, key), _)| *found == table && key.starts_with(prefix))
            .take(limit)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect())
    }

    fn remembers(&self, table: Table, key: &[u8]) -> bool {
        self.0.contains_key(&(table, Bytes::copy_from_slice(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::rows::Shares;

    fn key(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn a_scan_shows_changes_and_fills_its_limit() {
        let below = ["a1", "a2", "a3", "b1"];
        let rows = below.map(|it| ((Table::Shares, key(it)), Shares(2).encode()));
        let fixed = Fixed(rows.into());
        let mut overlay = Overlay::new(&fixed);
        overlay.set(Table::Shares, key("a1"), None);
        overlay.set(Table::Shares, key("a4"), Some(Shares(4).encode()));
        overlay.set(Table::Spans, key("a0"), Some(Shares(9).encode()));
        let scan = |limit| {
            let rows = overlay.scan::<Shares>(Table::Shares, &key("a"), limit);
            rows.unwrap().into_iter().map(|(key, _)| key)
        };
        assert!(scan(9).eq(["a2", "a3", "a4"].map(key)));
        assert!(scan(2).eq(["a2", "a3"].map(key)));
    }
}
