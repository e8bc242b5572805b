//! Bodies on their way out: every byte is checked before it is given.
//!
//! What memory has is read in short pieces when it is wanted: a piece is then still in the processor's
//! cache when it is sent. Once a body has to come from the disk, its rest is read ahead in long pieces.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use volumed_client::DeviceError;

use crate::CHECKED_RUN;
use crate::blob::pieces;
use crate::blob::slices::{cut, total};
use crate::blob::transfers::Room;
use crate::errors::{ClosedError, ReadError};
use crate::format::crc::crc32c;
use crate::format::layout::DATA_ZONE;
use crate::format::rows::{Row, Span, Table, span_key};
use crate::index::listing;
use crate::object::{Blob, BlobId, Piece, SpanId, SpanSlice, StoredBlob};
use crate::shared::Shared;
use crate::space::pins::Pin;

/// Chunks asked of the disk ahead of the one that is given.
const AHEAD: usize = 2;

/// Gives the bytes of a blob, chunk by chunk.
pub struct BlobReader {
    shared: Arc<Shared>,
    _pin: Pin,
    /// What was not asked for yet …
    slices: VecDeque<SpanSlice>,
    /// … and what lies behind that.
    rest: VecDeque<Piece>,
    /// The span of the first slice, once it was looked up.
    span: Option<Arc<Span>>,
    reads: FuturesOrdered<BoxFuture<'static, Result<Bytes, ReadError>>>,
    /// How often memory did not have what came next.
    misses: u32,
}

impl BlobReader {
    /// `first`: the span of the blob's first slice, when it is known.
    pub(crate) fn new(
        shared: Arc<Shared>,
        blob: &Blob,
        first: Option<Arc<Span>>,
        pin: Pin,
        range: Range<u64>,
    ) -> Self {
        let (slices, rest) = match blob {
            Blob::Inline(inline) => (cut(inline, range), Vec::new()),
            Blob::Stored(id) => (Vec::new(), vec![stored(*id, range)]),
            Blob::Pieces(held) => (Vec::new(), pieces::within(held, range)),
        };
        let slices: VecDeque<_> = slices.into();
        let span = first.filter(|_| begins(&slices) == blob.first_span());
        Self {
            shared,
            _pin: pin,
            slices,
            rest: rest.into(),
            span,
            reads: FuturesOrdered::new(),
            misses: 0,
        }
    }

    /// The next bytes, at most 1 MiB; `None` behind the last.
    pub async fn next(&mut self) -> Option<Result<Bytes, ReadError>> {
        let next = self.next_or_fail().await;
        if next.is_err() {
            self.slices.clear();
            self.rest.clear();
            self.reads.clear();
        }
        next.transpose()
    }

    async fn next_or_fail(&mut self) -> Result<Option<Bytes>, ReadError> {
        while self.reads.len() < self.ahead() {
            let Some((span, slice)) = self.locate().await? else {
                break;
            };
            if self.reads.is_empty() {
                let range = piece(&slice, CHECKED_RUN);
                if let Some(bytes) = read_cached(&self.shared, &span, &range) {
                    self.advance(span, &range);
                    return Ok(Some(bytes));
                }
                self.misses += 1;
            }
            let room = if slice.length > CHECKED_RUN {
                self.shared.transfers.room()
            } else {
                Room::SHORT
            };
            let range = piece(&slice, room.bytes() as u64);
            self.advance(span.clone(), &range);
            let read = read_counted(self.shared.clone(), span, range, room);
            self.reads.push_back(Box::pin(read));
        }
        self.reads.next().await.transpose()
    }

    /// A single miss says little: the extent's file may not have been open yet.
    fn ahead(&self) -> usize {
        if self.misses < 2 { 1 } else { AHEAD }
    }

    /// What is left of the first slice, and its span; `None` behind the last.
    async fn locate(&mut self) -> Result<Option<(Arc<Span>, SpanSlice)>, ReadError> {
        if self.slices.is_empty() {
            self.slices = self.next_slices().await?.into();
        }
        let Some(&slice) = self.slices.front() else {
            return Ok(None);
        };
        let span = match self.span.take() {
            Some(span) => span,
            None => Arc::new(look_up(&self.shared, &slice).await?),
        };
        Ok(Some((span, slice)))
    }

    /// The slices of the next piece, or of the first of it; none behind the last.
    async fn next_slices(&mut self) -> Result<Vec<SpanSlice>, ReadError> {
        match self.rest.front_mut() {
            Some(Piece::Stored { blob, range }) if !range.is_empty() => {
                let slices = next_row(&self.shared, blob.id, range).await?;
                if range.is_empty() {
                    self.rest.pop_front();
                }
                Ok(slices)
            }
            Some(Piece::Slice(slice)) => {
                let slices = vec![*slice];
                self.rest.pop_front();
                Ok(slices)
            }
            Some(Piece::Stored { .. }) | None => Ok(Vec::new()),
        }
    }

    /// Goes on behind `range`, which is the first of what is left of the first slice.
    fn advance(&mut self, span: Arc<Span>, range: &Range<u64>) {
        if let Some(slice) = self.slices.front_mut() {
            slice.length -= range.end - range.start;
            slice.offset = range.end;
            if slice.length == 0 {
                self.slices.pop_front();
            } else {
                self.span = Some(span);
            }
        }
    }
}

