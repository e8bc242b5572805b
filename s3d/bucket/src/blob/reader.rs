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
use crate::format::crc::crc32c;
use crate::format::layout::{DATA_ZONE, RUN};
use crate::format::rows::{Row, Span, Table, span_key};
use crate::object::{Blob, SpanSlice};
use crate::requests::{ClosedError, ReadError};
use crate::shared::Shared;
use crate::space::pins::Pin;

/// Chunks asked of the volume ahead of the one that is given.
const AHEAD: usize = 2;

/// Gives the bytes of a blob, chunk by chunk.
pub struct BlobReader {
    shared: Arc<Shared>,
    _pin: Pin,
    /// What was not asked for yet.
    slices: VecDeque<SpanSlice>,
    /// The span of the first slice, once it was looked up.
    span: Option<Arc<Span>>,
    reads: FuturesOrdered<BoxFuture<'static, Result<Bytes, ReadError>>>,
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
        let slices = cut(&blob.slices, range);
        let begins_there =
            slices.front().map(|slice| slice.span) == blob.slices.first().map(|slice| slice.span);
        let span = first.filter(|_| begins_there);
        Self {
            shared,
            _pin: pin,
            slices,
            span,
            reads: FuturesOrdered::new(),
        }
    }

    /// The next bytes, at most 1 MiB; `None` behind the last.
    pub async fn next(&mut self) -> Option<Result<Bytes, ReadError>> {
        while self.reads.len() < AHEAD && !self.slices.is_empty() {
            match self.next_chunk().await {
                Ok(read) => self.reads.push_back(read),
                Err(error) => {
                    self.slices.clear();
                    self.reads.clear();
                    return Some(Err(error));
                }
            }
        }
        self.reads.next().await
    }

    async fn next_chunk(
        &mut self,
    ) -> Result<BoxFuture<'static, Result<Bytes, ReadError>>, ReadError> {
        let slice = self
            .slices
            .front_mut()
            .expect("called while there are slices");
        let span = match self.span.take() {
            Some(span) => span,
            None => Arc::new(look_up(&self.shared, slice).await?),
        };
        let offset = slice.offset;
        let length = slice.length.min(RUN as u64 - offset % RUN as u64);
        slice.offset += length;
        slice.length -= length;
        if slice.length == 0 {
            self.slices.pop_front();
        } else {
            self.span = Some(span.clone());
        }
        Ok(Box::pin(read_checked(
            self.shared.clone(),
            span,
            offset..offset + length,
        )))
    }
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

/// Reads the checked runs around `range`, checks them, and gives `range` of them.
async fn read_checked(
    shared: Arc<Shared>,
    span: Arc<Span>,
    range: Range<u64>,
) -> Result<Bytes, ReadError> {
    let first = range.start / CHECKED_RUN * CHECKED_RUN;
    let end = range.end.next_multiple_of(CHECKED_RUN).min(span.length);
    let address = DATA_ZONE + span.offset + first;
    let bytes = match shared.data.read(address, (end - first) as usize).await {
        Ok(bytes) => bytes,
        Err(DeviceError::Io) => return Err(ReadError::Damaged { address }),
        Err(error) => return Err(ReadError::Closed(ClosedError::Device(error))),
    };
    let sums = &span.sums[(first / CHECKED_RUN) as usize..];
    for (run, sum) in bytes.chunks(CHECKED_RUN as usize).zip(sums) {
        if crc32c(run) != *sum {
            return Err(ReadError::Damaged { address });
        }
    }
    Ok(bytes.slice((range.start - first) as usize..(range.end - first) as usize))
}

/// The slices that hold `range` of the bytes that `slices` hold.
fn cut(slices: &[SpanSlice], range: Range<u64>) -> VecDeque<SpanSlice> {
    let mut start = 0;
    let mut cut = VecDeque::new();
    for slice in slices {
        let end = start + slice.length;
        let (from, to) = (range.start.max(start), range.end.min(end));
        if from < to {
            cut.push_back(SpanSlice {
                span: slice.span,
                offset: slice.offset + (from - start),
                length: to - from,
            });
        }
        start = end;
    }
    cut
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::object::SpanId;

    proptest! {
        #[test]
        fn a_cut_holds_the_range(
            lengths in proptest::collection::vec(1u64..50, 0..8),
            start in 0u64..300,
            length in 0u64..300,
        ) {
            let slices: Vec<_> = lengths
                .iter()
                .enumerate()
                .map(|(n, length)| SpanSlice { span: SpanId(n as u64), offset: 5, length: *length })
                .collect();
            let bytes = |slices: &mut dyn Iterator<Item = &SpanSlice>| {
                slices
                    .flat_map(|it| (it.offset..it.offset + it.length).map(|at| (it.span, at)))
                    .collect::<Vec<_>>()
            };
            let all = bytes(&mut slices.iter());
            let end = (start + length).min(all.len() as u64) as usize;
            let start = (start as usize).min(end);
            let cut = cut(&slices, start as u64..end as u64);
            prop_assert_eq!(bytes(&mut cut.iter()), all[start..end].to_vec());
        }
    }
}
