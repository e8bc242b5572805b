//! Runs of slices, and the runs of bytes that they hold.

use std::ops::Range;

use crate::object::SpanSlice;

/// How many bytes the slices hold.
pub fn total(slices: &[SpanSlice]) -> u64 {
    slices.iter().map(|slice| slice.length).sum()
}

/// The part of `range` that lies in the `length` bytes at `start`, counted from there.
pub fn within(range: &Range<u64>, start: u64, length: u64) -> Range<u64> {
    let place = |at: u64| at.saturating_sub(start).min(length);
    place(range.start)..place(range.end)
}

/// The slices that hold `range` of the bytes that `slices` hold.
pub fn cut(slices: &[SpanSlice], range: Range<u64>) -> Vec<SpanSlice> {
    let mut start = 0;
    let mut cut = Vec::new();
    for slice in slices {
        let end = start + slice.length;
        let (from, to) = (range.start.max(start), range.end.min(end));
        if from < to {
            cut.push(SpanSlice {
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