/// The first bytes of a slice, up to a multiple of `longest` in the span.
fn piece(slice: &SpanSlice, longest: u64) -> Range<u64> {
    let length = slice.length.min(longest - slice.offset % longest);
    slice.offset..slice.offset + length
}

/// A chunk whose memory is counted until the client has it.
struct Counted {
    bytes: Bytes,
    _room: Room,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A range of a stored blob, however many slices that has.
fn stored(id: BlobId, range: Range<u64>) -> Piece {
    let blob = StoredBlob {
        id,
        length: range.end,
        slices: u32::MAX,
    };
    Piece::Stored { blob, range }
}

/// The slices that one row holds of a range of a stored blob, which then begins behind them.
async fn next_row(
    shared: &Arc<Shared>,
    blob: BlobId,
    range: &mut Range<u64>,
) -> Result<Vec<SpanSlice>, ReadError> {
    let start = range.start;
    let row = shared
        .index
        .read(move |reader| listing::slices_from(reader, blob, start));
    let damaged = ReadError::Damaged {
        address: DATA_ZONE + blob.0,
    };
    let (end, slices) = shared.looked(row.await)?.ok_or(damaged)?;
    let first = end - total(&slices);
    let to = range.end.min(end);
    let slices = cut(&slices, start - first..to - first);
    range.start = to;
    Ok(slices)
}

fn begins(slices: &VecDeque<SpanSlice>) -> Option<SpanId> {
    slices.front().map(|slice| slice.span)
}

async fn look_up(shared: &Arc<Shared>, slice: &SpanSlice) -> Result<Span, ReadError> {
    // However the object was changed since it was found, the pin keeps this row and its bytes.
    let row = shared.index.get(Table::Spans, span_key(slice.span));
    let row = shared.looked(row.await)?;
    let damaged = ReadError::Damaged {
        address: DATA_ZONE + slice.span.0,
    };
    let span = row
        .and_then(|row| Span::decode(&row).ok())
        .ok_or_else(|| damaged.clone())?;
    let runs = span.length.div_ceil(CHECKED_RUN);
    let whole = slice.offset + slice.length <= span.length && span.sums.len() as u64 == runs;
    if whole { Ok(span) } else { Err(damaged) }
}

/// The checked runs around a range of a span.
struct Runs<'s> {
    address: u64,
    length: usize,
    sums: &'s [u32],
    /// Where the range lies in them.
    within: Range<usize>,
}

impl<'s> Runs<'s> {
    fn around(span: &'s Span, range: &Range<u64>) -> Self {
        let first = range.start / CHECKED_RUN * CHECKED_RUN;
        let end = range.end.next_multiple_of(CHECKED_RUN).min(span.length);
        Self {
            address: DATA_ZONE + span.offset + first,
            length: (end - first) as usize,
            sums: &span.sums[(first / CHECKED_RUN) as usize..],
            within: (range.start - first) as usize..(range.end - first) as usize,
        }
    }

    /// The range of them, if they are whole and match their checksums.
    fn check(&self, bytes: &Bytes) -> Option<Bytes> {
        let mut runs = bytes.chunks(CHECKED_RUN as usize).zip(self.sums);
        let matches = bytes.len() == self.length && runs.all(|(run, sum)| crc32c(run) == *sum);
        matches.then(|| bytes.slice(self.within.clone()))
    }
}

/// Reads `range` at once, if memory has it and it matches.
fn read_cached(shared: &Shared, span: &Span, range: &Range<u64>) -> Option<Bytes> {
    let runs = Runs::around(span, range);
    let bytes = shared.data.read_cached(runs.address, runs.length)?;
    runs.check(&bytes)
}

/// Reads `range` from wherever it can be had.
async fn read_checked(
    shared: Arc<Shared>,
    span: Arc<Span>,
    range: Range<u64>,
) -> Result<Bytes, ReadError> {
    let runs = Runs::around(&span, &range);
    let Runs {
        address, length, ..
    } = runs;
    let unchecked = shared.data.read_unchecked(address, length).await;
    if let Some(bytes) = unchecked.and_then(|bytes| runs.check(&bytes)) {
        return Ok(bytes);
    }
    // The volume may repair what is damaged (V10), and knows what must not be read by itself.
    match shared.data.read(address, length).await {
        Ok(bytes) => runs.check(&bytes).ok_or(ReadError::Damaged { address }),
        Err(DeviceError::Io) => Err(ReadError::Damaged { address }),
        Err(error) => Err(ReadError::Closed(ClosedError::Device(error))),
    }
}

/// The same into memory that is counted until the client has it.
async fn read_counted(
    shared: Arc<Shared>,
    span: Arc<Span>,
    range: Range<u64>,
    room: Room,
) -> Result<Bytes, ReadError> {
    let bytes = read_checked(shared, span, range).await?;
    Ok(if room.is_counted() {
        Bytes::from_owner(Counted { bytes, _room: room })
    } else {
        bytes
    })
}
