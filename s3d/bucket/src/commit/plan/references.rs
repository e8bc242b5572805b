//! Who names what: spans are freed when the last slice that names them goes (B6, B7).

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{BatchPlanner, Planned, Stop};
use crate::commit::change::Done;
use crate::commit::view::RowView;
use crate::format::rows::{Doomed, Freed, Row, Shares, Slices, Table, blob_key, span_key};
use crate::index::IndexError;
use crate::object::{Blob, BlobId, MAX_INLINE_SLICES, Part, Piece, SpanSlice, UploadId};
use crate::rules::{Rule, kept};

/// Most parts that one change releases.
const RELEASED_PARTS: usize = 200;

impl<V: RowView> BatchPlanner<'_, V> {
    /// Another blob holds these slices as well.
    pub(super) fn retain_slices(&mut self, slices: &[SpanSlice]) {
        self.count_references(slices, 1);
    }

    pub(super) fn count_references(&mut self, slices: &[SpanSlice], by: i64) {
        for slice in slices {
            *self.references.entry(slice.span).or_default() += by;
        }
    }

    /// A blob has no use any more for whoever held it.
    pub(super) fn release(&mut self, blob: &Blob) -> Planned<()> {
        match blob {
            Blob::Inline(slices) => self.count_references(slices, -1),
            Blob::Stored(id) => self.add_blob(*id, -1)?,
            Blob::Pieces(pieces) => self.replace_pieces(pieces, &[])?,
        }
        Ok(())
    }

    fn add_blob(&mut self, id: BlobId, by: i64) -> Planned<()> {
        if self.add_shares(Table::BlobShares, blob_key(id), by)? == 0 {
            self.doom(&Doomed::Blob(id));
        }
        Ok(())
    }

    /// A blob has other pieces than before. Of most nothing changes.
    pub(super) fn replace_pieces(&mut self, before: &[Piece], after: &[Piece]) -> Planned<()> {
        let mut blobs: BTreeMap<_, i64> = BTreeMap::new();
        for (pieces, by) in [(before, -1), (after, 1)] {
            for piece in pieces {
                match piece {
                    Piece::Slice(slice) => self.count_references(std::slice::from_ref(slice), by),
                    Piece::Stored { blob, .. } => *blobs.entry(blob.id).or_default() += by,
                }
            }
        }
        for (id, by) in blobs {
            if by != 0 {
                self.add_blob(id, by)?;
            }
        }
        Ok(())
    }

    /// Whoever copies an object has its blob, too.
    pub(super) fn share(&mut self, blob: &Blob) -> Planned<()> {
        match blob {
            Blob::Inline(slices) => self.retain_slices(slices),
            Blob::Stored(id) => self.add_blob(*id, 1)?,
            Blob::Pieces(pieces) => self.replace_pieces(&[], pieces)?,
        }
        Ok(())
    }

    /// Writes what the change made of the references to each span.
    pub(super) fn apply_references(&mut self) -> Planned<()> {
        for (span, by) in std::mem::take(&mut self.references) {
            let key = span_key(span);
            if by == 0 {
                continue;
            }
            let named = self.add_shares(Table::Shares, key.clone(), by)?;
            if named == 0 || (by < 0 && !kept(Rule::SharedSpan)) {
                self.free(key)?;
            }
        }
        Ok(())
    }

    /// Answers how many there are then.
    fn add_shares(&mut self, table: Table, key: Bytes, by: i64) -> Planned<u64> {
        let before = self.get::<Shares>(table, &key)?;
        let count = before
            .map_or(1, |Shares(count)| count)
            .checked_add_signed(by)
            .ok_or_else(|| IndexError("something was released more often than named".into()))?;
        if count > 1 {
            self.set(table, key, Some(Shares(count).encode()));
        } else if before.is_some() {
            self.set(table, key, None);
        }
        Ok(count)
    }

    /// Marks a span freed; its own row stays as it is until it is forgotten.
    fn free(&mut self, key: Bytes) -> Planned<()> {
        if self.rows.remembers(Table::Freed, &key) {
            return Err(Stop::Failed(IndexError("a span was freed twice".into())));
        }
        self.set(Table::Freed, key, Some(Freed.encode()));
        Ok(())
    }

    pub(super) fn doom(&mut self, doomed: &Doomed) {
        self.set(Table::Doomed, doomed.key(), Some(().encode()));
    }

    /// Releases a bounded part of what is doomed, and takes the mark away with the last.
    pub(super) fn release_doomed(&mut self, doomed: &Doomed) -> Planned<Done> {
        let key = doomed.key();
        if self.get::<()>(Table::Doomed, &key)?.is_none() {
            return Ok(Done::Released { more: false });
        }
        let more = match doomed {
            Doomed::Blob(id) => self.release_slices(*id)?,
            Doomed::Upload(id) => self.release_parts(id)?,
        };
        if !more {
            self.set(Table::Doomed, key, None);
        }
        Ok(Done::Released { more })
    }

    /// One row of slices: at most [`MAX_INLINE_SLICES`] spans are freed, at 16 bytes each.
    fn release_slices(&mut self, id: BlobId) -> Planned<bool> {
        let rows = self.rows.scan::<Slices>(Table::Slices, &blob_key(id), 2)?;
        let more = rows.len() > 1;
        if let Some((row, Slices(slices))) = rows.into_iter().next() {
            self.count_references(&slices, -1);
            self.set(Table::Slices, row, None);
        }
        Ok(more)
    }

    /// Parts, until about as many slices as one row holds are released.
    fn release_parts(&mut self, id: &UploadId) -> Planned<bool> {
        let prefix = Bytes::copy_from_slice(id.0.as_bytes());
        let parts = self
            .rows
            .scan::<Part>(Table::Parts, &prefix, RELEASED_PARTS + 1)?;
        for (n, (row, part)) in parts.into_iter().enumerate() {
            if n == RELEASED_PARTS || self.references.len() >= MAX_INLINE_SLICES {
                return Ok(true);
            }
            self.release(&part.blob)?;
            self.set(Table::Parts, row, None);
        }
        Ok(false)
    }
}
