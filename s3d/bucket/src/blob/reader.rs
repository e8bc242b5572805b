//! Bodies on their way out: every byte is checked before it is given.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use volumed_client::DeviceError;

use crate::CHECKED_RUN;
use crate::blob::slices::{cut, total};
use crate::blob::transfers::Room;
use crate::errors::{ClosedError, ReadError};
use crate::format::crc::crc32c;
use crate::format::layout::DATA_ZONE;
use crate::format::rows::{Row, Span, Table, span_key};
use crate::index::listing;
use crate::object::{Blob, BlobId, SpanId, SpanSlice};
use crate::shared::Shared;
use crate::space::pins::Pin;

/// Chunks asked of the volume ahead of the one that is given.
const AHEAD: usize = 2;

/// Gives the bytes of a blob, chunk by chunk.
pub struct BlobReader {
    shared: Arc<Shared>,
    _pin: Pin,
    /// What was not asked for yet …
    slices: VecDeque<SpanSlice>,
    /// … and what lies behind that.
    rest: Option<StoredRange>,
    /// The span of the first slice, once it was looked up.
    span: Option<Arc<Span>>,
    reads: FuturesOrdered<BoxFuture<'static, Result<Bytes, ReadError>>>,
}

/// A range of a stored blob whose slices were not looked up yet.
struct StoredRange {
    blob: BlobId,
    range: Range<u64>,
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
            Blob::Inline(slices) => (cut(slices, range).into(), None),
            Blob::Stored(blob) => (VecDeque::new(), Some(StoredRange { blob: *blob, range })),
        };
        let span = first.filter(|_| begins(&slices) == blob.first_span());
        Self {
            shared,
            _pin: pin,
            slices,
            rest: rest.filter(|rest| !rest.range.is_empty()),
            span,
            reads: FuturesOrdered::new(),
        }
    }

    /// The next bytes, at most 1 MiB; `None` behind the last.
    pub async fn next(&mut self) -> Option<Result<Bytes, ReadError>> {
        while self.reads.len() < AHEAD {
            match self.next_chunk().await {
                Ok(Some(read)) => self.reads.push_back(read),
                Ok(None) => break,
                Err(error) => {
                    self.slices.clear();
                    self.rest = None;
                    self.reads.clear();
                    return Some(Err(error));
                }
            }
        }
        self.reads.next().await
    }

    async fn next_chunk(&mut self) -> Result<Option<Chunk>, ReadError> {
        if self.slices.is_empty()
            && let Some(rest) = &mut self.rest
        {
            self.slices = rest.next(&self.shared).await?.into();
            if rest.range.is_empty() {
                self.rest = None;
            }
        }
        let Some(slice) = self.slices.front_mut() else {
            return Ok(None);
        };
        let span = match self.span.take() {
            Some(span) => span,
            None => Arc::new(look_up(&self.shared, slice).await?),
        };
        let offset = slice.offset;
        let room = if slice.length > CHECKED_RUN {
            self.shared.transfers.room()
        } else {
            Room::SHORT
        };
        let longest = room.bytes() as u64;
        let length = slice.length.min(longest - offset % longest);
        slice.offset += length;
        slice.length -= length;
        if slice.length == 0 {
            self.slices.pop_front();
        } else {
            self.span = Some(span.clone());
        }
        let read = read_checked(self.shared.clone(), span, offset..offset + length);
        Ok(Some(Box::pin(async move {
            let bytes = read.await?;
            Ok(if room.is_counted() {
                Bytes::from_owner(Counted { bytes, _room: room })
            } else {
                bytes
            })
        })))
    }
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

impl StoredRange {
    /// The slices that one row holds of the range, which then begins behind them.
    async fn next(&mut self, shared: &Arc<Shared>) -> Result<Vec<SpanSlice>, ReadError> {
        let (blob, start) = (self.blob, self.range.start);
        let row = shared
            .index
            .read(move |reader| listing::slices_from(reader, blob, start));
        let damaged = ReadError::Damaged {
            address: DATA_ZONE + blob.0,
        };
        let (end, slices) = shared.looked(row.await)?.ok_or(damaged)?;
        let first = end - total(&slices);
        let to = self.range.end.min(end);
        let slices = cut(&slices, start - first..to - first);
        self.range.start = to;
        Ok(slices)
    }
}

fn begins(slices: &VecDeque<SpanSlice>) -> Option<SpanId> {
    slices.front().map(|slice| slice.span)
}

type Chunk = BoxFuture<'static, Result<Bytes, ReadError>>;

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

/// Reads the checked runs around `range`, checks them, and gives `range` of them.
async fn read_checked(
    shared: Arc<Shared>,
    span: Arc<Span>,
    range: Range<u64>,
) -> Result<Bytes, ReadError> {
    let first = range.start / CHECKED_RUN * CHECKED_RUN;
    let end = range.end.next_multiple_of(CHECKED_RUN).min(span.length);
    let (address, length) = (DATA_ZONE + span.offset + first, (end - first) as usize);
    let sums = &span.sums[(first / CHECKED_RUN) as usize..];
    let matches = |bytes: &Bytes| {
        let mut runs = bytes.chunks(CHECKED_RUN as usize).zip(sums);
        bytes.len() == length && runs.all(|(run, sum)| crc32c(run) == *sum)
    };
    let bytes = match shared.data.read_unchecked(address, length).await {
        Some(bytes) if matches(&bytes) => bytes,
        // The volume may repair what is damaged (V10), and knows what must not be read by itself.
        _ => match shared.data.read(address, length).await {
            Ok(bytes) if matches(&bytes) => bytes,
            Ok(_) | Err(DeviceError::Io) => return Err(ReadError::Damaged { address }),
            Err(error) => return Err(ReadError::Closed(ClosedError::Device(error))),
        },
    };
    Ok(bytes.slice((range.start - first) as usize..(range.end - first) as usize))
}
