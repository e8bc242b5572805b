//! The pieces of a blob that was written into.

use std::ops::Range;

use crate::blob::slices::cut;
use crate::object::{Blob, Piece, SpanSlice};

impl Piece {
    /// Length in bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Slice(slice) => slice.length,
            Self::Stored { range, .. } => range.end - range.start,
        }
    }

    /// About how many slices hold its bytes.
    fn slices(&self) -> u64 {
        match self {
            Self::Slice(_) => 1,
            Self::Stored { blob, range } => {
                let part = u128::from(range.end - range.start) * u128::from(blob.slices);
                u64::try_from(part / u128::from(blob.length.max(1))).map_or(u64::MAX, |it| it + 1)
            }
        }
    }

    /// A range of its bytes.
    fn cut(&self, part: Range<u64>) -> Self {
        match self {
            Self::Slice(slice) => Self::Slice(SpanSlice {
                span: slice.span,
                offset: slice.offset + part.start,
                length: part.end - part.start,
            }),
            Self::Stored { blob, range } => Self::Stored {
                blob: *blob,
                range: range.start + part.start..range.start + part.end,
            },
        }
    }
}

/// The blob of pieces, few as they are.
pub fn blob(pieces: Vec<Piece>) -> Blob {
    let slice = |piece: &Piece| match piece {
        Piece::Slice(slice) => Some(*slice),
        Piece::Stored { .. } => None,
    };
    match pieces.iter().map(slice).collect() {
        Some(slices) => Blob::Inline(slices),
        None => Blob::Pieces(pieces),
    }
}

/// The pieces that hold `range` of the bytes that `pieces` hold.
pub fn within(pieces: &[Piece], range: Range<u64>) -> Vec<Piece> {
    let mut start = 0;
    let mut held = Vec::new();
    for piece in pieces {
        let end = start + piece.length();
        let (from, to) = (range.start.max(start), range.end.min(end));
        if from < to {
            held.push(piece.cut(from - start..to - start));
        }
        start = end;
    }
    held
}

/// `pieces` with the bytes of `ranges` in place of what they had there, or behind them. The ranges
/// follow one another, each begins within what is there or at its end, and `slices` hold their bytes.
pub fn write(pieces: &[Piece], ranges: &[Range<u64>], slices: &[SpanSlice]) -> Vec<Piece> {
    let mut written = Vec::with_capacity(pieces.len() + 2 * slices.len());
    let (mut at, mut taken) = (0, 0);
    for range in ranges {
        written.extend(within(pieces, at..range.start));
        let length = range.end - range.start;
        let fresh = cut(slices, taken..taken + length);
        written.extend(fresh.into_iter().map(Piece::Slice));
        taken += length;
        at = range.end;
    }
    written.extend(within(pieces, at..u64::MAX));
    written
}

/// The most pieces in a row that have about `budget` slices or less; `None` when there are no two.
pub fn run(pieces: &[Piece], budget: u64) -> Option<Range<usize>> {
    let (mut best, mut start, mut held) = (0..1, 0, 0_u64);
    for (n, piece) in pieces.iter().enumerate() {
        held = held.saturating_add(piece.slices());
        while held > budget && start <= n {
            held -= pieces[start].slices();
            start += 1;
        }
        if n + 1 - start.min(n + 1) > best.len() {
            best = start..n + 1;
        }
    }
    (best.len() > 1).then_some(best)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::object::{BlobId, SpanId, StoredBlob};

    /// What stands at each byte: a span or a blob, and where in it.
    fn bytes(pieces: &[Piece]) -> Vec<(bool, u64, u64)> {
        let bytes = pieces.iter().flat_map(|piece| {
            let (is_span, id, start) = match piece {
                Piece::Slice(slice) => (true, slice.span.0, slice.offset),
                Piece::Stored { blob, range } => (false, blob.id.0, range.start),
            };
            (0..piece.length()).map(move |at| (is_span, id, start + at))
        });
        bytes.collect()
    }

    fn piece((id, length, is_span): (u64, u64, bool)) -> Piece {
        if is_span {
            return Piece::Slice(SpanSlice {
                span: SpanId(id),
                offset: 3,
                length,
            });
        }
        let blob = StoredBlob {
            id: BlobId(id),
            length: length + 9,
            slices: 4,
        };
        let range = 5..5 + length;
        Piece::Stored { blob, range }
    }

    #[test]
    fn a_run_has_the_most_pieces_that_the_budget_allows() {
        let pieces: Vec<_> = [(1, true), (9, false), (1, true), (1, true), (9, false)]
            .into_iter()
            .map(|(length, is_span)| piece((7, length, is_span)))
            .collect();
        // 9 of 18 bytes of four slices are about three.
        assert_eq!(run(&pieces, 1), None);
        assert_eq!(run(&pieces, 2), Some(2..4));
        assert_eq!(run(&pieces, 5), Some(0..3));
        assert_eq!(run(&pieces, 9), Some(0..5));
        assert_eq!(run(&[], 9), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_there_and_all_else_stays(
            pieces in proptest::collection::vec((0_u64..9, 1_u64..40, any::<bool>()), 0..8),
            writes in proptest::collection::vec((0_u64..60, 1_u64..60), 1..5),
        ) {
            let pieces: Vec<_> = pieces.into_iter().map(piece).collect();
            let mut expected = bytes(&pieces);
            let (mut at, mut ranges, mut slices) = (0, Vec::new(), Vec::new());
            for (gap, length) in writes {
                let start = (at + gap).min(at.max(expected.len() as u64));
                let range = start..start + length;
                at = range.end;
                let span = SpanId(100 + slices.len() as u64);
                slices.push(SpanSlice { span, offset: 0, length });
                expected.resize(expected.len().max(at as usize), (false, 0, 0));
                for byte in 0..length {
                    expected[(range.start + byte) as usize] = (true, span.0, byte);
                }
                ranges.push(range);
            }
            prop_assert_eq!(bytes(&write(&pieces, &ranges, &slices)), expected);
        }
    }
}
