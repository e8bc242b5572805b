//! Rows as a planner sees them: the index, and above it what the changes planned so far leave.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::format::redirect::Redirect;
use crate::format::rows::{Row, Table};
use crate::index::IndexError;
use crate::object::Key;

/// A row's key and value.
pub type KeyValue = (Bytes, Bytes);

/// Rows to plan on; reading them may block.
pub trait RowView {
    /// One row.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, IndexError>;

    /// The prefix rename under way, if one is: rows are asked for where it has them.
    fn redirect(&self) -> Result<Option<Redirect>, IndexError>;

    /// The first `limit` rows at or behind `from` that start with `prefix`, in order.
    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<KeyValue>, IndexError>;

    /// The objects under a prefix that were put or relabelled behind a sequence number; `None` when
    /// that cannot be told.
    fn changed_since(&self, sequence: u64, prefix: &str) -> Result<Option<Vec<Key>>, IndexError>;

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

    /// The rows of a table that start with a prefix, in order.
    pub fn scan<R: Row>(
        &self,
        table: Table,
        prefix: &Bytes,
        limit: usize,
    ) -> Result<Vec<(Bytes, R)>, IndexError> {
        let rows = self.scan_from(table, prefix, prefix, limit)?;
        rows.into_iter()
            .map(|(key, value)| Ok((key, R::decode(&value)?)))
            .collect()
    }

    /// See [`RowView::scan`].
    pub fn scan_from(
        &self,
        table: Table,
        prefix: &Bytes,
        from: &Bytes,
        limit: usize,
    ) -> Result<Vec<KeyValue>, IndexError> {
        let changed: Vec<_> = self
            .rows
            .range((table, from.clone())..)
            .take_while(|((found, key), _)| *found == table && key.starts_with(prefix))
            .collect();
        // Each changed row hides at most one below it.
        let below = limit.saturating_add(changed.len());
        let mut rows: BTreeMap<Bytes, Bytes> = self
            .view
            .scan(table, prefix, from, below)?
            .into_iter()
            .collect();
        for ((_, key), value) in changed {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(rows.into_iter().take(limit).collect())
    }

    /// What a row became above the view, if it changed there.
    pub fn changed(&self, table: Table, key: &Bytes) -> Option<&Option<Bytes>> {
        self.rows.get(&(table, key.clone()))
    }

    /// The keys of rows that were set above the view and start with a prefix.
    pub fn set_above(&self, table: Table, prefix: &Bytes) -> impl Iterator<Item = &Bytes> {
        self.rows
            .range((table, prefix.clone())..)
            .take_while(move |((found, key), _)| *found == table && key.starts_with(prefix))
            .filter_map(|((_, key), value)| value.is_some().then_some(key))
    }

    /// What lies below.
    pub fn view(&self) -> &V {
        self.view
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

    fn redirect(&self) -> Result<Option<Redirect>, IndexError> {
        let row = self.get(Table::Redirect, &[])?;
        Ok(row.map(|row| Redirect::decode(&row)).transpose()?)
    }

    /// Nothing was ever put but what is there.
    fn changed_since(&self, _: u64, _: &str) -> Result<Option<Vec<Key>>, IndexError> {
        Ok(Some(Vec::new()))
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<KeyValue>, IndexError> {
        let rows = self.0.range((table, Bytes::copy_from_slice(from))..);
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
