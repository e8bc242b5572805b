//! Blobs: which spans a body takes, and where the slices of a blob are kept.

use std::ops::Range;

use bytes::Bytes;

use super::{BatchPlanner, Planned, Stop};
use crate::CHECKED_RUN;
use crate::blob::slices::{cut, total, within};
use crate::commit::view::RowView;
use crate::format::crc::crc32c_of_runs;
use crate::format::layout::DATA_ZONE;
use crate::format::rows::{
    Row, Shares, Slices, Span, Table, blob_key, slices_end, slices_key, span_key,
};
use crate::index::IndexError;
use crate::object::{Blob, BlobId, MAX_INLINE_SLICES, SpanId, SpanSlice, StoredBlob};
use crate::requests::Body;

/// A blob to which something was appended has at most this many slices in its object's row, which each
/// append writes anew; those beyond become a row of their own. The simulation appends less.
pub const MAX_TAIL: usize = if cfg!(feature = "breakable") { 3 } else { 128 };

impl<V: RowView> BatchPlanner<'_, V> {
    /// Names the spans of a body.
    pub(super) fn take_body(&mut self, body: &Body) -> Planned<Blob> {
        let slices = self.take_slices(body)?;
        Ok(self.keep(slices))
    }

    /// The same, as slices to be kept.
    pub(super) fn take_slices(&mut self, body: &Body) -> Planned<Vec<SpanSlice>> {
        let mut slices = Vec::new();
        match body {
            Body::Small(bytes) if bytes.is_empty() => {}
            Body::Small(bytes) => {
                let at = self.group.body(bytes.clone());
                let offset = self.context.address - DATA_ZONE + at;
                let length = bytes.len() as u64;
                // What lies behind the segment is somebody else's; this group will not reach it.
                if at + length <= self.context.room {
                    self.expect_fresh(offset)?;
                }
                let sums = crc32c_of_runs(std::slice::from_ref(bytes), CHECKED_RUN as usize);
                slices.push(self.take_span(offset, length, sums));
            }
            Body::Stored(spans) => {
                for span in spans {
                    let offset = span.claim.address() - DATA_ZONE;
                    self.expect_fresh(offset)?;
                    slices.push(self.take_span(offset, span.length, span.sums.clone()));
                }
            }
        }
        Ok(slices)
    }

    /// No address is ever given out twice (B8): better no bucket than one that writes over what it
    /// acknowledged.
    fn expect_fresh(&self, offset: u64) -> Planned<()> {
        if self.rows.remembers(Table::Spans, &span_key(SpanId(offset))) {
            return Err(Stop::Failed(IndexError(format!(
                "the address {offset} was given out twice"
            ))));
        }
        Ok(())
    }

    fn take_span(&mut self, offset: u64, length: u64, sums: Vec<u32>) -> SpanSlice {
        let id = SpanId(offset);
        let span = Span {
            offset,
            length,
            sums,
        };
        self.set(Table::Spans, span_key(id), Some(span.encode()));
        SpanSlice {
            span: id,
            offset: 0,
            length,
        }
    }

    /// A blob of these slices, whose references are counted already.
    pub(super) fn keep(&mut self, slices: Vec<SpanSlice>) -> Blob {
        if slices.len() <= MAX_INLINE_SLICES {
            return Blob::Inline(slices);
        }
        let id = BlobId(self.sequence());
        self.store_behind(StoredBlob { id, length: 0 }, &slices);
        Blob::Stored(id)
    }

    /// Puts slices behind all that a stored blob has; answers what it is then.
    fn store_behind(&mut self, blob: StoredBlob, slices: &[SpanSlice]) -> StoredBlob {
        let StoredBlob { id, mut length } = blob;
        for row in slices.chunks(MAX_INLINE_SLICES) {
            length += total(row);
            let value = Slices(row.to_vec()).encode();
            self.set(Table::Slices, slices_key(id, length), Some(value));
        }
        StoredBlob { id, length }
    }

    /// A blob of `length` bytes with slices behind it, whose references are counted already. Whatever
    /// the blob's size, few rows are written, and no row that a reader may need is changed.
    pub(super) fn extend(
        &mut self,
        blob: Blob,
        length: u64,
        more: Vec<SpanSlice>,
    ) -> Planned<Blob> {
        let (mut stored, mut tail) = match blob {
            Blob::Inline(slices) => (Vec::new(), slices),
            Blob::Stored(id) => (vec![StoredBlob { id, length }], Vec::new()),
            Blob::Extended(stored, tail) => (stored, tail),
        };
        tail.extend(more);
        if tail.len() > MAX_TAIL {
            let last = self.pop_own(&mut stored)?;
            stored.push(self.store_behind(last, &tail));
            tail.clear();
        }
        Ok(if stored.is_empty() {
            Blob::Inline(tail)
        } else {
            Blob::Extended(stored, tail)
        })
    }

    /// The last of these, if no copy has it as well; else one that begins.
    fn pop_own(&self, stored: &mut Vec<StoredBlob>) -> Planned<StoredBlob> {
        if let Some(last) = stored.last().copied()
            && self
                .get::<Shares>(Table::BlobShares, &blob_key(last.id))?
                .is_none()
        {
            stored.pop();
            return Ok(last);
        }
        let id = BlobId(self.sequence());
        Ok(StoredBlob { id, length: 0 })
    }

    /// The slices that hold `range` of a blob's bytes.
    pub(super) fn slices(&self, blob: &Blob, range: Range<u64>) -> Planned<Vec<SpanSlice>> {
        match blob {
            Blob::Inline(slices) => Ok(cut(slices, range)),
            Blob::Stored(id) => self.stored_slices(*id, range),
            Blob::Extended(stored, tail) => {
                let mut slices = Vec::new();
                let mut start = 0;
                for StoredBlob { id, length } in stored {
                    let within = within(&range, start, *length);
                    slices.extend(self.stored_slices(*id, within)?);
                    start += length;
                }
                slices.extend(cut(tail, within(&range, start, total(tail))));
                Ok(slices)
            }
        }
    }

    fn stored_slices(&self, id: BlobId, range: Range<u64>) -> Planned<Vec<SpanSlice>> {
        let mut slices = Vec::new();
        for (row, Slices(held)) in self.stored_rows(id)? {
            let end = slices_end(&row)?;
            let start = end - total(&held);
            slices.extend(cut(&held, within(&range, start, end - start)));
        }
        Ok(slices)
    }

    /// The slices of a blob that only one part has, which goes: they are the caller's then, with
    /// their references.
    pub(super) fn take_over(&mut self, blob: Blob) -> Planned<Vec<SpanSlice>> {
        let id = match blob {
            Blob::Inline(slices) => return Ok(slices),
            Blob::Stored(id) => id,
            Blob::Extended(..) => {
                let unheard = "something was appended to a part".to_owned();
                return Err(Stop::Failed(IndexError(unheard)));
            }
        };
        let mut slices = Vec::new();
        for (row, Slices(held)) in self.stored_rows(id)? {
            slices.extend(held);
            self.set(Table::Slices, row, None);
        }
        Ok(slices)
    }

    fn stored_rows(&self, id: BlobId) -> Planned<Vec<(Bytes, Slices)>> {
        Ok(self.rows.scan(Table::Slices, &blob_key(id), usize::MAX)?)
    }
}
