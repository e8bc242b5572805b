//! The rows that can still be read from an index with damaged pages.
//!
//! redb stops at a page that it cannot read, and may panic over one that makes no sense. A walk that
//! was stopped goes on at the first key behind the damage, which is found by halving what lies
//! between the last key before it and one behind it that can be read.

use std::ops::Bound;

use bytes::Bytes;

use crate::check::{close, guarded};
use crate::format::rows::Table;
use crate::index::IndexError;
use crate::index::cursor::StoredRows;
use crate::index::store::{Store, rows_of};

/// Halvings for one damaged place: keys are far shorter than they could tell apart.
const HALVINGS: usize = 256;

/// Reads what can be read.
pub struct Salvage<O> {
    /// Opens the index; one that met damage is of no more use.
    open: O,
    store: Option<Store>,
    /// Damaged places that were met.
    pub damaged: u64,
}

/// A row, or where to go on behind the damage.
type Stopped = Option<Bytes>;

impl<O: Fn() -> Result<Store, IndexError>> Salvage<O> {
    pub fn new(open: O) -> Self {
        Self {
            open,
            store: None,
            damaged: 0,
        }
    }

    /// Hands every row of a table that can be read to `each`, in order.
    pub fn rows(
        &mut self,
        table: Table,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        let mut from = Bound::Unbounded;
        loop {
            let mut last: Stopped = None;
            let mut refused = None;
            let walked = self.look(table, |rows| {
                for row in rows.range::<&[u8]>((as_slice(&from), Bound::Unbounded))? {
                    let (key, value) = row?;
                    if let Err(error) = each(key.value(), value.value()) {
                        refused = Some(error);
                        break;
                    }
                    last = Some(Bytes::copy_from_slice(key.value()));
                }
                Ok(())
            });
            if let Some(error) = refused {
                return Err(error);
            }
            if walked.is_some() {
                return Ok(());
            }
            self.damaged += 1;
            if let Some(last) = last {
                from = Bound::Excluded(last);
            }
            let low = match &from {
                Bound::Excluded(key) | Bound::Included(key) => key.clone(),
                Bound::Unbounded => Bytes::new(),
            };
            match self.first_behind(table, low) {
                Some(key) => from = Bound::Included(key),
                None => return Ok(()),
            }
        }
    }

    /// Opens the index for `look`; `None` when it met damage. Answers nothing of a table that an
    /// index of an earlier version lacks.
    fn look<T: Default>(
        &mut self,
        table: Table,
        look: impl FnOnce(&StoredRows) -> Result<T, redb::Error>,
    ) -> Option<T> {
        let held = self.store.take();
        // Twice, since closing what met damage may panic again.
        let looked = guarded(|| {
            let store = held.map_or_else(&self.open, Ok)?;
            let found = guarded(|| {
                let (_opened, transaction) = store.begin_read()?;
                let rows = rows_of(&transaction, table)?;
                Ok(rows.map(|rows| look(&rows)).transpose()?)
            })?;
            Ok((store, found))
        });
        let (store, found) = looked.ok()?;
        self.store = Some(store);
        Some(found.unwrap_or_default())
    }

    /// The first key behind `low` that can be read, if any can.
    fn first_behind(&mut self, table: Table, mut low: Bytes) -> Option<Bytes> {
        // Behind every key; no row is read to find that nothing is there.
        let mut high = Bytes::from_static(&[0xff; 16]);
        let mut found = None;
        for _ in 0..HALVINGS {
            let Some(middle) = between(&low, &high) else {
                break;
            };
            let first = self.look(table, |rows| {
                let mut range = rows.range::<&[u8]>(&middle[..]..)?;
                let first = range.next().transpose()?;
                Ok(first.map(|(key, _)| Bytes::copy_from_slice(key.value())))
            });
            match first {
                Some(Some(key)) => {
                    high = middle;
                    found = Some(key);
                }
                Some(None) => high = middle,
                None => low = middle,
            }
        }
        found
    }
}

impl<O> Drop for Salvage<O> {
    fn drop(&mut self) {
        close(self.store.take());
    }
}

fn as_slice(bound: &Bound<Bytes>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// A key in the middle between two, read as fractions of base 256; `None` when there is none.
fn between(low: &[u8], high: &[u8]) -> Option<Bytes> {
    let length = low.len().max(high.len()) + 1;
    let digit = |key: &[u8], at: usize| u16::from(key.get(at).copied().unwrap_or(0));
    let mut sum = vec![0_u16; length];
    let mut carry = 0;
    for at in (0..length).rev() {
        let digits = digit(low, at) + digit(high, at) + carry;
        carry = digits >> 8;
        sum[at] = digits & 0xff;
    }
    let mut middle = Vec::with_capacity(length);
    for digit in sum {
        let digits = digit + (carry << 8);
        middle.push((digits / 2) as u8);
        carry = digits % 2;
    }
    while middle.last() == Some(&0) {
        middle.pop();
    }
    (low < &middle[..] && &middle[..] < high).then(|| middle.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_between_is_between(
            low in proptest::collection::vec(any::<u8>(), 0..9),
            high in proptest::collection::vec(any::<u8>(), 0..9),
        ) {
            if let Some(middle) = between(&low, &high) {
                prop_assert!(low[..] < middle[..] && middle[..] < high[..]);
            }
        }

        #[test]
        fn halving_comes_close(low in 0..u32::MAX - 2, step in 2u32..1000) {
            let high = low.saturating_add(step).to_be_bytes();
            prop_assert!(between(&low.to_be_bytes(), &high).is_some());
        }
    }
}
