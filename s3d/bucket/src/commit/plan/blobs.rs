//! Blobs: which spans a body takes, and where the slices of a blob are kept.

use std::ops::Range;

use bytes::Bytes;

use super::{BatchPlanner, Planned, Stop};
use crate::CHECKED_RUN;
use crate::blob::pieces;
use crate::blob::slices::{cut, total, within};
use crate::commit::view::RowView;
use crate::format::crc::crc32c_of_runs;
use crate::format::layout::DATA_ZONE;
use crate::format::rows::{Row, Slices, Span, Table, blob_key, slices_end, slices_key, span_key};
use crate::index::IndexError;
use crate::object::{Blob, BlobId, MAX_INLINE_SLICES, Piece, SpanId, SpanSlice, StoredBlob};
use crate::requests::Body;

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
        Blob::Stored(self.store(BlobId(self.sequence()), &slices).id)
    }

    /// Makes a stored blob of slices.
    pub(super) fn store(&mut self, id: BlobId, slices: &[SpanSlice]) -> StoredBlob {
        let mut length = 0;
        for row in slices.chunks(MAX_INLINE_SLICES) {
            length += total(row);
            let value = Slices(row.to_vec()).encode();
            self.set(Table::Slices, slices_key(id, length), Some(value));
        }
        let slices = u32::try_from(slices.len()).unwrap_or(u32::MAX);
        StoredBlob { id, length, slices }
    }

    /// The slices that hold `range` of a blob's bytes.
    pub(super) fn slices(&self, blob: &Blob, range: Range<u64>) -> Planned<Vec<SpanSlice>> {
        match blob {
            Blob::Inline(slices) => Ok(cut(slices, range)),
            Blob::Stored(id) => self.stored_slices(*id, range),
            Blob::Pieces(held) => self.slices_of(&pieces::within(held, range)),
        }
    }

    /// The slices that hold the bytes of pieces.
    pub(super) fn slices_of(&self, pieces: &[Piece]) -> Planned<Vec<SpanSlice>> {
        let mut slices = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Slice(slice) => slices.push(*slice),
                Piece::Stored { blob, range } => {
                    slices.extend(self.stored_slices(blob.id, range.clone())?);
                }
            }
        }
        Ok(slices)
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
            Blob::Pieces(_) => {
                let unheard = "something was written into a part".to_owned();
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

    pub(super) fn stored_rows(&self, id: BlobId) -> Planned<Vec<(Bytes, Slices)>> {
        Ok(self.rows.scan(Table::Slices, &blob_key(id), usize::MAX)?)
    }
}
