//! Renaming a prefix (B10): one record gives all its objects their new keys, and the rows follow in
//! slices.

use bytes::Bytes;

use super::{BatchPlanner, Planned};
use crate::commit::change::{Done, PrefixRename};
use crate::commit::view::{KeyValue, RowView};
use crate::errors::ChangeError;
use crate::format::redirect::{Redirect, join, rest_of};
use crate::format::rows::{Mutation, Row, Table};
use crate::object::{MAX_KEY_LENGTH, Object};

/// A slice ends behind so many bytes of rows, too: objects of many parts have long ones.
const SLICE_BYTES: usize = 512 << 10;

/// Rows that move with one record.
struct Slice {
    /// Rows of objects that have their new keys already.
    renamed: Vec<KeyValue>,
    /// Rows of objects that were put under the old prefix since.
    arrived: Vec<KeyValue>,
    /// The least rest that is left, if any is.
    next: Option<String>,
}

impl<V: RowView> BatchPlanner<'_, V> {
    /// Gives the objects under a prefix other keys, all at once. When few rows have to move they do so
    /// here and now, and no redirect is left.
    pub(super) fn rename_prefix(&mut self, rename: &PrefixRename) -> Planned<Done> {
        let PrefixRename { from, to, .. } = rename;
        let running = self.redirect.clone();
        if running
            .as_ref()
            .is_some_and(|it| it.touches(from) || it.touches(to))
        {
            return Err(ChangeError::RenameRunning.into());
        }
        let redirect = Redirect {
            from: from.clone(),
            to: to.clone(),
            next: String::new(),
            began: self.sequence(),
        };
        let slice = self.slice(&redirect)?;
        if slice.renamed.is_empty() {
            return Err(ChangeError::NothingToRename.into());
        }
        let marker = self.replaced_marker(rename)?;
        if slice.next.is_some() && running.is_some() {
            return Err(ChangeError::RenameRunning.into());
        }
        if !self.lengths_are_known(rename, &slice)? {
            return Ok(Done::Unchecked);
        }
        if let Some(marker) = &marker {
            self.count_object(Some(marker), None)?;
        }
        let left = slice.next.clone().map(|next| Redirect {
            next,
            ..redirect.clone()
        });
        // First of all, so that the record is known for what it is.
        self.set_redirect(Some(redirect.clone()));
        if let Some(marker) = marker {
            self.set_row(Table::Objects, Bytes::copy_from_slice(to.as_bytes()), None);
            self.release(&marker.blob)?;
        }
        self.move_rows(&redirect, slice);
        self.set_redirect(left.or(running));
        Ok(Done::Renamed {
            sequence: redirect.began,
        })
    }

    /// Moves the next rows of the rename under way; with the last of them it has ended.
    pub(super) fn move_slice(&mut self) -> Planned<Done> {
        let Some(redirect) = self.redirect.clone() else {
            return Ok(Done::Nothing);
        };
        let slice = self.slice(&redirect)?;
        let left = slice.next.clone().map(|next| Redirect {
            next,
            ..redirect.clone()
        });
        self.set_redirect(left);
        self.move_rows(&redirect, slice);
        Ok(Done::Nothing)
    }

    /// The object whose key is the new prefix, which may be replaced; refuses when there is more under
    /// it, or that may not be.
    fn replaced_marker(&self, rename: &PrefixRename) -> Planned<Option<Object>> {
        let to = Bytes::copy_from_slice(rename.to.as_bytes());
        let held = self.rows.scan_from(Table::Objects, &to, &to, 2)?;
        match &held[..] {
            [] => Ok(None),
            [(row, marker)] if *row == to && rename.replace_marker => {
                Ok(Some(Object::decode(marker)?))
            }
            _ => Err(ChangeError::PrefixNotEmpty.into()),
        }
    }

    /// Whether all new keys are known not to be too long; refuses when one is. Those of a slice are
    /// looked at here; more than that were looked at before, and here only what came since.
    fn lengths_are_known(&self, rename: &PrefixRename, slice: &Slice) -> Planned<bool> {
        let Some(longest) = rename.longest() else {
            return Ok(true);
        };
        let from = Bytes::copy_from_slice(rename.from.as_bytes());
        if slice.next.is_none() {
            return refuse_longer(longest, slice.renamed.iter().map(|(row, _)| row.len()));
        }
        let Some(checked) = rename.checked else {
            return Ok(false);
        };
        let changed = self.rows.view().changed_since(checked, &rename.from)?;
        let Some(changed) = changed else {
            return Ok(false);
        };
        let planned = self.rows.set_above(Table::Objects, &from);
        let lengths = changed.iter().map(|key| key.as_str().len());
        refuse_longer(longest, lengths.chain(planned.map(Bytes::len)))
    }

    /// The rows from `next` on, as many as one record may move.
    fn slice(&self, redirect: &Redirect) -> Planned<Slice> {
        let (from, start) = (
            Bytes::copy_from_slice(redirect.from.as_bytes()),
            redirect.start(),
        );
        let rows = |table| {
            self.rows
                .scan_from(table, &from, &start, self.context.slice + 1)
        };
        let (mut renamed, mut arrived) = (rows(Table::Objects)?, rows(Table::Arrivals)?);
        let ends = [&renamed, &arrived].map(|rows| self.end_of_slice(rows));
        let next = ends.into_iter().flatten().min();
        if let Some(next) = &next {
            renamed.retain(|(row, _)| row < next);
            arrived.retain(|(row, _)| row < next);
        }
        let next = next.map(|row| rest_of(&redirect.from, &row)).transpose()?;
        Ok(Slice {
            renamed,
            arrived,
            next,
        })
    }

    /// The first of the rows that a slice has no room for.
    fn end_of_slice(&self, rows: &[KeyValue]) -> Option<Bytes> {
        let mut bytes = 0;
        let end = rows.iter().enumerate().position(|(at, (row, value))| {
            let full = at == self.context.slice || bytes > SLICE_BYTES;
            bytes += row.len() + value.len();
            full
        });
        end.map(|end| rows[end].0.clone())
    }

    fn move_rows(&mut self, redirect: &Redirect, slice: Slice) {
        for (row, value) in slice.renamed {
            let to = join(&redirect.to, &row[redirect.from.len()..]);
            self.set_row(Table::Objects, row, None);
            self.set_row(Table::Objects, to, Some(value));
        }
        // Behind those, whose places they take.
        for (row, value) in slice.arrived {
            self.set_row(Table::Arrivals, row.clone(), None);
            self.set_row(Table::Objects, row, Some(value));
        }
    }

    fn set_redirect(&mut self, redirect: Option<Redirect>) {
        let Mutation { table, key, value } = Redirect::row(redirect.as_ref());
        self.set_row(table, key, value);
        self.redirect = redirect;
    }
}

fn refuse_longer(longest: usize, mut lengths: impl Iterator<Item = usize>) -> Planned<bool> {
    if lengths.any(|length| length > longest) {
        return Err(ChangeError::KeyTooLong.into());
    }
    Ok(true)
}

impl PrefixRename {
    /// Length of the longest key that may be renamed, if one could be too long.
    pub fn longest(&self) -> Option<usize> {
        let longer = self.to.len().checked_sub(self.from.len())?;
        (longer > 0).then(|| MAX_KEY_LENGTH.saturating_sub(longer))
    }
}
